//! Numbers, and what is written with one: durations, sizes, exit codes, versions; and booleans.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn durations() {
    assert_snapshot!(messages("timeout: 90
defaults: { image: busybox, timeout: 1.5h }
stages:
  - name: build
    steps:
      - { name: one, timeout: 30m1h }
      - { name: two, timeout: 0s }
      - { name: three, timeout: 99999h }
"), @"
    W0132

      × `90` is not a duration
       ╭─[windlass.yml:1:10]
     1 │ timeout: 90
       ·          ──
       ╰────
      help: say which unit is meant: `90s` or `90m`

    W0132

      × `1.5h` is not a duration
       ╭─[windlass.yml:2:38]
     2 │ defaults: { image: busybox, timeout: 1.5h }
       ·                                      ────
       ╰────
      help: write whole numbers with units: `90s`, `20m`, `1h30m`

    W0132

      × `30m1h` is not a duration
       ╭─[windlass.yml:6:31]
     6 │       - { name: one, timeout: 30m1h }
       ·                               ─────
       ╰────
      help: write whole numbers with units: `90s`, `20m`, `1h30m`

    W0132

      × `0s` is a limit of no time at all
       ╭─[windlass.yml:7:31]
     7 │       - { name: two, timeout: 0s }
       ·                               ──
       ╰────
      help: it may be from `1ms` to `8760h`

    W0132

      × `99999h` is more than a year
       ╭─[windlass.yml:8:33]
     8 │       - { name: three, timeout: 99999h }
       ·                                 ──────
       ╰────
      help: it may be from `1ms` to `8760h`
    ");
}

#[test]
fn sizes_and_numbers() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, resources: { memory: 512, cpus: lots, pids: -1 } }
      - { name: two, resources: { memory: 1.5Gi, cpus: 0, pids: '5' } }
      - { name: three, resources: { memory: 0Mi, cpus: 0.0001, disk: 5Gi } }
"), @r"
    W0133

      × `512` is not a size
       ╭─[windlass.yml:5:43]
     5 │       - { name: one, resources: { memory: 512, cpus: lots, pids: -1 } }
       ·                                           ───
       ╰────
      help: say which unit is meant: `512Mi` or `512Gi`

    W0134

      × `lots` is not what `cpus` takes
       ╭─[windlass.yml:5:54]
     5 │       - { name: one, resources: { memory: 512, cpus: lots, pids: -1 } }
       ·                                                      ────
       ╰────
      help: a decimal above zero, with at most three digits after the point: `1.5`, `0.25`

    W0134

      × `-1` is not what `pids` takes
       ╭─[windlass.yml:5:66]
     5 │ … - { name: one, resources: { memory: 512, cpus: lots, pids: -1 } }
       ·                                                              ──
       ╰────
      help: a whole number from 1 to 4194304

    W0133

      × `1.5Gi` is not a size
       ╭─[windlass.yml:6:43]
     6 │       - { name: two, resources: { memory: 1.5Gi, cpus: 0, pids: '5' } }
       ·                                           ─────
       ╰────
      help: write a whole number with a unit: `512Mi`, `1Gi`, `500M`

    W0134

      × `0` is not what `cpus` takes
       ╭─[windlass.yml:6:56]
     6 │       - { name: two, resources: { memory: 1.5Gi, cpus: 0, pids: '5' } }
       ·                                                        ─
       ╰────
      help: a decimal above zero, with at most three digits after the point: `1.5`, `0.25`

    W0124

      × `pids` takes a whole number, not text
       ╭─[windlass.yml:6:65]
     6 │ …  - { name: two, resources: { memory: 1.5Gi, cpus: 0, pids: '5' } }
       ·                                                              ───
       ╰────
      help: write the number without quotes

    W0133

      × `0Mi` is not a size
       ╭─[windlass.yml:7:45]
     7 │       - { name: three, resources: { memory: 0Mi, cpus: 0.0001, disk: 5Gi } }
       ·                                             ───
       ╰────
      help: write a whole number with a unit: `512Mi`, `1Gi`, `500M`

    W0134

      × `0.0001` is not what `cpus` takes
       ╭─[windlass.yml:7:56]
     7 │       - { name: three, resources: { memory: 0Mi, cpus: 0.0001, disk: 5Gi } }
       ·                                                        ──────
       ╰────
      help: a decimal above zero, with at most three digits after the point: `1.5`, `0.25`

    W0121

      × `disk` is not a key of `resources`
       ╭─[windlass.yml:7:64]
     7 │ …   - { name: three, resources: { memory: 0Mi, cpus: 0.0001, disk: 5Gi } }
       ·                                                              ────
       ╰────
      help: the nearest is `pids`; the keys of `resources` are `memory`, `cpus`, `pids`
    ");
}

