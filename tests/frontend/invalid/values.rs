//! Values of a kind that their keys do not take.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn values_of_the_wrong_kind() {
    assert_snapshot!(messages("name: [shop]
env: [A]
defaults: busybox
stages:
  build:
    steps: []
on_failure: tell
"), @"
    W0124

      × `name` takes a name, not a list
       ╭─[windlass.yml:1:7]
     1 │ name: [shop]
       ·       ─
       ╰────
      help: write the value after `name:`

    W0124

      × `env` takes a mapping of names to values, not a list
       ╭─[windlass.yml:2:6]
     2 │ env: [A]
       ·      ─
       ╰────
      help: write `env: { NAME: value }`

    W0124

      × `defaults` takes a mapping, not text
       ╭─[windlass.yml:3:11]
     3 │ defaults: busybox
       ·           ───────
       ╰────
      help: the keys of `defaults` are `image`, `shell`, `user`, `timeout`, `resources`, `retry`

    W0124

      × `stages` takes a list of stages, not a mapping
       ╭─[windlass.yml:5:3]
     5 │   build:
       ·   ─────
       ╰────
      help: each stage is an item: `- name: build`, with its `steps` below it

    W0124

      × `on_failure` takes a list of steps, not text
       ╭─[windlass.yml:7:13]
     7 │ on_failure: tell
       ·             ────
       ╰────
      help: each step is an item: `- name: compile`, with its `run` below it
    ");
}

#[test]
fn lists_that_are_not_lists() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: compile
        command: cargo build --release
      - name: unit
        args: --all
        needs: compile
      - make
      - name: lint
        run: { script: make }
"), @"
    W0124

      × `command` takes a list of words, not text
       ╭─[windlass.yml:6:18]
     6 │         command: cargo build --release
       ·                  ─────────────────────
       ╰────
      help: write `command: [cargo, build, --release]`, or `run: …` for a line that a shell reads

    W0124

      × `args` takes a list of words, not text
       ╭─[windlass.yml:8:15]
     8 │         args: --all
       ·               ─────
       ╰────
      help: write `args: [one, two]`

    W0124

      × `needs` takes a list of step names, not text
       ╭─[windlass.yml:9:16]
     9 │         needs: compile
       ·                ───────
       ╰────
      help: write `needs: [compile]`

    W0124

      × an item of `steps` takes a mapping, not text
        ╭─[windlass.yml:10:9]
     10 │       - make
        ·         ────
        ╰────
      help: the keys of a step are `name`, `image`, `run`, `shell`, `command`, `args`, `env`,
            `environments`, `user`, `timeout`, `resources`, `network`, `needs`, `after`,
            `allow_failure`, `matrix`, `retry`, `when`, `services`, `secrets`, `outputs`, `gate`,
            `substitute`, `wait_for`, `template`, `with`

    W0124

      × `run` takes a script, as text or as a list of lines, not a mapping
        ╭─[windlass.yml:12:14]
     12 │         run: { script: make }
        ·              ─
        ╰────
      help: write the value after `run:`
    ");
}

#[test]
fn keys_without_a_value() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: compile
        run:
        env:
          A:
          B: ~
          C: null
        timeout:
        needs:
"), @r#"
    W0125

      × `run` has no value; it takes a script, as text or as a list of lines
       ╭─[windlass.yml:6:12]
     6 │         run:
       ·            ▲
       ╰────
      help: quote the word if it is meant as text, or remove the key

    W0125

      × `A` has no value
       ╭─[windlass.yml:8:11]
     8 │           A:
       ·           ─
       ╰────
      help: write `""` for an empty one; quote the word if it is meant as text

    W0125

      × `B` has no value
       ╭─[windlass.yml:9:14]
     9 │           B: ~
       ·              ─
       ╰────
      help: write `""` for an empty one; quote the word if it is meant as text

    W0125

      × `C` has no value
        ╭─[windlass.yml:10:14]
     10 │           C: null
        ·              ────
        ╰────
      help: write `""` for an empty one; quote the word if it is meant as text

    W0125

      × `timeout` has no value; it takes a duration such as `20m`
        ╭─[windlass.yml:11:16]
     11 │         timeout:
        ·                ▲
        ╰────
      help: quote the word if it is meant as text, or remove the key

    W0125

      × `needs` has no value; it takes a list of step names
        ╭─[windlass.yml:12:14]
     12 │         needs:
        ·              ▲
        ╰────
      help: write `needs: [name]`, or `needs: []` to start at once
    "#);
}

#[test]
fn nothing_to_run() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, run: '' }
      - { name: two, run: [] }
      - { name: three, command: [] }
      - { name: four, command: [''] }
      - { name: five, run: a, shell: [] }
"), @r"
    W0141

      × `run` is empty
       ╭─[windlass.yml:5:27]
     5 │       - { name: one, run: '' }
       ·                           ──
       ╰────
      help: say what to run, or remove the key to run the image's own entry point

    W0141

      × `run` is empty
       ╭─[windlass.yml:6:27]
     6 │       - { name: two, run: [] }
       ·                           ─
       ╰────
      help: say what to run, or remove the key to run the image's own entry point

    W0141

      × `command` is empty
       ╭─[windlass.yml:7:33]
     7 │       - { name: three, command: [] }
       ·                                 ─
       ╰────
      help: say what to run, or remove the key to run the image's own entry point

    W0141

      × `command` is empty
       ╭─[windlass.yml:8:32]
     8 │       - { name: four, command: [''] }
       ·                                ─
       ╰────
      help: say what to run, or remove the key to run the image's own entry point

    W0141

      × `shell` is empty
       ╭─[windlass.yml:9:38]
     9 │       - { name: five, run: a, shell: [] }
       ·                                      ─
       ╰────
      help: say what to run, or remove the key to run the image's own entry point
    ");
}

#[test]
fn control_characters_are_not_printed() {
    assert_snapshot!(messages(r#"defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: "a\x1b[31m\u202eb"
        run: a
"#), @r#"
    W0131

      × `a�[31m�b` is not a name
       ╭─[windlass.yml:5:15]
     5 │       - name: "a\x1b[31m\u202eb"
       ·               ──────────────────
       ╰────
      help: small letters, digits, `_` and `-`, a letter first: `a--31m-b`
    "#);
}
