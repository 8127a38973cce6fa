//! Steps that are there several times.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn matrices_that_cannot_be() {
    assert_snapshot!(messages("defaults: { image: busybox }
env: { OS: linux }
stages:
  - name: build
    steps:
      - { name: one, matrix: [a, b] }
      - { name: two, matrix: {} }
      - { name: three, matrix: { os: [a, b] } }
      - { name: four, matrix: { A: [1], b-c: [1], b_c: [2], d: [] } }
      - { name: five, matrix: { a: x, b: [1, 1], c: [[1]] } }
      - { name: six, matrix: { a: [1, 2], exclude: [{ a: 3 }, { b: 1 }, { a: 1 }, { a: 1 }], include: [{ a: 2 }, { b: 1 }, 7] } }
"), @"
    W0124

      × `matrix` takes a mapping of keys to lists of values, not a list
       ╭─[windlass.yml:6:30]
     6 │       - { name: one, matrix: [a, b] }
       ·                              ─
       ╰────
      help: write `matrix: { os: [a, b] }`

    W0143

      × `matrix` is empty
       ╭─[windlass.yml:7:30]
     7 │       - { name: two, matrix: {} }
       ·                              ─
       ╰────
      help: give it at least one key with a list of values, or remove it

    W0143

      × `os` of the matrix and `env` both set `OS`
       ╭─[windlass.yml:8:34]
     8 │       - { name: three, matrix: { os: [a, b] } }
       ·                                  ──
       ╰────
      help: rename one of them

    W0143

      × `A` cannot be a key of a matrix
       ╭─[windlass.yml:9:33]
     9 │       - { name: four, matrix: { A: [1], b-c: [1], b_c: [2], d: [] } }
       ·                                 ─
       ╰────
      help: small letters, digits, `_` and `-`, a letter first; steps get it in capitals, as a
            variable

    W0143

      × `b_c` and `b-c` of the matrix both set `B_C`
       ╭─[windlass.yml:9:51]
     9 │       - { name: four, matrix: { A: [1], b-c: [1], b_c: [2], d: [] } }
       ·                                                   ───
       ╰────
      help: rename one of them

    W0143

      × a key of the matrix has no values
       ╭─[windlass.yml:9:64]
     9 │ …   - { name: four, matrix: { A: [1], b-c: [1], b_c: [2], d: [] } }
       ·                                                              ─
       ╰────
      help: give it at least one value, or remove the key

    W0124

      × `matrix` takes a list of values, not text
        ╭─[windlass.yml:10:36]
     10 │       - { name: five, matrix: { a: x, b: [1, 1], c: [[1]] } }
        ·                                    ─
        ╰────
      help: write `[one, two]`

    W0143

      × the value `1` is there twice
        ╭─[windlass.yml:10:46]
     10 │       - { name: five, matrix: { a: x, b: [1, 1], c: [[1]] } }
        ·                                              ─
        ╰────
      help: remove one of them

    W0124

      × an item of `matrix` takes text, not a list
        ╭─[windlass.yml:10:54]
     10 │       - { name: five, matrix: { a: x, b: [1, 1], c: [[1]] } }
        ·                                                      ─
        ╰────
      help: write the value after `matrix:`

    W0143

      × this excludes nothing
        ╭─[windlass.yml:11:53]
     11 │       - { name: six, matrix: { a: [1, 2], exclude: [{ a: 3 }, { b: 1 }, { a: 1 }, { a: 1 }], include: [{ a: 2 }, …
        ·                                                     ─
        ╰────
      help: `a` has no value `3`

    W0143

      × this excludes nothing
        ╭─[windlass.yml:11:63]
     11 │ …    - { name: six, matrix: { a: [1, 2], exclude: [{ a: 3 }, { b: 1 }, { a: 1 }, { a: 1 }], include: [{ a: 2 }, { b: 1 }, …
        ·                                                              ─
        ╰────
      help: the matrix has no key `b`

    W0143

      × this excludes nothing
        ╭─[windlass.yml:11:83]
     11 │ …atrix: { a: [1, 2], exclude: [{ a: 3 }, { b: 1 }, { a: 1 }, { a: 1 }], include: [{ a: 2 }, { b: 1 }, 7] } }
        ·                                                              ─
        ╰────
      help: give it values of an instance that is still there

    W0143

      × this instance is there already
        ╭─[windlass.yml:11:104]
     11 │ …xclude: [{ a: 3 }, { b: 1 }, { a: 1 }, { a: 1 }], include: [{ a: 2 }, { b: 1 }, 7] } }
        ·                                                              ─
        ╰────
      help: remove it from `include`

    W0143

      × this is no instance of the matrix
        ╭─[windlass.yml:11:114]
     11 │ … a: 3 }, { b: 1 }, { a: 1 }, { a: 1 }], include: [{ a: 2 }, { b: 1 }, 7] } }
        ·                                                              ─
        ╰────
      help: an instance has a value for each key: `a`

    W0124

      × an item of `include` takes a mapping of keys to values, not text
        ╭─[windlass.yml:11:124]
     11 │ … b: 1 }, { a: 1 }, { a: 1 }], include: [{ a: 2 }, { b: 1 }, 7] } }
        ·                                                              ─
        ╰────
      help: write `{ os: a, arch: b }`
    ");
}