#[test]
fn booleans() {
    assert_snapshot!(messages(r#"defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: compile
        allow_failure: yes
      - name: unit
        allow_failure: "true"
  - name: test
    fail_fast: off
    steps: [{ name: all, allow_failure: [1] }]
"#), @r#"
    W0138

      × `yes` is not a boolean
       ╭─[windlass.yml:6:24]
     6 │         allow_failure: yes
       ·                        ───
       ╰────
      help: `allow_failure` is `true` or `false`, without quotes

    W0138

      × `true` is not a boolean
       ╭─[windlass.yml:8:24]
     8 │         allow_failure: "true"
       ·                        ──────
       ╰────
      help: `allow_failure` is `true` or `false`, without quotes

    W0138

      × `off` is not a boolean
        ╭─[windlass.yml:10:16]
     10 │     fail_fast: off
        ·                ───
        ╰────
      help: `fail_fast` is `true` or `false`, without quotes

    W0124

      × `allow_failure` takes `true`, `false` or `{ exit_codes: … }`, not a list
        ╭─[windlass.yml:11:41]
     11 │     steps: [{ name: all, allow_failure: [1] }]
        ·                                         ─
        ╰────
      help: write `allow_failure: { exit_codes: [1, 2] }`
    "#);
}

#[test]
fn exit_codes() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, allow_failure: { exit_codes: [0, 256, one] } }
      - { name: two, allow_failure: { exit_codes: [] } }
      - { name: three, allow_failure: { codes: [1] } }
"), @"
    W0134

      × `0` is not what `exit_codes` takes
       ╭─[windlass.yml:5:52]
     5 │       - { name: one, allow_failure: { exit_codes: [0, 256, one] } }
       ·                                                    ─
       ╰────
      help: a whole number from 1 to 255

    W0134

      × `256` is not what `exit_codes` takes
       ╭─[windlass.yml:5:55]
     5 │       - { name: one, allow_failure: { exit_codes: [0, 256, one] } }
       ·                                                       ───
       ╰────
      help: a whole number from 1 to 255

    W0134

      × `one` is not what `exit_codes` takes
       ╭─[windlass.yml:5:60]
     5 │       - { name: one, allow_failure: { exit_codes: [0, 256, one] } }
       ·                                                            ───
       ╰────
      help: a whole number from 1 to 255

    W0134

      × `exit_codes` is empty
       ╭─[windlass.yml:6:51]
     6 │       - { name: two, allow_failure: { exit_codes: [] } }
       ·                                                   ─
       ╰────
      help: list the codes that do not count, or write `allow_failure: true`

    W0121

      × `codes` is not a key of `allow_failure`
       ╭─[windlass.yml:7:41]
     7 │       - { name: three, allow_failure: { codes: [1] } }
       ·                                         ─────
       ╰────
      help: the nearest is `exit_codes`; the keys of `allow_failure` are `exit_codes`
    ");
}

#[test]
fn versions() {
    assert_snapshot!(messages("version: 2
stages: [{ name: build, steps: [{ name: compile, image: busybox, run: make }] }]
"), @r"
    W0139

      × `2` is not a version of the language
       ╭─[windlass.yml:1:10]
     1 │ version: 2
       ·          ─
       ╰────
      help: write `version: 1`, or leave it out; your own version goes into `x-version`
    ");
}

#[test]
fn a_version_in_quotes() {
    assert_snapshot!(messages("version: '1'
stages: [{ name: build, steps: [{ name: compile, image: busybox, run: make }] }]
"), @r"
    W0139

      × `1` is not a version of the language
       ╭─[windlass.yml:1:10]
     1 │ version: '1'
       ·          ───
       ╰────
      help: write `version: 1`, or leave it out; your own version goes into `x-version`
    ");
}
