//! Conditions that cannot be decided.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn conditions_that_are_none() {
    assert_snapshot!(messages("defaults: { image: busybox }
env: { MODE: fast, FLAG: 'true' }
stages:
  - name: build
    when: git.brnch == 'main'
    steps:
      - { name: one, run: make, when: env.MODE }
      - { name: two, run: make, when: env.MODE = 'fast' }
      - { name: three, run: make, when: env.FLAG == true }
      - { name: four, run: make, when: env.NONE == 'x' }
      - { name: five, run: make, when: \"${{ env.MODE == 'fast' }}\" }
      - { name: six, run: make, when: env.MODE == fast }
      - { name: seven, run: make, when: [a] }
      - { name: eight, run: make, when: '' }
      - name: nine
        run: make
        when: |
          env.MODE == 'fast' &&
          steps.one-two.outcome == 'passed'
"), @r#"
    W0181

      × `git` has no `brnch`
       ╭─[windlass.yml:5:11]
     5 │     when: git.brnch == 'main'
       ·           ─────────
       ╰────
      help: there are `author`, `branch`, `sha`, `tag`, `url`

    W0181

      × a condition is a boolean, and this is text
       ╭─[windlass.yml:7:39]
     7 │       - { name: one, run: make, when: env.MODE }
       ·                                       ────────
       ╰────
      help: compare it with something: `env.NAME == 'yes'`

    W0181

      × `=` has no meaning here
       ╭─[windlass.yml:8:48]
     8 │       - { name: two, run: make, when: env.MODE = 'fast' }
       ·                                                ─
       ╰────
      help: two values are compared with `==`

    W0181

      × `==` compares text and a boolean
       ╭─[windlass.yml:9:50]
     9 │       - { name: three, run: make, when: env.FLAG == true }
       ·                                                  ─
       ╰────
      help: a boolean is compared with `true` or `false` without quotes, text with text in quotes

    W0181

      × `env` has no `NONE`
        ╭─[windlass.yml:10:40]
     10 │       - { name: four, run: make, when: env.NONE == 'x' }
        ·                                        ────────
        ╰────
      help: `has(env.NONE)` says whether it is there

    W0181

      × `${{ }}` does not stand in `when`
        ╭─[windlass.yml:11:40]
     11 │       - { name: five, run: make, when: "${{ env.MODE == 'fast' }}" }
        ·                                        ───────────────────────────
        ╰────
      help: `when` is an expression already; write it without `${{` and `}}`

    W0181

      × `fast` is not known
        ╭─[windlass.yml:12:51]
     12 │       - { name: six, run: make, when: env.MODE == fast }
        ·                                                   ────
        ╰────
      help: text stands in quotes: 'fast'; there are `env`, `environment`, `event`, `files`, `git`,
            `inputs`, `steps`

    W0124

      × `when` takes an expression such as `git.branch == 'main'`, not a list
        ╭─[windlass.yml:13:41]
     13 │       - { name: seven, run: make, when: [a] }
        ·                                         ─
        ╰────
      help: write the value after `when:`

    W0181

      × the expression is empty
        ╭─[windlass.yml:14:41]
     14 │       - { name: eight, run: make, when: '' }
        ·                                         ▲
        ╰────
      help: write one, such as `git.tag != ''`

    W0181

      × `steps.one-two` is read as a subtraction
        ╭─[windlass.yml:18:11]
     18 │           env.MODE == 'fast' &&
        ·           ─────────────────────
        ╰────
      help: a name with a hyphen is written `steps['one-two']`
    "#);
}

#[test]
fn conditions_that_ask_for_steps_that_may_not_have_ended() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, run: make }
      - { name: sibling, run: make, when: steps.one.outcome == 'passed' }
      - { name: itself, run: make, when: steps.itself.outcome == 'passed' }
      - { name: wait, run: make, needs: [one], when: steps.one.outcome == 'passed' }
      - { name: any, run: make, needs: { any: [one, wait] }, when: steps.one.outcome == 'passed' }
  - name: test
    when: steps.one.outcome == 'passed'
    steps:
      - { name: late, run: make }
      - { name: early, run: make, needs: [] }
      - { name: typo, run: make, when: steps.oen.outcome == 'passed' }
      - { name: output, run: make, when: steps.one.outputs.version == '1' }
      - { name: word, run: make, when: steps.one.status == 'ok' }
"), @"
    W0182

      × `one` may not have ended when this is decided
       ╭─[windlass.yml:6:43]
     6 │       - { name: sibling, run: make, when: steps.one.outcome == 'passed' }
       ·                                           ─────────────────
       ╰────
      help: wait for it: `needs: [one]`, or move the step to a later stage

    W0182

      × `itself` may not have ended when this is decided
       ╭─[windlass.yml:7:42]
     7 │       - { name: itself, run: make, when: steps.itself.outcome == 'passed' }
       ·                                          ────────────────────
       ╰────
      help: wait for it: `needs: [itself]`, or move the step to a later stage

    W0182

      × `one` may not have ended when this is decided
       ╭─[windlass.yml:9:68]
     9 │ … { name: any, run: make, needs: { any: [one, wait] }, when: steps.one.outcome == 'passed' }
       ·                                                              ─────────────────
       ╰────
      help: wait for it: `needs: [one]`, or move the step to a later stage

    W0182

      × `one` may not have ended when this is decided
        ╭─[windlass.yml:11:11]
     11 │     when: steps.one.outcome == 'passed'
        ·           ─────────────────
        ╰────
      help: wait for it: `needs: [one]`, or move the step to a later stage

    W0181

      × there is no step `oen`
        ╭─[windlass.yml:15:40]
     15 │       - { name: typo, run: make, when: steps.oen.outcome == 'passed' }
        ·                                        ─────────────────
        ╰────
      help: the nearest name is `one`

    W0181

      × `one` does not declare the output `version`
        ╭─[windlass.yml:16:42]
     16 │       - { name: output, run: make, when: steps.one.outputs.version == '1' }
        ·                                          ─────────────────────────
        ╰────
      help: add it there: `outputs: [version]`

    W0181

      × a step has no `status`
        ╭─[windlass.yml:17:40]
     17 │       - { name: word, run: make, when: steps.one.status == 'ok' }
        ·                                        ────────────────
        ╰────
      help: it is called `outcome`: `steps.one.outcome == 'passed'`
    ");
}