#[test]
fn too_many_instances() {
    let values = |count: usize| (0..count).map(|value| value.to_string()).collect::<Vec<_>>().join(", ");
    let (some, many) = (values(17), values(400));
    assert_snapshot!(messages(&format!("defaults: {{ image: busybox }}
stages:
  - name: build
    steps:
      - {{ name: one, matrix: {{ a: [{some}], b: [{some}] }} }}
      - name: two
        matrix:
          {{ a: [{many}], b: [{many}], c: [{many}], d: [{many}], e: [{many}], f: [{many}], g: [{many}], h: [{many}] }}
")), @"
    W0143

      × the matrix has 289 instances
       ╭─[windlass.yml:5:30]
     5 │       - { name: one, matrix: { a: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1…
       ·                              ─
       ╰────
      help: a step has at most 256; give it fewer values, or `exclude` some

    W0143

      × the matrix has more than 65536 instances
       ╭─[windlass.yml:8:11]
     8 │           { a: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1…
       ·           ─
       ╰────
      help: a step has at most 256; give it fewer values, or `exclude` some
    ");
}

#[test]
fn instances_that_are_not_there() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: unit, matrix: { os: [a, b], tls: [yes, no], exclude: [{ os: a, tls: no }] } }
      - { name: unit-3 }
      - { name: none, matrix: { os: [a], exclude: [{ os: a }] } }
  - name: test
    steps:
      - { name: one, needs: [{ step: unit, matrix: { os: c } }] }
      - { name: two, needs: [{ step: unit, matrix: { arch: arm } }] }
      - { name: three, needs: [{ step: unit, matrix: { os: a, tls: no } }] }
      - { name: four, needs: [{ step: none, matrix: { os: a } }] }
      - { name: five, needs: [{ step: one, matrix: { os: a } }] }
      - { name: six, needs: { any: [unit, one] } }
      - { name: seven, needs: [{ step: unit, optional: maybe }, { name: unit }] }
      - { name: eight, needs: [unit, unit, { step: unit, matrix: { os: a } }, { step: unit, matrix: { os: a } }] }
      - { name: nine, needs: [{ step: nine, matrix: {} }, { step: knot, matrix: {} }] }
"), @"
    W0151

      × an instance of `unit` is called `unit-3`, and so is `unit-3`
       ╭─[windlass.yml:5:17]
     5 │       - { name: unit, matrix: { os: [a, b], tls: [yes, no], exclude: [{ os: a, t…
       ·                 ────
       ╰────
      help: rename one of the steps

    W0161

      × no instance of `unit` is like this
        ╭─[windlass.yml:10:30]
     10 │       - { name: one, needs: [{ step: unit, matrix: { os: c } }] }
        ·                              ─
        ╰────
      help: its matrix has no such values together; `optional: true` allows for that

    W0161

      × no instance of `unit` is like this
        ╭─[windlass.yml:11:30]
     11 │       - { name: two, needs: [{ step: unit, matrix: { arch: arm } }] }
        ·                              ─
        ╰────
      help: its matrix has no key `arch`

    W0161

      × no instance of `unit` is like this
        ╭─[windlass.yml:12:32]
     12 │       - { name: three, needs: [{ step: unit, matrix: { os: a, tls: no } }] }
        ·                                ─
        ╰────
      help: its matrix has no such values together; `optional: true` allows for that

    W0161

      × no instance of `none` is like this
        ╭─[windlass.yml:13:31]
     13 │       - { name: four, needs: [{ step: none, matrix: { os: a } }] }
        ·                               ─
        ╰────
      help: none is left in its matrix

    W0161

      × no instance of `one` is like this
        ╭─[windlass.yml:14:31]
     14 │       - { name: five, needs: [{ step: one, matrix: { os: a } }] }
        ·                               ─
        ╰────
      help: `one` has no matrix; write `one`

    W0161

      × `any` names `unit`, which is there 3 times
        ╭─[windlass.yml:15:37]
     15 │       - { name: six, needs: { any: [unit, one] } }
        ·                                     ────
        ╰────
      help: say which instance is enough: `{ step: unit, matrix: { … } }`

    W0138

      × `maybe` is not a boolean
        ╭─[windlass.yml:16:56]
     16 │       - { name: seven, needs: [{ step: unit, optional: maybe }, { name: unit }] }
        ·                                                        ─────
        ╰────
      help: `optional` is `true` or `false`, without quotes

    W0121

      × `name` is not a key of an item of `needs`
        ╭─[windlass.yml:16:67]
     16 │ …- { name: seven, needs: [{ step: unit, optional: maybe }, { name: unit }] }
        ·                                                              ────
        ╰────
      help: it is a key of a pipeline, an input, a parameter, a stage, a step, a secret and a secret
            of a step; the keys of an item of `needs` are `step`, `matrix`, `optional`

    W0159

      × `needs` names `unit` twice
        ╭─[windlass.yml:17:38]
     17 │       - { name: eight, needs: [unit, unit, { step: unit, matrix: { os: a } }, { step: unit, matrix: {…
        ·                                      ────
        ╰────
      help: remove one of them

    W0159

      × `needs` names `unit` twice
        ╭─[windlass.yml:17:79]
     17 │ …ght, needs: [unit, unit, { step: unit, matrix: { os: a } }, { step: unit, matrix: { os: a } }] }
        ·                                                              ─
        ╰────
      help: remove one of them

    W0155

      × `nine` needs itself
        ╭─[windlass.yml:18:31]
     18 │       - { name: nine, needs: [{ step: nine, matrix: {} }, { step: knot, matrix: {} }] }
        ·                               ─
        ╰────
      help: remove one of these `needs`; none of the steps could start

    W0161

      × no instance of `nine` is like this
        ╭─[windlass.yml:18:31]
     18 │       - { name: nine, needs: [{ step: nine, matrix: {} }, { step: knot, matrix: {} }] }
        ·                               ─
        ╰────
      help: `nine` has no matrix; write `nine`

    W0153

      × there is no step `knot`
        ╭─[windlass.yml:18:59]
     18 │       - { name: nine, needs: [{ step: nine, matrix: {} }, { step: knot, matrix: {} }] }
        ·                                                           ─
        ╰────
      help: did you mean `unit`?
    ");
}
