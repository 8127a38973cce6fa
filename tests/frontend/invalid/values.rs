//! Values that their keys do not take.

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
      help: a pipeline has at least one stage

    W0124

      × `on_failure` takes a list of steps, not text
       ╭─[windlass.yml:7:13]
     7 │ on_failure: tell
       ·             ────
       ╰────
      help: `on_failure` is left out when there is nothing to do
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
            `allow_failure`, `matrix`, `retry`, `when`, `template`, `with`

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
fn names() {
    assert_snapshot!(messages("name: My Shop!
stages:
  - name: Build
    steps:
      - { name: 1st, image: busybox }
      - { name: unit.test, image: busybox }
      - { name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, image: busybox }
      - { name: '', image: busybox }
"), @r"
    W0131

      × `My Shop!` is not a name
       ╭─[windlass.yml:1:7]
     1 │ name: My Shop!
       ·       ────────
       ╰────
      help: small letters, digits, `_` and `-`, a letter first: `my-shop`

    W0131

      × `Build` is not a name
       ╭─[windlass.yml:3:11]
     3 │   - name: Build
       ·           ─────
       ╰────
      help: small letters, digits, `_` and `-`, a letter first: `build`

    W0131

      × `1st` is not a name
       ╭─[windlass.yml:5:17]
     5 │       - { name: 1st, image: busybox }
       ·                 ───
       ╰────
      help: small letters, digits, `_` and `-`, a letter first: `st`

    W0131

      × `unit.test` is not a name
       ╭─[windlass.yml:6:17]
     6 │       - { name: unit.test, image: busybox }
       ·                 ─────────
       ╰────
      help: small letters, digits, `_` and `-`, a letter first: `unit-test`

    W0131

      × `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…` is not a name
       ╭─[windlass.yml:7:17]
     7 │       - { name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…, image: busybox }
       ·                 ────────────────────────────────────────────────────────────
       ╰────
      help: small letters, digits, `_` and `-`, a letter first:
            `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`

    W0131

      × `` is not a name
       ╭─[windlass.yml:8:17]
     8 │       - { name: '', image: busybox }
       ·                 ──
       ╰────
      help: small letters, digits, `_` and `-`, a letter first, at most 63
    ");
}

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
"), @r"
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
      help: write whole numbers with units: `90s`, `20m`, `1h30m`

    W0132

      × `99999h` is more than a year
       ╭─[windlass.yml:8:33]
     8 │       - { name: three, timeout: 99999h }
       ·                                 ──────
       ╰────
      help: write whole numbers with units: `90s`, `20m`, `1h30m`
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
"), @r"
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

    W0123

      × `allow_failure` has no `exit_codes`
       ╭─[windlass.yml:7:39]
     7 │       - { name: three, allow_failure: { codes: [1] } }
       ·                                       ─
       ╰────
      help: add `exit_codes`. Exit codes that do not count.

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
fn words() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, after: sucess, network: host, run: a, shell: zsh }
  - name: test
    after: never
    steps: [{ name: two }]
"), @r"
    W0135

      × `sucess` is nothing that `after` can be
       ╭─[windlass.yml:5:29]
     5 │       - { name: one, after: sucess, network: host, run: a, shell: zsh }
       ·                             ──────
       ╰────
      help: it takes `success` or `failure` or `always`

    W0135

      × `host` is nothing that `network` can be
       ╭─[windlass.yml:5:46]
     5 │       - { name: one, after: sucess, network: host, run: a, shell: zsh }
       ·                                              ────
       ╰────
      help: it takes `none`

    W0135

      × `zsh` is not a shell that is known by name
       ╭─[windlass.yml:5:67]
     5 │ …- { name: one, after: sucess, network: host, run: a, shell: zsh }
       ·                                                              ───
       ╰────
      help: `sh` and `bash` are; write others as a list: `shell: [zsh]`

    W0135

      × `never` is nothing that `after` can be
       ╭─[windlass.yml:7:12]
     7 │     after: never
       ·            ─────
       ╰────
      help: it takes `success` or `failure` or `always`
    ");
}

#[test]
fn users() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, user: root }
      - { name: two, user: 1000:1000:1 }
      - { name: three, user: -1 }
      - { name: four, user: 4294967295 }
"), @r"
    W0136

      × `root` is not a user id
       ╭─[windlass.yml:5:28]
     5 │       - { name: one, user: root }
       ·                            ────
       ╰────
      help: numbers: `1000`, or with the group `1000:1000`; each image reads names differently

    W0136

      × `1000:1000:1` is not a user id
       ╭─[windlass.yml:6:28]
     6 │       - { name: two, user: 1000:1000:1 }
       ·                            ───────────
       ╰────
      help: numbers: `1000`, or with the group `1000:1000`; each image reads names differently

    W0136

      × `-1` is not a user id
       ╭─[windlass.yml:7:30]
     7 │       - { name: three, user: -1 }
       ·                              ──
       ╰────
      help: numbers: `1000`, or with the group `1000:1000`; each image reads names differently

    W0136

      × `4294967295` is not a user id
       ╭─[windlass.yml:8:29]
     8 │       - { name: four, user: 4294967295 }
       ·                             ──────────
       ╰────
      help: numbers: `1000`, or with the group `1000:1000`; each image reads names differently
    ");
}

#[test]
fn images() {
    assert_snapshot!(messages("stages:
  - name: build
    steps:
      - { name: one, image: '' }
      - { name: two, image: rust 1.95 }
      - { name: three, image: { name: rust } }
"), @r"
    W0140

      × `` is not an image
       ╭─[windlass.yml:4:29]
     4 │       - { name: one, image: '' }
       ·                             ──
       ╰────
      help: a registry reference such as `rust:1.95`, or `host`

    W0140

      × `rust 1.95` is not an image
       ╭─[windlass.yml:5:29]
     5 │       - { name: two, image: rust 1.95 }
       ·                             ─────────
       ╰────
      help: a registry reference such as `rust:1.95`, or `host`

    W0124

      × `image` takes an image such as `rust:1.95`, not a mapping
       ╭─[windlass.yml:6:31]
     6 │       - { name: three, image: { name: rust } }
       ·                               ─
       ╰────
      help: write the value after `image:`
    ");
}

#[test]
fn variables() {
    assert_snapshot!(messages("env:
  1ST: a
  with-dash: b
  '': c
  LIST: [a, b]
  MAP: { a: b }
stages: [{ name: build, steps: [{ name: compile, image: busybox, run: make }] }]
"), @r"
    W0137

      × `1ST` cannot be the name of a variable
       ╭─[windlass.yml:2:3]
     2 │   1ST: a
       ·   ───
       ╰────
      help: letters, digits and `_`, not beginning with a digit

    W0137

      × `with-dash` cannot be the name of a variable
       ╭─[windlass.yml:3:3]
     3 │   with-dash: b
       ·   ─────────
       ╰────
      help: letters, digits and `_`, not beginning with a digit

    W0137

      × `` cannot be the name of a variable
       ╭─[windlass.yml:4:3]
     4 │   '': c
       ·   ──
       ╰────
      help: letters, digits and `_`, not beginning with a digit

    W0124

      × the variable `LIST` takes text, not a list
       ╭─[windlass.yml:5:9]
     5 │   LIST: [a, b]
       ·         ─
       ╰────
      help: a program gets text; write it as one string, in quotes

    W0124

      × the variable `MAP` takes text, not a mapping
       ╭─[windlass.yml:6:8]
     6 │   MAP: { a: b }
       ·        ─
       ╰────
      help: a program gets text; write it as one string, in quotes
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
