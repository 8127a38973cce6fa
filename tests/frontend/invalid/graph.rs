//! Names that clash or lead nowhere, and many mistakes at once.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn step_names_twice() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: compile, run: a }
  - name: test
    steps: [{ name: compile, run: b }]
finally: [{ name: compile, run: c }]
"), @r"
    W0151

      × there is another step `compile`
       ╭─[windlass.yml:7:21]
     7 │     steps: [{ name: compile, run: b }]
       ·                     ───────
       ╰────
      help: the first is in line 5; rename one

    W0151

      × there is another step `compile`
       ╭─[windlass.yml:8:19]
     8 │ finally: [{ name: compile, run: c }]
       ·                   ───────
       ╰────
      help: the first is in line 5; rename one
    ");
}

#[test]
fn stage_names_twice() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, run: a }
  - name: build
    steps: [{ name: two, run: b }]
  - name: finally
    steps: [{ name: three, run: c }]
"), @r"
    W0152

      × there is another stage `build`
       ╭─[windlass.yml:6:11]
     6 │   - name: build
       ·           ─────
       ╰────
      help: the first is in line 3; rename one

    W0152

      × there is another stage `finally`
       ╭─[windlass.yml:8:11]
     8 │   - name: finally
       ·           ───────
       ╰────
      help: `finally` is a part of every pipeline; choose another name
    ");
}

#[test]
fn unknown_steps() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: compile, run: a }
      - { name: unit, needs: [compil, deploy-to-the-moon, build] }
"), @r"
    W0153

      × there is no step `compil`
       ╭─[windlass.yml:6:31]
     6 │       - { name: unit, needs: [compil, deploy-to-the-moon, build] }
       ·                               ──────
       ╰────
      help: did you mean `compile`?

    W0153

      × there is no step `deploy-to-the-moon`
       ╭─[windlass.yml:6:39]
     6 │       - { name: unit, needs: [compil, deploy-to-the-moon, build] }
       ·                                       ──────────────────
       ╰────
      help: the nearest name is `compile`

    W0153

      × there is no step `build`
       ╭─[windlass.yml:6:59]
     6 │       - { name: unit, needs: [compil, deploy-to-the-moon, build] }
       ·                                                           ─────
       ╰────
      help: the nearest name is `unit`
    ");
}

#[test]
fn an_unknown_template() {
    assert_snapshot!(messages("defaults: { image: busybox }
templates: [{ name: lint, run: ./lint }]
stages: [{ name: build, steps: [{ name: one, template: lnit }] }]
"), @"
    W0192

      × there is no template `lnit`
       ╭─[windlass.yml:3:56]
     3 │ stages: [{ name: build, steps: [{ name: one, template: lnit }] }]
       ·                                                        ────
       ╰────
      help: did you mean `lint`?
    ");
}

#[test]
fn a_step_of_a_later_stage() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: compile, needs: [unit, tidy] }
  - name: test
    steps: [{ name: unit }]
finally: [{ name: tidy, needs: [unit] }]
"), @r"
    W0154

      × `compile` needs `unit`, which is in a later stage
       ╭─[windlass.yml:5:34]
     5 │       - { name: compile, needs: [unit, tidy] }
       ·                                  ────
       ╰────
      help: later stages wait for this step; move one of them to another stage

    W0154

      × `compile` needs `tidy`, which is in a later stage
       ╭─[windlass.yml:5:40]
     5 │       - { name: compile, needs: [unit, tidy] }
       ·                                        ────
       ╰────
      help: later stages wait for this step; move one of them to another stage

    W0154

      × `tidy` needs `unit`, which is not a step of `finally`
       ╭─[windlass.yml:8:33]
     8 │ finally: [{ name: tidy, needs: [unit] }]
       ·                                 ────
       ╰────
      help: the steps of `finally` start after all stages; no need to wait for it
    ");
}

