//! Secrets and outputs.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn a_secret_that_nobody_declared() {
    assert_snapshot!(messages("secrets: [DEPLOY_TOKEN, x-y, 2ND, { mask: false }, [A], DEPLOY_TOKEN, { name: B, mask: no }]
defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, secrets: [DEPLOY_TOKEM] }
      - { name: two, secrets: [OTHER] }
      - { name: three, secrets: DEPLOY_TOKEN }
      - { name: four, secrets: [{ name: DEPLOY_TOKEN, command: [pass, show] }] }
"), @"
    W0211

      × `x-y` cannot be the name of a secret
       ╭─[windlass.yml:1:25]
     1 │ secrets: [DEPLOY_TOKEN, x-y, 2ND, { mask: false }, [A], DEPLOY_TOKEN, { name: B, mask: …
       ·                         ───
       ╰────
      help: letters, digits and `_`, not beginning with a digit: a step gets it as a variable

    W0211

      × `2ND` cannot be the name of a secret
       ╭─[windlass.yml:1:30]
     1 │ secrets: [DEPLOY_TOKEN, x-y, 2ND, { mask: false }, [A], DEPLOY_TOKEN, { name: B, mask: no }]
       ·                              ───
       ╰────
      help: letters, digits and `_`, not beginning with a digit: a step gets it as a variable

    W0123

      × a secret has no `name`
       ╭─[windlass.yml:1:35]
     1 │ secrets: [DEPLOY_TOKEN, x-y, 2ND, { mask: false }, [A], DEPLOY_TOKEN, { name: B, mask: no }]
       ·                                   ─
       ╰────
      help: add `name`. Its name, and the environment variable of steps that get it.

    W0124

      × an item of `secrets` takes the name of a secret, not a list
       ╭─[windlass.yml:1:52]
     1 │ secrets: [DEPLOY_TOKEN, x-y, 2ND, { mask: false }, [A], DEPLOY_TOKEN, { name: B, mask: no }]
       ·                                                    ─
       ╰────
      help: write the value after `secrets:`

    W0213

      × the secret `DEPLOY_TOKEN` is declared twice
       ╭─[windlass.yml:1:57]
     1 │ secrets: [DEPLOY_TOKEN, x-y, 2ND, { mask: false }, [A], DEPLOY_TOKEN, { name: B, mask: no }]
       ·                                                         ────────────
       ╰────
      help: remove one of them

    W0138

      × `no` is not a boolean
       ╭─[windlass.yml:1:88]
     1 │ …, 2ND, { mask: false }, [A], DEPLOY_TOKEN, { name: B, mask: no }]
       ·                                                              ──
       ╰────
      help: `mask` is `true` or `false`, without quotes

    W0212

      × the pipeline declares no secret `DEPLOY_TOKEM`
       ╭─[windlass.yml:6:32]
     6 │       - { name: one, secrets: [DEPLOY_TOKEM] }
       ·                                ────────────
       ╰────
      help: did you mean `DEPLOY_TOKEN`?

    W0212

      × the pipeline declares no secret `OTHER`
       ╭─[windlass.yml:7:32]
     7 │       - { name: two, secrets: [OTHER] }
       ·                                ─────
       ╰────
      help: declare it for the pipeline: `secrets: [OTHER]`

    W0124

      × `secrets` takes a list of secrets, not text
       ╭─[windlass.yml:8:33]
     8 │       - { name: three, secrets: DEPLOY_TOKEN }
       ·                                 ────────────
       ╰────
      help: write `secrets: [TOKEN]`

    W0121

      × `command` is not a key of a secret of a step
       ╭─[windlass.yml:9:55]
     9 │       - { name: four, secrets: [{ name: DEPLOY_TOKEN, command: [pass, show] }] }
       ·                                                       ───────
       ╰────
      help: it is a key of a step, a service and `ready`; the keys of a secret of a step are `name`,
            `file`
    ");
}

#[test]
fn a_secret_in_two_places_or_in_none() {
    assert_snapshot!(messages("secrets: [A, B]
defaults: { image: busybox }
env: { A: '1' }
stages:
  - name: build
    steps:
      - { name: one, secrets: [A, { name: A, file: /run/a }] }
      - { name: two, secrets: [B], matrix: { b: [x, y] } }
      - { name: three, secrets: [B, B, { name: A, file: /run/a }, { name: B, file: /run/a }] }
      - { name: four, secrets: [{ name: A, file: token }, { name: B, file: /run/../b }] }
      - { name: five, secrets: [{ name: A, file: /workspace/token }, { name: B, path: /run/b }] }
"), @"
    W0213

      × `A` is a secret of the step, and `env` sets that variable too
       ╭─[windlass.yml:7:32]
     7 │       - { name: one, secrets: [A, { name: A, file: /run/a }] }
       ·                                ─
       ╰────
      help: rename one, or take the secret as a file: `{ name: A, file: /run/secrets/A }`

    W0213

      × `B` is a secret of the step, and `matrix` sets that variable too
       ╭─[windlass.yml:8:32]
     8 │       - { name: two, secrets: [B], matrix: { b: [x, y] } }
       ·                                ─
       ╰────
      help: rename one, or take the secret as a file: `{ name: B, file: /run/secrets/B }`

    W0213

      × the step lists `B` twice
       ╭─[windlass.yml:9:37]
     9 │       - { name: three, secrets: [B, B, { name: A, file: /run/a }, { name: B, file: /run/a }] }
       ·                                     ─
       ╰────
      help: remove one of them

    W0213

      × two secrets of the step are at `/run/a`
       ╭─[windlass.yml:9:67]
     9 │ …- { name: three, secrets: [B, B, { name: A, file: /run/a }, { name: B, file: /run/a }] }
       ·                                                              ─
       ╰────
      help: remove one of them

    W0214

      × `token` is not the path of a file
        ╭─[windlass.yml:10:50]
     10 │       - { name: four, secrets: [{ name: A, file: token }, { name: B, file: /run/../b }] }
        ·                                                  ─────
        ╰────
      help: write an absolute path without `.` and `..`: `/run/secrets/token`

    W0214

      × `/run/../b` is not the path of a file
        ╭─[windlass.yml:10:76]
     10 │ … four, secrets: [{ name: A, file: token }, { name: B, file: /run/../b }] }
        ·                                                              ─────────
        ╰────
      help: write an absolute path without `.` and `..`: `/run/secrets/token`

    W0214

      × a secret's file cannot be at `/workspace/token`
        ╭─[windlass.yml:11:50]
     11 │       - { name: five, secrets: [{ name: A, file: /workspace/token }, { name: B, path: /run/b }] }
        ·                                                  ────────────────
        ╰────
      help: all steps see the workspace, and some places are not for files: `/run/secrets/token`

    W0121

      × `path` is not a key of a secret of a step
        ╭─[windlass.yml:11:81]
     11 │ …, secrets: [{ name: A, file: /workspace/token }, { name: B, path: /run/b }] }
        ·                                                              ────
        ╰────
      help: it is called `file` here. Path of a file in memory that takes it, instead of the
            environment.
    ");
}

#[test]
fn an_output_that_cannot_be() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, outputs: [version, a-b, 1st, version] }
      - { name: two, outputs: version }
      - { name: three, outputs: [{ name: version }] }
