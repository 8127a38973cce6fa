//! Environments that are wrongly declared, or not at all.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn declarations() {
    assert_snapshot!(messages("environments:
  Production: { URL: a }
  staging: [URL]
  test: { 1A: b, C: }
stages: [{ name: s, steps: [{ name: a, image: i }] }]
"), @r#"
    W0131

      × `Production` is not a name
       ╭─[windlass.yml:2:3]
     2 │   Production: { URL: a }
       ·   ──────────
       ╰────
      help: small letters, digits, `_` and `-`, a letter first, at most 63

    W0124

      × `env` takes a mapping of names to values, not a list
       ╭─[windlass.yml:3:12]
     3 │   staging: [URL]
       ·            ─
       ╰────
      help: write `env: { NAME: value }`

    W0137

      × `1A` cannot be the name of a variable
       ╭─[windlass.yml:4:11]
     4 │   test: { 1A: b, C: }
       ·           ──
       ╰────
      help: letters, digits and `_`, not beginning with a digit

    W0125

      × `C` has no value
       ╭─[windlass.yml:4:18]
     4 │   test: { 1A: b, C: }
       ·                  ─
       ╰────
      help: write `""` for an empty one; quote the word if it is meant as text
    "#);
    assert_snapshot!(messages("environments: [staging]
stages: [{ name: s, steps: [{ name: a, image: i }] }]
"), @"
    W0124

      × `environments` takes a mapping of names to sets of variables, not a list
       ╭─[windlass.yml:1:15]
     1 │ environments: [staging]
       ·               ─
       ╰────
      help: write `environments: { staging: { URL: … } }`
    ");
}

#[test]
fn names_that_are_not_there() {
    assert_snapshot!(messages("environments: { staging: {}, production: {} }
stages:
  - name: s
    environments: [prod, staging, staging]
    steps:
      - { name: a, image: i, environments: [produktion] }
      - { name: b, image: i, environments: [] }
      - { name: c, image: i, environments: staging }
"), @"
    W0172

      × there is no environment `prod`
       ╭─[windlass.yml:4:20]
     4 │     environments: [prod, staging, staging]
       ·                    ────
       ╰────
      help: the nearest name is `production`

    W0172

      × `environments` names `staging` twice
       ╭─[windlass.yml:4:35]
     4 │     environments: [prod, staging, staging]
       ·                                   ───────
       ╰────
      help: remove one of them

    W0172

      × there is no environment `produktion`
       ╭─[windlass.yml:6:45]
     6 │       - { name: a, image: i, environments: [produktion] }
       ·                                             ──────────
       ╰────
      help: did you mean `production`?

    W0172

      × `environments` is empty
       ╭─[windlass.yml:7:44]
     7 │       - { name: b, image: i, environments: [] }
       ·                                            ─
       ╰────
      help: name at least one, or remove the key

    W0124

      × `environments` takes a list of names, not text
       ╭─[windlass.yml:8:44]
     8 │       - { name: c, image: i, environments: staging }
       ·                                            ───────
       ╰────
      help: write `environments: [staging]`
    ");
}

#[test]
fn a_name_where_none_is_declared() {
    assert_snapshot!(messages("stages: [{ name: s, environments: [test], steps: [{ name: a, image: i }] }]
"), @"
    W0172

      × there is no environment `test`
       ╭─[windlass.yml:1:36]
     1 │ stages: [{ name: s, environments: [test], steps: [{ name: a, image: i }] }]
       ·                                    ────
       ╰────
      help: declare it: `environments: { test: {} }`
    ");
}

#[test]
fn a_matrix_key_that_an_environment_sets() {
    assert_snapshot!(messages("environments: { staging: { OS: linux } }
stages: [{ name: s, steps: [{ name: a, image: i, matrix: { os: [a, b] } }] }]
"), @"
    W0143

      × `os` of the matrix and the environment `staging` both set `OS`
       ╭─[windlass.yml:2:60]
     2 │ stages: [{ name: s, steps: [{ name: a, image: i, matrix: { os: [a, b] } }] }]
       ·                                                            ──
       ╰────
      help: rename one of them
    ");
}
