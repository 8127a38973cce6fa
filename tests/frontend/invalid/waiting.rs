//! What a step waits for, and what it tries again.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn the_first_of_no_steps() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, needs: { any: [] } }
      - { name: two, needs: { any: one } }
      - { name: three, needs: { all: [one] } }
      - { name: four, needs: { any: [one, one, none] } }
"), @"
    W0160

      × `any` is empty
       ╭─[windlass.yml:5:36]
     5 │       - { name: one, needs: { any: [] } }
       ·                                    ─
       ╰────
      help: name the steps of which one must pass, or write `needs: []` to start at once

    W0124

      × `any` takes a list of step names, not text
       ╭─[windlass.yml:6:36]
     6 │       - { name: two, needs: { any: one } }
       ·                                    ───
       ╰────
      help: write `any: [one]`

    W0121

      × `all` is not a key of `needs`
       ╭─[windlass.yml:7:33]
     7 │       - { name: three, needs: { all: [one] } }
       ·                                 ───
       ╰────
      help: the nearest is `any`; the keys of `needs` are `any`

    W0159

      × `needs` names `one` twice
       ╭─[windlass.yml:8:43]
     8 │       - { name: four, needs: { any: [one, one, none] } }
       ·                                           ───
       ╰────
      help: remove one of them

    W0153

      × there is no step `none`
       ╭─[windlass.yml:8:48]
     8 │       - { name: four, needs: { any: [one, one, none] } }
       ·                                                ────
       ╰────
      help: did you mean `one`?
    ");
}

#[test]
fn steps_that_wait_for_the_first_of_themselves() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: one, needs: { any: [two] } }
      - { name: two, needs: { any: [one] } }
"), @"
    W0155

      × these steps wait for each other: one → two → one
       ╭─[windlass.yml:6:37]
     6 │       - { name: two, needs: { any: [one] } }
       ·                                     ───
       ╰────
      help: remove one of these `needs`; none of the steps could start
    ");
}

