//! Services and when they are ready.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn two_that_one_step_would_reach_by_one_name() {
    assert_snapshot!(messages("defaults: { image: busybox }
services: { db: { image: postgres }, localhost: { image: nginx } }
stages:
  - name: test
    services: { cache: { image: redis }, db: { image: mysql } }
    steps:
      - { name: unit, services: { cache: { image: memcached } } }
      - { name: lint, services: { own: { image: redis } } }
  - name: other
    services: { cache: { image: redis }, DB: { image: mysql } }
    steps: [{ name: more, services: { own: { image: redis } } }]
"), @"
    W0201

      × no service can be called `localhost`
       ╭─[windlass.yml:2:38]
     2 │ services: { db: { image: postgres }, localhost: { image: nginx } }
       ·                                      ─────────
       ╰────
      help: `localhost` is the step itself; call the service otherwise

    W0201

      × there is a service `db` around this one
       ╭─[windlass.yml:5:42]
     5 │     services: { cache: { image: redis }, db: { image: mysql } }
       ·                                          ──
       ╰────
      help: that is in line 2, and steps would reach one of them only; rename one

    W0201

      × there is a service `cache` around this one
       ╭─[windlass.yml:7:35]
     7 │       - { name: unit, services: { cache: { image: memcached } } }
       ·                                   ─────
       ╰────
      help: that is in line 5, and steps would reach one of them only; rename one

    W0131

      × `DB` is not a name
        ╭─[windlass.yml:10:42]
     10 │     services: { cache: { image: redis }, DB: { image: mysql } }
        ·                                          ──
        ╰────
      help: small letters, digits, `_` and `-`, a letter first, at most 63: it is a host name
    ");
}

#[test]
fn no_network_to_reach_one_by() {
    assert_snapshot!(messages("defaults: { image: busybox }
services: { db: { image: postgres } }
stages:
  - name: test
    steps:
      - { name: offline, network: none }
      - { name: lonely, network: none, services: { cache: { image: redis } } }
"), @"
    W0202

      × a step with services and no network
       ╭─[windlass.yml:7:34]
     7 │       - { name: lonely, network: none, services: { cache: { image: redis } } }
       ·                                  ────
       ╰────
      help: remove `network: none`; without a network no step can reach a service
    ");
}

#[test]
fn what_is_no_service() {
    assert_snapshot!(messages("defaults: { image: busybox }
services: [postgres]
stages:
  - name: test
    services: { db: postgres }
    steps:
      - { name: unit, services: { db: { command: [a], healthcheck: {}, ports: [80] } } }
      - { name: more, services: { db: { image: a, on_exit: restart, command: serve } } }
"), @"
    W0124

      × `services` takes a mapping of names to services, not a list
       ╭─[windlass.yml:2:11]
     2 │ services: [postgres]
       ·           ─
       ╰────
      help: write `services: { db: { image: … } }`

    W0124

      × the service `db` takes a mapping, not text
       ╭─[windlass.yml:5:21]
     5 │     services: { db: postgres }
       ·                     ────────
       ╰────
      help: write `db: { image: postgres }`

    W0201

      × there is a service `db` around this one
       ╭─[windlass.yml:7:35]
     7 │       - { name: unit, services: { db: { command: [a], healthcheck: {}, ports: [80] } } }
       ·                                   ──
       ╰────
      help: that is in line 5, and steps would reach one of them only; rename one

    W0123

      × a service has no `image`
       ╭─[windlass.yml:7:39]
     7 │       - { name: unit, services: { db: { command: [a], healthcheck: {}, ports: [80] } } }
       ·                                       ─
       ╰────
      help: add `image`. What it runs in: a reference, or `./PATH` in the source.

    W0121

      × `healthcheck` is not a key of a service
       ╭─[windlass.yml:7:55]
     7 │       - { name: unit, services: { db: { command: [a], healthcheck: {}, ports: [80] } } }
       ·                                                       ───────────
       ╰────
      help: it is called `ready` here. When it counts as ready; by the image when left out.

    W0121

      × `ports` is not a key of a service
       ╭─[windlass.yml:7:72]
     7 │ …ame: unit, services: { db: { command: [a], healthcheck: {}, ports: [80] } } }
       ·                                                              ─────
       ╰────
      help: the nearest is `args`; the keys of a service are `image`, `command`, `args`, `env`,
            `ready`, `on_exit`, `resources`

    W0201

      × there is a service `db` around this one
       ╭─[windlass.yml:8:35]
     8 │       - { name: more, services: { db: { image: a, on_exit: restart, command: serve } } }
       ·                                   ──
       ╰────
      help: that is in line 5, and steps would reach one of them only; rename one

    W0135

      × `on_exit` cannot be `restart`
       ╭─[windlass.yml:8:60]
     8 │       - { name: more, services: { db: { image: a, on_exit: restart, command: serve } } }
       ·                                                            ───────
       ╰────
      help: it takes `fail` or `ignore`

    W0124

      × `command` takes a list of words, not text
       ╭─[windlass.yml:8:78]
     8 │ …ore, services: { db: { image: a, on_exit: restart, command: serve } } }
       ·                                                              ─────
       ╰────
      help: write `command: [serve]`, or `command: [sh, -c, …]` for a line that a shell reads
    ");
}

#[test]
fn what_cannot_be_asked() {
    assert_snapshot!(messages("defaults: { image: busybox }
services:
  a: { image: i, ready: { port: 70000 } }
  b: { image: i, ready: { http: http://localhost:80/ } }
  c: { image: i, ready: { log: '' } }
  d: { image: i, ready: { port: 80, http: 80/health } }
  e: { image: i, ready: { command: pg_isready, timeout: 30 } }
  f: { image: i, ready: 5432 }
  g: { image: i, ready: { tcp: 5432 } }
stages:
  - name: test
    steps: [{ name: unit }]
"), @"
    W0134

      × `70000` is not what `port` takes
       ╭─[windlass.yml:3:33]
     3 │   a: { image: i, ready: { port: 70000 } }
       ·                                 ─────
       ╰────
      help: a whole number from 1 to 65535

    W0203

      × `http://localhost:80/` is no port and path
       ╭─[windlass.yml:4:33]
     4 │   b: { image: i, ready: { http: http://localhost:80/ } }
       ·                                 ────────────────────
       ╰────
      help: write `http: 8080/health`: the service is asked at its own address, over plain HTTP

    W0203

      × `log` takes a piece of one line
       ╭─[windlass.yml:5:32]
     5 │   c: { image: i, ready: { log: '' } }
       ·                                ──
       ╰────
      help: write what a line of the service's output holds once it is ready: `log: ready to accept`

    W0142

      × `port` and `http` exclude each other
       ╭─[windlass.yml:6:37]
     6 │   d: { image: i, ready: { port: 80, http: 80/health } }
       ·                                     ────
       ╰────
      help: keep one of them

    W0124

      × `command` takes a list of words, not text
       ╭─[windlass.yml:7:36]
     7 │   e: { image: i, ready: { command: pg_isready, timeout: 30 } }
       ·                                    ──────────
       ╰────
      help: write `command: [pg_isready]`, or `command: [sh, -c, …]` for a line that a shell reads

    W0132

      × `30` is not a duration
       ╭─[windlass.yml:7:57]
     7 │   e: { image: i, ready: { command: pg_isready, timeout: 30 } }
       ·                                                         ──
       ╰────
      help: say which unit is meant: `30s` or `30m`

    W0124

      × `ready` takes a mapping, not text
       ╭─[windlass.yml:8:25]
     8 │   f: { image: i, ready: 5432 }
       ·                         ────
       ╰────
      help: the keys of `ready` are `command`, `port`, `log`, `http`, `timeout`

    W0121

      × `tcp` is not a key of `ready`
       ╭─[windlass.yml:9:27]
     9 │   g: { image: i, ready: { tcp: 5432 } }
       ·                           ───
       ╰────
      help: it is called `port` here. A TCP port accepts connections.
    ");
}