"), @"
    W0215

      × `a-b` cannot be the key of an output
       ╭─[windlass.yml:5:41]
     5 │       - { name: one, outputs: [version, a-b, 1st, version] }
       ·                                         ───
       ╰────
      help: letters, digits and `_`, not beginning with a digit, at most 63

    W0215

      × `1st` cannot be the key of an output
       ╭─[windlass.yml:5:46]
     5 │       - { name: one, outputs: [version, a-b, 1st, version] }
       ·                                              ───
       ╰────
      help: letters, digits and `_`, not beginning with a digit, at most 63

    W0215

      × the step declares the output `version` twice
       ╭─[windlass.yml:5:51]
     5 │       - { name: one, outputs: [version, a-b, 1st, version] }
       ·                                                   ───────
       ╰────
      help: remove one of them

    W0124

      × `outputs` takes a list of keys, not text
       ╭─[windlass.yml:6:31]
     6 │       - { name: two, outputs: version }
       ·                               ───────
       ╰────
      help: write `outputs: [version]`

    W0124

      × an item of `outputs` takes the key of an output, not a mapping
       ╭─[windlass.yml:7:34]
     7 │       - { name: three, outputs: [{ name: version }] }
       ·                                  ─
       ╰────
      help: write the value after `outputs:`
    ");
}
