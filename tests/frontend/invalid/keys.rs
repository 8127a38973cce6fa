//! Keys that are unknown, missing, not built yet, or at odds.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn misspelt_keys() {
    assert_snapshot!(messages("nmae: shop
stages:
  - name: build
    fail-fast: true
    steps:
      - name: compile
        imgae: busybox
        comand: [make]
        image: busybox
"), @r"
    W0121

      × `nmae` is not a key of a pipeline
       ╭─[windlass.yml:1:1]
     1 │ nmae: shop
       · ────
       ╰────
      help: did you mean `name`?

    W0121

      × `fail-fast` is not a key of a stage
       ╭─[windlass.yml:4:5]
     4 │     fail-fast: true
       ·     ─────────
       ╰────
      help: did you mean `fail_fast`?

    W0121

      × `imgae` is not a key of a step
       ╭─[windlass.yml:7:9]
     7 │         imgae: busybox
       ·         ─────
       ╰────
      help: did you mean `image`?

    W0121

      × `comand` is not a key of a step
       ╭─[windlass.yml:8:9]
     8 │         comand: [make]
       ·         ──────
       ╰────
      help: did you mean `command`?
    ");
}

#[test]
fn keys_of_other_tools() {
    assert_snapshot!(messages("jobs: {}
stages:
  - name: build
    steps:
      - name: compile
        image: busybox
        script: make
        depends_on: []
        variables: { A: b }
"), @r"
    W0121

      × `jobs` is not a key of a pipeline
       ╭─[windlass.yml:1:1]
     1 │ jobs: {}
       · ────
       ╰────
      help: it is called `stages` here. Groups of steps, one after another.

    W0121

      × `script` is not a key of a step
       ╭─[windlass.yml:7:9]
     7 │         script: make
       ·         ──────
       ╰────
      help: it is called `run` here. A script, or a list of its lines; stops at the first error.

    W0121

      × `depends_on` is not a key of a step
       ╭─[windlass.yml:8:9]
     8 │         depends_on: []
       ·         ──────────
       ╰────
      help: it is called `needs` here. Steps it waits for instead of all earlier stages.

    W0121

      × `variables` is not a key of a step
       ╭─[windlass.yml:9:9]
     9 │         variables: { A: b }
       ·         ─────────
       ╰────
      help: it is called `env` here. Its environment.
    ");
}

#[test]
fn keys_of_another_place() {
    assert_snapshot!(messages("image: busybox
stages:
  - name: build
    user: 1000
    timeout: 5m
    steps: [{ name: compile, image: busybox, fail_fast: true }]
"), @"
    W0121

      × `image` is not a key of a pipeline
       ╭─[windlass.yml:1:1]
     1 │ image: busybox
       · ─────
       ╰────
      help: it is a key of `defaults`, a step, a service and `wait_for`; the keys of a pipeline are
            `version`, `name`, `timeout`, `inputs`, `env`, `environments`, `defaults`, `stages`,
            `on_failure`, `finally`, `services`, `secrets`, `templates`, `include`

    W0121

      × `user` is not a key of a stage
       ╭─[windlass.yml:4:5]
     4 │     user: 1000
       ·     ────
       ╰────
      help: it is a key of `defaults` and a step; the keys of a stage are `name`, `after`,
            `fail_fast`, `env`, `environments`, `steps`, `when`, `services`

    W0121

      × `timeout` is not a key of a stage
       ╭─[windlass.yml:5:5]
     5 │     timeout: 5m
       ·     ───────
       ╰────
      help: it is a key of a pipeline, `defaults`, a step, `ready` and `wait_for`; the keys of a stage
            are `name`, `after`, `fail_fast`, `env`, `environments`, `steps`, `when`, `services`

    W0121

      × `fail_fast` is not a key of a step
       ╭─[windlass.yml:6:46]
     6 │     steps: [{ name: compile, image: busybox, fail_fast: true }]
       ·                                              ─────────
       ╰────
      help: it is a key of a stage; the keys of a step are `name`, `image`, `run`, `shell`, `command`,
            `args`, `env`, `environments`, `user`, `timeout`, `resources`, `network`, `needs`,
            `after`, `allow_failure`, `matrix`, `retry`, `when`, `services`, `secrets`, `outputs`,
            `gate`, `substitute`, `wait_for`, `template`, `with`
    ");
}

#[test]
fn a_key_like_no_other() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: compile
        frobnicate: everything
"), @"
    W0121

      × `frobnicate` is not a key of a step
       ╭─[windlass.yml:6:9]
     6 │         frobnicate: everything
       ·         ──────────
       ╰────
      help: the nearest is `name`; the keys of a step are `name`, `image`, `run`, `shell`, `command`,
            `args`, `env`, `environments`, `user`, `timeout`, `resources`, `network`, `needs`,
            `after`, `allow_failure`, `matrix`, `retry`, `when`, `services`, `secrets`, `outputs`,
            `gate`, `substitute`, `wait_for`, `template`, `with`
    ");
}

#[test]
fn no_stages() {
    assert_snapshot!(messages("name: shop
"), @r"
    W0157

      × a pipeline has no `stages`
       ╭─[windlass.yml:1:1]
     1 │ name: shop
       · ────
       ╰────
      help: add `stages`. Groups of steps, one after another.
    ");
}

#[test]
fn empty_lists() {
    assert_snapshot!(messages("stages: []
finally: []
"), @r"
    W0157

      × `stages` is empty
       ╭─[windlass.yml:1:9]
     1 │ stages: []
       ·         ─
       ╰────
      help: a pipeline has at least one stage

    W0157

      × `finally` is empty
       ╭─[windlass.yml:2:10]
     2 │ finally: []
       ·          ─
       ╰────
      help: `finally` is left out when there is nothing to do
    ");
}

#[test]
fn a_stage_without_steps() {
    assert_snapshot!(messages("stages:
  - name: build
  - name: test
    steps: []
"), @"
    W0157

      × a stage has no `steps`
       ╭─[windlass.yml:2:5]
     2 │   - name: build
       ·     ────
       ╰────
      help: add `steps`. What runs in it.

    W0157

      × `steps` is empty
       ╭─[windlass.yml:4:12]
     4 │     steps: []
       ·            ─
       ╰────
      help: a stage has at least one step
    ");
}

#[test]
fn no_names() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - steps:
      - run: make
"), @r"
    W0123

      × a stage has no `name`
       ╭─[windlass.yml:3:5]
     3 │   - steps:
       ·     ─────
       ╰────
      help: add `name`. Its name, unique among the stages.

    W0123

      × a step has no `name`
       ╭─[windlass.yml:4:9]
     4 │       - run: make
       ·         ───
       ╰────
      help: add `name`. Its name, unique in the pipeline.
    ");
}

#[test]
fn no_image() {
    assert_snapshot!(messages("stages:
  - name: build
    steps:
      - name: compile
        run: make
      - name: lint
        image: busybox
        run: lint
finally: [{ name: tidy, run: tidy }]
"), @r"
    W0156

      × step `compile` has no image
       ╭─[windlass.yml:4:15]
     4 │       - name: compile
       ·               ───────
       ╰────
      help: give it an `image`, or all steps one: `defaults: { image: … }`

    W0156

      × step `tidy` has no image
       ╭─[windlass.yml:9:19]
     9 │ finally: [{ name: tidy, run: tidy }]
       ·                   ────
       ╰────
      help: give it an `image`, or all steps one: `defaults: { image: … }`
    ");
}

#[test]
fn run_and_command() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: compile
        run: make
        command: [make]
        args: [all]
"), @r"
    W0142

      × `run` and `command` exclude each other
       ╭─[windlass.yml:7:9]
     7 │         command: [make]
       ·         ───────
       ╰────
      help: keep one of them; `run` replaces the image's entry point by a script

    W0142

      × `run` and `args` exclude each other
       ╭─[windlass.yml:8:9]
     8 │         args: [all]
       ·         ────
       ╰────
      help: keep one of them; `run` replaces the image's entry point by a script
    ");
}

#[test]
fn a_shell_without_a_script() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: compile
        shell: bash
        command: [make]
"), @r"
    W0142

      × `shell` is for `run`, which is not here
       ╭─[windlass.yml:6:9]
     6 │         shell: bash
       ·         ─────
       ╰────
      help: add `run`, or remove `shell`
    ");
}

#[test]
fn not_in_this_version() {
    assert_snapshot!(messages("include: []
stages:
  - name: build
    steps:
      - name: compile
        image: busybox
        run: make
        build: .
        caches: []
        reports: {}
        services: { db: { image: 'postgres:16' } }
"), @"
    W0157

      × `include` is empty
       ╭─[windlass.yml:1:10]
     1 │ include: []
       ·          ─
       ╰────
      help: name one, or remove the key

    W0122

      × `build` of a step is not known to this version yet
       ╭─[windlass.yml:8:9]
     8 │         build: .
       ·         ─────
       ╰────
      help: remove it, or use a later version of windlass

    W0122

      × `caches` of a step is not known to this version yet
       ╭─[windlass.yml:9:9]
     9 │         caches: []
       ·         ──────
       ╰────
      help: remove it, or use a later version of windlass

    W0122

      × `reports` of a step is not known to this version yet
        ╭─[windlass.yml:10:9]
     10 │         reports: {}
        ·         ───────
        ╰────
      help: remove it, or use a later version of windlass
    ");
}

#[test]
fn forms_not_in_this_version() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: compile
        run: make ${{ not.touched.in.a.script }}
        env: { REF: '${{ git.sha }}', LITERAL: '$${{ fine }}' }
"), @"
    W0177

      ⚠ `${{ }}` in a script is not replaced
       ╭─[windlass.yml:6:19]
     6 │         run: make ${{ not.touched.in.a.script }}
       ·                   ───
       ╰────
      help: a script gets values as variables: `$WINDLASS_INPUT_<NAME>`, `$WINDLASS_PARAM_<NAME>`, or
            others by `env`
    ");
}

#[test]
fn a_misspelt_key_is_one_mistake() {
    assert_snapshot!(messages("stages:
  - name: build
    step:
      - run: make
  - nmae: test
    steps:
      - { naem: unit, img: busybox, imaeg: busybox, rum: make, shell: sh }
"), @"
    W0121

      × `step` is not a key of a stage
       ╭─[windlass.yml:3:5]
     3 │     step:
       ·     ────
       ╰────
      help: did you mean `steps`?

    W0121

      × `nmae` is not a key of a stage
       ╭─[windlass.yml:5:5]
     5 │   - nmae: test
       ·     ────
       ╰────
      help: did you mean `name`?

    W0121

      × `naem` is not a key of a step
       ╭─[windlass.yml:7:11]
     7 │       - { naem: unit, img: busybox, imaeg: busybox, rum: make, shell: sh }
       ·           ────
       ╰────
      help: did you mean `name`?

    W0121

      × `img` is not a key of a step
       ╭─[windlass.yml:7:23]
     7 │       - { naem: unit, img: busybox, imaeg: busybox, rum: make, shell: sh }
       ·                       ───
       ╰────
      help: the nearest is `image`; the keys of a step are `name`, `image`, `run`, `shell`, `command`,
            `args`, `env`, `environments`, `user`, `timeout`, `resources`, `network`, `needs`,
            `after`, `allow_failure`, `matrix`, `retry`, `when`, `services`, `secrets`, `outputs`,
            `gate`, `substitute`, `wait_for`, `template`, `with`

    W0121

      × `imaeg` is not a key of a step
       ╭─[windlass.yml:7:37]
     7 │       - { naem: unit, img: busybox, imaeg: busybox, rum: make, shell: sh }
       ·                                     ─────
       ╰────
      help: did you mean `image`?

    W0121

      × `rum` is not a key of a step
       ╭─[windlass.yml:7:53]
     7 │       - { naem: unit, img: busybox, imaeg: busybox, rum: make, shell: sh }
       ·                                                     ───
       ╰────
      help: did you mean `run`?
    ");
}