#[test]
fn a_step_that_needs_itself() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: compile, needs: [compile] }
"), @r"
    W0155

      × `compile` needs itself
       ╭─[windlass.yml:5:34]
     5 │       - { name: compile, needs: [compile] }
       ·                                  ───────
       ╰────
      help: remove one of these `needs`; none of the steps could start
    ");
}

#[test]
fn a_circle() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: a, needs: [c] }
      - { name: b, needs: [a] }
      - { name: c, needs: [b] }
      - { name: d, needs: [a, d-two] }
      - { name: d-two, needs: [d] }
"), @r"
    W0155

      × these steps wait for each other: a → c → b → a
       ╭─[windlass.yml:6:28]
     6 │       - { name: b, needs: [a] }
       ·                            ─
       ╰────
      help: remove one of these `needs`; none of the steps could start

    W0155

      × these steps wait for each other: d → d-two → d
       ╭─[windlass.yml:9:32]
     9 │       - { name: d-two, needs: [d] }
       ·                                ─
       ╰────
      help: remove one of these `needs`; none of the steps could start
    ");
}

#[test]
fn a_long_circle() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: s0, needs: [s1] }
      - { name: s1, needs: [s2] }
      - { name: s2, needs: [s3] }
      - { name: s3, needs: [s4] }
      - { name: s4, needs: [s5] }
      - { name: s5, needs: [s6] }
      - { name: s6, needs: [s7] }
      - { name: s7, needs: [s8] }
      - { name: s8, needs: [s9] }
      - { name: s9, needs: [s10] }
      - { name: s10, needs: [s11] }
      - { name: s11, needs: [s12] }
      - { name: s12, needs: [s13] }
      - { name: s13, needs: [s14] }
      - { name: s14, needs: [s15] }
      - { name: s15, needs: [s16] }
      - { name: s16, needs: [s17] }
      - { name: s17, needs: [s18] }
      - { name: s18, needs: [s19] }
      - { name: s19, needs: [s0] }
"), @r"
    W0155

      × these steps wait for each other: s0 → s1 → s2 → s3 → s4 → s5 → s6 → s7 → … → s0
        ╭─[windlass.yml:24:30]
     24 │       - { name: s19, needs: [s0] }
        ·                              ──
        ╰────
      help: remove one of these `needs`; none of the steps could start
    ");
}

#[test]
fn a_name_needed_twice() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: a }
      - { name: b, needs: [a, a] }
"), @r"
    W0159

      × `needs` names `a` twice
       ╭─[windlass.yml:6:31]
     6 │       - { name: b, needs: [a, a] }
       ·                               ─
       ╰────
      help: remove one of them
    ");
}

#[test]
fn everything_in_one_pass() {
    assert_snapshot!(messages("stages:
  - name: Build
    steps:
      - name: compile
        iamge: busybox
        run: make
        timeout: 5
      - name: compile
        image: busybox
        needs: [nobody]
"), @r"
    W0131

      × `Build` is not a name
       ╭─[windlass.yml:2:11]
     2 │   - name: Build
       ·           ─────
       ╰────
      help: small letters, digits, `_` and `-`, a letter first: `build`

    W0121

      × `iamge` is not a key of a step
       ╭─[windlass.yml:5:9]
     5 │         iamge: busybox
       ·         ─────
       ╰────
      help: did you mean `image`?

    W0132

      × `5` is not a duration
       ╭─[windlass.yml:7:18]
     7 │         timeout: 5
       ·                  ─
       ╰────
      help: say which unit is meant: `5s` or `5m`

    W0151

      × there is another step `compile`
       ╭─[windlass.yml:8:15]
     8 │       - name: compile
       ·               ───────
       ╰────
      help: the first is in line 4; rename one

    W0153

      × there is no step `nobody`
        ╭─[windlass.yml:10:17]
     10 │         needs: [nobody]
        ·                 ──────
        ╰────
      help: the nearest name is `compile`
    ");
}
