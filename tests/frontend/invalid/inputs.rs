//! Inputs that are wrongly declared.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn declarations() {
    assert_snapshot!(messages("inputs:
  - { name: Target }
  - { name: size, type: float }
  - { name: color, type: choice }
  - { name: shape, values: [round] }
  - { name: count, type: number, default: many }
  - { name: fast, type: boolean, default: \"true\" }
  - { name: side, type: choice, values: [left, right, left], default: up }
  - { default: a, options: [a] }
stages: [{ name: s, steps: [{ name: a, image: i }] }]
"), @r#"
    W0131

      × `Target` is not a name
       ╭─[windlass.yml:2:13]
     2 │   - { name: Target }
       ·             ──────
       ╰────
      help: small letters, digits, `_` and `-`, a letter first: `target`

    W0135

      × `type` cannot be `float`
       ╭─[windlass.yml:3:25]
     3 │   - { name: size, type: float }
       ·                         ─────
       ╰────
      help: it takes `string`, `number`, `boolean` or `choice`

    W0171

      × a choice without `values`
       ╭─[windlass.yml:4:5]
     4 │   - { name: color, type: choice }
       ·     ─
       ╰────
      help: list what it may be: `values: [staging, production]`

    W0171

      × `values` are those of a choice
       ╭─[windlass.yml:5:28]
     5 │   - { name: shape, values: [round] }
       ·                            ─
       ╰────
      help: write `type: choice`, or remove `values`

    W0171

      × the default `many` is not what the input takes
       ╭─[windlass.yml:6:43]
     6 │   - { name: count, type: number, default: many }
       ·                                           ────
       ╰────
      help: it takes a number

    W0124

      × `default` takes `true` or `false`, not text
       ╭─[windlass.yml:7:43]
     7 │   - { name: fast, type: boolean, default: "true" }
       ·                                           ──────
       ╰────
      help: write it without quotes

    W0171

      × the value `left` is there twice
       ╭─[windlass.yml:8:55]
     8 │   - { name: side, type: choice, values: [left, right, left], default: up }
       ·                                                       ────
       ╰────
      help: remove one of them

    W0171

      × the default `up` is not what the input takes
       ╭─[windlass.yml:8:71]
     8 │ …: side, type: choice, values: [left, right, left], default: up }
       ·                                                              ──
       ╰────
      help: it takes `left` or `right`

    W0123

      × an input has no `name`
       ╭─[windlass.yml:9:5]
     9 │   - { default: a, options: [a] }
       ·     ─
       ╰────
      help: add `name`. Its name; steps get it as `WINDLASS_INPUT_<NAME>`.

    W0121

      × `options` is not a key of an input
       ╭─[windlass.yml:9:19]
     9 │   - { default: a, options: [a] }
       ·                   ───────
       ╰────
      help: it is called `values` here. The values of a choice.
    "#);
}

#[test]
fn two_that_steps_could_not_tell_apart() {
    assert_snapshot!(messages("inputs:
  - { name: some-thing, default: a }
  - { name: some_thing, default: b }
  - { name: some-thing, default: c }
stages: [{ name: s, steps: [{ name: a, image: i }] }]
"), @"
    W0171

      × the inputs `some-thing` and `some_thing` are both `WINDLASS_INPUT_SOME_THING` to steps
       ╭─[windlass.yml:3:13]
     3 │   - { name: some_thing, default: b }
       ·             ──────────
       ╰────
      help: rename one of them

    W0171

      × there is another input `some-thing`
       ╭─[windlass.yml:4:13]
     4 │   - { name: some-thing, default: c }
       ·             ──────────
       ╰────
      help: rename one of them
    ");
}

#[test]
fn no_list_and_an_empty_one() {
    assert_snapshot!(messages("inputs: { target: staging }
stages: [{ name: s, steps: [{ name: a, image: i }] }]
"), @"
    W0124

      × `inputs` takes a list of inputs, not a mapping
       ╭─[windlass.yml:1:9]
     1 │ inputs: { target: staging }
       ·         ─
       ╰────
      help: write `inputs: [{ name: target, default: staging }]`
    ");
    assert_snapshot!(messages("inputs: []
stages: [{ name: s, steps: [{ name: a, image: i }] }]
"), @"
    W0171

      × `inputs` is empty
       ╭─[windlass.yml:1:9]
     1 │ inputs: []
       ·         ─
       ╰────
      help: declare one, or remove the key
    ");
}