#[test]
fn attempts() {
    assert_snapshot!(messages("defaults: { image: busybox, retry: often }
stages:
  - name: build
    steps:
      - { name: one, retry: -1 }
      - { name: two, retry: [infrastructure] }
      - { name: three, retry: { for: [failure] } }
      - { name: four, retry: { max: 1, for: [], backoff: 2 } }
      - { name: five, retry: { max: 1, for: [flake, 0, 256, \"75\"] } }
      - { name: six, retry: { max: 1, for: failure } }
"), @r#"
    W0134

      × `often` is not what `retry` takes
       ╭─[windlass.yml:1:36]
     1 │ defaults: { image: busybox, retry: often }
       ·                                    ─────
       ╰────
      help: a whole number from 0 to 100

    W0134

      × `-1` is not what `retry` takes
       ╭─[windlass.yml:5:29]
     5 │       - { name: one, retry: -1 }
       ·                             ──
       ╰────
      help: a whole number from 0 to 100

    W0124

      × `retry` takes a number of extra attempts, or a mapping, not a list
       ╭─[windlass.yml:6:29]
     6 │       - { name: two, retry: [infrastructure] }
       ·                             ─
       ╰────
      help: write `retry: 2`, or `retry: { max: 2, for: [infrastructure, 75] }`

    W0123

      × `retry` has no `max`
       ╭─[windlass.yml:7:31]
     7 │       - { name: three, retry: { for: [failure] } }
       ·                               ─
       ╰────
      help: add `max`. How many, at most, beyond the first.

    W0135

      × `for` is empty
       ╭─[windlass.yml:8:45]
     8 │       - { name: four, retry: { max: 1, for: [], backoff: 2 } }
       ·                                             ─
       ╰────
      help: it takes `infrastructure`, `timeout`, `failure` and exit codes from 1 to 255

    W0132

      × `2` is not a duration
       ╭─[windlass.yml:8:58]
     8 │       - { name: four, retry: { max: 1, for: [], backoff: 2 } }
       ·                                                          ─
       ╰────
      help: say which unit is meant: `2s` or `2m`

    W0135

      × `flake` is nothing that can be tried again
       ╭─[windlass.yml:9:46]
     9 │       - { name: five, retry: { max: 1, for: [flake, 0, 256, "75"] } }
       ·                                              ─────
       ╰────
      help: `for` takes `infrastructure`, `timeout`, `failure` and exit codes from 1 to 255

    W0135

      × `0` is nothing that can be tried again
       ╭─[windlass.yml:9:53]
     9 │       - { name: five, retry: { max: 1, for: [flake, 0, 256, "75"] } }
       ·                                                     ─
       ╰────
      help: `for` takes `infrastructure`, `timeout`, `failure` and exit codes from 1 to 255

    W0135

      × `256` is nothing that can be tried again
       ╭─[windlass.yml:9:56]
     9 │       - { name: five, retry: { max: 1, for: [flake, 0, 256, "75"] } }
       ·                                                        ───
       ╰────
      help: `for` takes `infrastructure`, `timeout`, `failure` and exit codes from 1 to 255

    W0135

      × `75` is nothing that can be tried again
       ╭─[windlass.yml:9:61]
     9 │       - { name: five, retry: { max: 1, for: [flake, 0, 256, "75"] } }
       ·                                                             ────
       ╰────
      help: `for` takes `infrastructure`, `timeout`, `failure` and exit codes from 1 to 255

    W0124

      × `for` takes a list of what is tried again, not text
        ╭─[windlass.yml:10:44]
     10 │       - { name: six, retry: { max: 1, for: failure } }
        ·                                            ───────
        ╰────
      help: `infrastructure`, `timeout`, `failure` and exit codes from 1 to 255
    "#);
}

#[test]
fn gates_that_cannot_be() {
    assert_snapshot!(messages("\
defaults: { image: i }
stages:
  - name: s
    steps:
      - { name: a, gate: '' }
      - { name: b, gate: [yes] }
      - { name: c, gate: }
      - { name: d, gate: true }
finally:
  - { name: e, gate: Tidy up? }
"), @"
    W0195

      × `gate` is empty
       ╭─[windlass.yml:5:26]
     5 │       - { name: a, gate: '' }
       ·                          ──
       ╰────
      help: write what somebody has to agree to: `gate: Deploy to production?`

    W0124

      × `gate` takes a question, such as `Deploy to production?`, not a list
       ╭─[windlass.yml:6:26]
     6 │       - { name: b, gate: [yes] }
       ·                          ─
       ╰────
      help: write the value after `gate:`

    W0125

      × `gate` has no value; it takes a question, such as `Deploy to production?`
       ╭─[windlass.yml:7:24]
     7 │       - { name: c, gate: }
       ·                        ▲
       ╰────
      help: quote the word if it is meant as text, or remove the key

    W0195

      × a gate in `finally`
        ╭─[windlass.yml:10:22]
     10 │   - { name: e, gate: Tidy up? }
        ·                      ────────
        ╰────
      help: these steps come last and wait for nobody; put the gate on a step of a stage
    ");
}

#[test]
fn nothing_to_wait_for() {
    assert_snapshot!(messages("\
defaults: { image: i }
services:
  db: { image: postgres }
stages:
  - name: s
    steps:
      - { name: a, wait_for: {} }
      - { name: b, wait_for: { timeout: 1m } }
      - { name: c, wait_for: { url: shop.example } }
      - { name: d, wait_for: { url: 'https://me:secret@shop.example' } }
      - { name: e, wait_for: { file: /tmp/ready } }
      - { name: f, wait_for: { file: ../ready } }
      - { name: g, wait_for: { port: 5432 } }
      - { name: h, wait_for: { port: 'db:5432' } }
      - { name: i, wait_for: { file: a, port: 'x:1' } }
      - { name: j, wait_for: https://shop.example }
      - { name: k, wait_for: { file: a, timeout: 10 } }
      - { name: l, wait_for: { path: a } }
"), @"
    W0198

      × `wait_for` waits for nothing
       ╭─[windlass.yml:7:30]
     7 │       - { name: a, wait_for: {} }
       ·                              ─
       ╰────
      help: write one of `image`, `url`, `file` and `port`: `wait_for: { url: https://shop.example/
            health }`

    W0198

      × `wait_for` waits for nothing
       ╭─[windlass.yml:8:30]
     8 │       - { name: b, wait_for: { timeout: 1m } }
       ·                              ─
       ╰────
      help: write one of `image`, `url`, `file` and `port`: `wait_for: { url: https://shop.example/
            health }`

    W0198

      × `shop.example` cannot be waited for as `url`
       ╭─[windlass.yml:9:37]
     9 │       - { name: c, wait_for: { url: shop.example } }
       ·                                     ────────────
       ╰────
      help: an address begins with `http://` or `https://`

    W0198

      × `https://me:secret@shop.example` cannot be waited for as `url`
        ╭─[windlass.yml:10:37]
     10 │       - { name: d, wait_for: { url: 'https://me:secret@shop.example' } }
        ·                                     ────────────────────────────────
        ╰────
      help: it holds a user or a password, which everybody could read here; leave them out

    W0198

      × `/tmp/ready` cannot be waited for as `file`
        ╭─[windlass.yml:11:38]
     11 │       - { name: e, wait_for: { file: /tmp/ready } }
        ·                                      ──────────
        ╰────
      help: it is looked for in the workspace; write the path from there, without the first `/`

    W0198

      × `../ready` cannot be waited for as `file`
        ╭─[windlass.yml:12:38]
     12 │       - { name: f, wait_for: { file: ../ready } }
        ·                                      ────────
        ╰────
      help: it leads out of the workspace

    W0198

      × `5432` cannot be waited for as `port`
        ╭─[windlass.yml:13:38]
     13 │       - { name: g, wait_for: { port: 5432 } }
        ·                                      ────
        ╰────
      help: it has no port; write `HOST:PORT`

    W0198

      × `db` is a service, and the step starts only once that is ready
        ╭─[windlass.yml:14:38]
     14 │       - { name: h, wait_for: { port: 'db:5432' } }
        ·                                      ─────────
        ╰────
      help: say there when it is: `ready: { port: 5432 }`, and remove `wait_for`

    W0142

      × `file` and `port` exclude each other
        ╭─[windlass.yml:15:41]
     15 │       - { name: i, wait_for: { file: a, port: 'x:1' } }
        ·                                         ────
        ╰────
      help: keep one of them

    W0124

      × `wait_for` takes a mapping, not text
        ╭─[windlass.yml:16:30]
     16 │       - { name: j, wait_for: https://shop.example }
        ·                              ────────────────────
        ╰────
      help: the keys of `wait_for` are `image`, `url`, `file`, `port`, `timeout`

    W0132

      × `10` is not a duration
        ╭─[windlass.yml:17:50]
     17 │       - { name: k, wait_for: { file: a, timeout: 10 } }
        ·                                                  ──
        ╰────
      help: say which unit is meant: `10s` or `10m`

    W0121

      × `path` is not a key of `wait_for`
        ╭─[windlass.yml:18:32]
     18 │       - { name: l, wait_for: { path: a } }
        ·                                ────
        ╰────
      help: it is called `file` here. A path of the workspace at which something is.
    ");
}
