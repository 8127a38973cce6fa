//! Words and names that are none.

use insta::assert_snapshot;

use crate::messages;

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
"), @"
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
      help: at most 63 characters; this has 64

    W0131

      × an empty text is not a name
       ╭─[windlass.yml:8:17]
     8 │       - { name: '', image: busybox }
       ·                 ──
       ╰────
      help: small letters, digits, `_` and `-`, a letter first, at most 63
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
"), @"
    W0135

      × `after` cannot be `sucess`
       ╭─[windlass.yml:5:29]
     5 │       - { name: one, after: sucess, network: host, run: a, shell: zsh }
       ·                             ──────
       ╰────
      help: it takes `success`, `failure` or `always`

    W0135

      × `network` cannot be `host`
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

      × `after` cannot be `never`
       ╭─[windlass.yml:7:12]
     7 │     after: never
       ·            ─────
       ╰────
      help: it takes `success`, `failure` or `always`
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
"), @"
    W0140

      × an empty text is not an image
       ╭─[windlass.yml:4:29]
     4 │       - { name: one, image: '' }
       ·                             ──
       ╰────
      help: a name is made of lower-case letters, digits and `.`, `_`, `-` between them: a registry
            reference such as `rust:1.95` or `host:5000/team/tool:2`, a path of the source such as `./
            ci/tool.tar`, or `host`

    W0140

      × `rust 1.95` is not an image
       ╭─[windlass.yml:5:29]
     5 │       - { name: two, image: rust 1.95 }
       ·                             ─────────
       ╰────
      help: it has characters that no reference has: a registry reference such as `rust:1.95` or
            `host:5000/team/tool:2`, a path of the source such as `./ci/tool.tar`, or `host`

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
"), @"
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

      × an empty text cannot be the name of a variable
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
