//! Mistakes in `${{ }}`, each at its place in the string.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn expressions_that_cannot_be_read() {
    assert_snapshot!(messages("stages:
  - name: s
    steps:
      - name: a
        image: \"app:${{ inputs.tag\"
        user: ${{ }}
        timeout: ${{ 1 + }}
        env:
          ONE: a-${{ 'x' + }}-b
          TWO: \"${{ secrets.TOKEN }}\"
          THREE: |
            first line
            second ${{ git.branch = 'main' }}
          FOUR: \"tab\\t${{ nobody }}\"
"), @r#"
    W0173

      × this `${{` has no `}}`
       ╭─[windlass.yml:5:21]
     5 │         image: "app:${{ inputs.tag"
       ·                     ───
       ╰────
      help: for a literal `${{` write `$${{`

    W0173

      × this `${{ }}` is empty
       ╭─[windlass.yml:6:19]
     6 │         user: ${{ }}
       ·                   ─
       ╰────
      help: write what stands for the value: `${{ inputs.NAME }}`; for a literal `${{` write `$${{`

    W0173

      × the expression ends where a value was expected
       ╭─[windlass.yml:7:25]
     7 │         timeout: ${{ 1 + }}
       ·                         ─
       ╰────
      help: `windlass explain W0173` says what it may ask

    W0173

      × the expression ends where a value was expected
       ╭─[windlass.yml:9:27]
     9 │           ONE: a-${{ 'x' + }}-b
       ·                           ─
       ╰────
      help: `windlass explain W0173` says what it may ask

    W0173

      × there are no secrets in `${{ }}`
        ╭─[windlass.yml:10:21]
     10 │           TWO: "${{ secrets.TOKEN }}"
        ·                     ─────────────
        ╰────
      help: list the secret in `secrets` of the step; its program gets it as a variable

    W0173

      × `=` has no meaning here
        ╭─[windlass.yml:13:35]
     13 │             second ${{ git.branch = 'main' }}
        ·                                   ─
        ╰────
      help: two values are compared with `==`

    W0173

      × `nobody` is not known
        ╭─[windlass.yml:14:27]
     14 │           FOUR: "tab\t${{ nobody }}"
        ·                           ──────
        ╰────
      help: text stands in quotes: 'nobody'; there are `env`, `environment`, `event`, `files`, `git`,
            `inputs`, `steps`
    "#);
}

#[test]
fn values_that_are_not_there() {
    assert_snapshot!(messages("inputs: [{ name: target, default: a }]
env: { HOST: a, URL: \"http://${{ env.HOST }}\" }
environments: { staging: { PORT: '80' } }
stages:
  - name: s
    env: { A: \"${{ inputs.tarket }}\", B: \"${{ env.A }}\" }
    steps:
      - name: a
        image: i:${{ env.PORT }}
        timeout: ${{ inputs.target }}
        allow_failure: ${{ git.nothing }}
        matrix: { os: [\"${{ env.HOST + 1 }}\"] }
"), @r#"
    W0173

      × `env` has no `HOST`
       ╭─[windlass.yml:2:34]
     2 │ env: { HOST: a, URL: "http://${{ env.HOST }}" }
       ·                                  ────────
       ╰────
      help: `has(env.HOST)` says whether it is there

    W0173

      × `inputs` has no `tarket`
       ╭─[windlass.yml:6:20]
     6 │     env: { A: "${{ inputs.tarket }}", B: "${{ env.A }}" }
       ·                    ─────────────
       ╰────
      help: there are `target`

    W0173

      × `env` has no `A`
       ╭─[windlass.yml:6:47]
     6 │     env: { A: "${{ inputs.tarket }}", B: "${{ env.A }}" }
       ·                                               ─────
       ╰────
      help: `has(env.A)` says whether it is there

    W0173

      × `env` has no `PORT`
       ╭─[windlass.yml:9:22]
     9 │         image: i:${{ env.PORT }}
       ·                      ────────
       ╰────
      help: `has(env.PORT)` says whether it is there

    W0132

      × `a` is not a duration
        ╭─[windlass.yml:10:18]
     10 │         timeout: ${{ inputs.target }}
        ·                  ────────────────────
        ╰────
      help: write whole numbers with units: `90s`, `20m`, `1h30m`

    W0173

      × `git` has no `nothing`
        ╭─[windlass.yml:11:28]
     11 │         allow_failure: ${{ git.nothing }}
        ·                            ───────────
        ╰────
      help: there are `author`, `branch`, `sha`, `tag`, `url`

    W0173

      × `+` has text and a whole number
        ╭─[windlass.yml:12:38]
     12 │         matrix: { os: ["${{ env.HOST + 1 }}"] }
        ·                                      ─
        ╰────
      help: make texts of both: `'v' + string(inputs.count)`
    "#);
}

#[test]
fn names_stand_for_themselves() {
    assert_snapshot!(messages("stages: [{ name: s, steps: [{ name: \"${{ inputs.a }}\", image: i }] }]
"), @r#"
    W0131

      × `${{ inputs.a }}` is not a name
       ╭─[windlass.yml:1:37]
     1 │ stages: [{ name: s, steps: [{ name: "${{ inputs.a }}", image: i }] }]
       ·                                     ─────────────────
       ╰────
      help: names stand for themselves; there is no `${{ }}` in them
    "#);
}

#[test]
fn arguments_are_whole_items() {
    assert_snapshot!(messages("inputs: [{ name: file, default: a b }]
stages:
  - name: s
    steps:
      - { name: a, image: i, command: [cat, \"--file=${{ inputs.file }}\", \"${{ inputs.file }}\"] }
      - { name: b, image: i, args: [\"${{ inputs.file }}${{ inputs.file }}\", \"$${{ it }} ${{ 1 }}\"] }
"), @r#"
    W0175

      × `${{ }}` is a part of an item of `command`
       ╭─[windlass.yml:5:57]
     5 │       - { name: a, image: i, command: [cat, "--file=${{ inputs.file }}", "${{ inputs.file }}"] }
       ·                                                         ───────────
       ╰────
      help: let it be a whole item, or let the program read a variable of `env`

    W0175

      × `${{ }}` is a part of an item of `args`
       ╭─[windlass.yml:6:42]
     6 │       - { name: b, image: i, args: ["${{ inputs.file }}${{ inputs.file }}", "$${{ it }} ${{ 1 }}"] }
       ·                                          ───────────
       ╰────
      help: let it be a whole item, or let the program read a variable of `env`

    W0175

      × `${{ }}` is a part of an item of `args`
       ╭─[windlass.yml:6:93]
     6 │ …s: ["${{ inputs.file }}${{ inputs.file }}", "$${{ it }} ${{ 1 }}"] }
       ·                                                              ─
       ╰────
      help: let it be a whole item, or let the program read a variable of `env`
    "#);
}

#[test]
fn text_of_others_is_no_code() {
    assert_snapshot!(messages("env: { BRANCH: \"${{ git.branch }}\", SAFE: a }
stages:
  - name: s
    steps:
      - { name: a, image: i, command: [sh, -c, \"${{ git.branch }}\"] }
      - { name: b, image: i, command: [env, A=b, /bin/bash, -ec, \"${{ env.BRANCH }}\"] }
      - { name: c, image: i, command: [sh, -c], args: [\"${{ git.tag }}\"] }
      - { name: d, image: i, args: [-c, 'echo \"$1\"', \"${{ git.tag }}\"] }
      - { name: fine, image: i, command: [sh, -c, \"${{ env.SAFE }}\"], env: { B: \"${{ git.branch }}\" } }
      - { name: too, image: i, command: [git, -c, \"${{ git.branch }}\"] }
"), @r#"
    W0176

      × text from git or an event is given to a shell as code
       ╭─[windlass.yml:5:48]
     5 │       - { name: a, image: i, command: [sh, -c, "${{ git.branch }}"] }
       ·                                                ───────────────────
       ╰────
      help: whoever names a branch could run what they like; set a variable in `env`, and let the
            shell read it: `sh -c 'echo "$BRANCH"'`

    W0176

      × text from git or an event is given to a shell as code
       ╭─[windlass.yml:6:66]
     6 │ … - { name: b, image: i, command: [env, A=b, /bin/bash, -ec, "${{ env.BRANCH }}"] }
       ·                                                              ───────────────────
       ╰────
      help: whoever names a branch could run what they like; set a variable in `env`, and let the
            shell read it: `sh -c 'echo "$BRANCH"'`

    W0176

      × text from git or an event is given to a shell as code
       ╭─[windlass.yml:7:56]
     7 │       - { name: c, image: i, command: [sh, -c], args: ["${{ git.tag }}"] }
       ·                                                        ────────────────
       ╰────
      help: whoever names a branch could run what they like; set a variable in `env`, and let the
            shell read it: `sh -c 'echo "$BRANCH"'`

    W0176

      × text from git or an event is given to a shell as code
       ╭─[windlass.yml:8:54]
     8 │       - { name: d, image: i, args: [-c, 'echo "$1"', "${{ git.tag }}"] }
       ·                                                      ────────────────
       ╰────
      help: whoever names a branch could run what they like; set a variable in `env`, and let the
            shell read it: `sh -c 'echo "$BRANCH"'`
    "#);
}

#[test]
fn outputs_that_cannot_be_taken() {
    assert_snapshot!(messages("stages:
  - name: s
    steps:
      - { name: a, image: i }
      - { name: b, image: \"${{ steps.nobody.outputs.tag }}\" }
      - { name: c, image: \"i:${{ steps.a.outputs.tag }}\" }
      - { name: d, image: i, timeout: \"${{ steps.a.outputs.limit }}\" }
      - { name: e, image: i, env: { A: \"${{ steps.a.outcome }}\", B: \"${{ steps.a.outputs.x + 'y' }}\" } }
"), @r#"
    W0178

      × there is no step `nobody`
       ╭─[windlass.yml:5:32]
     5 │       - { name: b, image: "${{ steps.nobody.outputs.tag }}" }
       ·                                ────────────────────────
       ╰────
      help: outputs are those of steps of this pipeline

    W0178

      × `a` does not declare the output `tag`
       ╭─[windlass.yml:6:34]
     6 │       - { name: c, image: "i:${{ steps.a.outputs.tag }}" }
       ·                                  ───────────────────
       ╰────
      help: add it there: `outputs: [tag]`

    W0174

      × `timeout` cannot wait for an output
       ╭─[windlass.yml:7:39]
     7 │       - { name: d, image: i, timeout: "${{ steps.a.outputs.limit }}" }
       ·                                       ──────────────────────────────
       ╰────
      help: it is needed before anything starts; outputs may stand in `image`, `env`, `command` and
            `args`

    W0174

      × what steps do is known only once they have ended
       ╭─[windlass.yml:8:45]
     8 │       - { name: e, image: i, env: { A: "${{ steps.a.outcome }}", B: "${{ steps.a.outputs.x + 'y' }}" } }
       ·                                             ───────────────
       ╰────
      help: an output stands alone: `${{ steps.NAME.outputs.KEY }}`; text may stand around it

    W0174

      × what steps do is known only once they have ended
       ╭─[windlass.yml:8:74]
     8 │ …e: e, image: i, env: { A: "${{ steps.a.outcome }}", B: "${{ steps.a.outputs.x + 'y' }}" } }
       ·                                                              ───────────────────────
       ╰────
      help: an output stands alone: `${{ steps.NAME.outputs.KEY }}`; text may stand around it
    "#);
}

#[test]
fn a_script_is_warned_of() {
    assert_snapshot!(messages("stages:
  - name: s
    steps:
      - name: a
        image: i
        run: |
          make
          ./deploy ${{ inputs.target }}
      - { name: b, image: i, run: [make, \"echo $${{ x }}\", \"echo ${{ x }}\"] }
"), @r#"
    W0177

      ⚠ `${{ }}` in a script is not replaced
       ╭─[windlass.yml:8:20]
     8 │           ./deploy ${{ inputs.target }}
       ·                    ───
       ╰────
      help: a script gets values as variables: `$WINDLASS_INPUT_<NAME>`, `$WINDLASS_PARAM_<NAME>`, or
            others by `env`

    W0177

      ⚠ `${{ }}` in a script is not replaced
       ╭─[windlass.yml:9:35]
     9 │       - { name: b, image: i, run: [make, "echo $${{ x }}", "echo ${{ x }}"] }
       ·                                   ─
       ╰────
      help: a script gets values as variables: `$WINDLASS_INPUT_<NAME>`, `$WINDLASS_PARAM_<NAME>`, or
            others by `env`
    "#);
}
