//! What is wrong with the text, before any key is looked at.

use insta::assert_snapshot;

use crate::messages;

#[test]
fn an_empty_file() {
    assert_snapshot!(messages("# nothing yet
"), @r"
    W0112

      × the file is empty
       ╭─[windlass.yml:1:1]
     1 │ # nothing yet
       · ▲
       ╰────
      help: a pipeline has at least one stage with one step
    ");
}

#[test]
fn an_empty_document() {
    assert_snapshot!(messages("---
...
"), @r"
    W0112

      × the file is empty
       ╭─[windlass.yml:1:1]
     1 │ ---
       · ▲
       ╰────
      help: a pipeline has at least one stage with one step
    ");
}

#[test]
fn not_a_mapping() {
    assert_snapshot!(messages("- name: build
"), @r"
    W0124

      × a pipeline is a mapping, not a list
       ╭─[windlass.yml:1:3]
     1 │ - name: build
       ·   ────
       ╰────
      help: it begins with `stages:`
    ");
}

#[test]
fn text_alone() {
    assert_snapshot!(messages("hello
"), @r"
    W0124

      × a pipeline is a mapping, not text
       ╭─[windlass.yml:1:1]
     1 │ hello
       · ─────
       ╰────
      help: it begins with `stages:`
    ");
}

#[test]
fn a_tab_in_the_indentation() {
    assert_snapshot!(messages("stages:\n  - name: build\n\u{9}steps: []\n"), @r"
    W0102

      × this is not YAML: while scanning a plain scalar, found a tab
       ╭─[windlass.yml:3:1]
     3 │  steps: []
       · ─
       ╰────
      help: indent with spaces; YAML forbids tabs there
    ");
}

#[test]
fn a_missing_bracket() {
    assert_snapshot!(messages("stages: [{ name: build, steps: [{ name: compile }
"), @r"
    W0102

      × this is not YAML: while parsing a flow sequence, expected ',' or ']'
       ╭─[windlass.yml:1:49]
     1 │ stages: [{ name: build, steps: [{ name: compile }
       ·                                                 ─
       ╰────
      help: look at the indentation, at a missing `:` or bracket, and at text that needs quotes
    ");
}

#[test]
fn a_missing_colon() {
    assert_snapshot!(messages("stages
  - name: build
"), @r"
    W0102

      × this is not YAML: mapping values are not allowed in this context
       ╭─[windlass.yml:2:9]
     2 │   - name: build
       ·         ─
       ╰────
      help: text with `: ` in it needs quotes; or a line above lacks its `:`, or is indented otherwise
    ");
}

#[test]
fn a_colon_in_plain_text() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: say
        run: echo note: this is it
"), @r"
    W0102

      × this is not YAML: mapping values are not allowed in this context
       ╭─[windlass.yml:6:23]
     6 │         run: echo note: this is it
       ·                       ─
       ╰────
      help: text with `: ` in it needs quotes; or a line above lacks its `:`, or is indented otherwise
    ");
}

#[test]
fn a_nul() {
    assert_snapshot!(messages("stages: [a\0b]\n"), @"
    W0103

      × the file holds a NUL byte
       ╭─[windlass.yml:1:11]
     1 │ stages: [a�b]
       ·           ─
       ╰────
      help: remove it; is this the right file?
    ");
}

#[test]
fn an_escape_character() {
    assert_snapshot!(messages("name: a\u{1b}[31mb\n"), @r"
    W0103

      × the file holds an escape character
       ╭─[windlass.yml:1:8]
     1 │ name: a�[31mb
       ·        ─
       ╰────
      help: remove it, or write it as `\x1b` in a string with double quotes
    ");
}

#[test]
fn a_byte_order_mark_inside() {
    assert_snapshot!(messages("name: shop\n\u{feff}stages: []\n"), @"
    W0103

      × the file holds a byte order mark
       ╭─[windlass.yml:2:1]
     2 │ �stages: []
       · ─
       ╰────
      help: remove it; editors show it as nothing at all
    ");
}

#[test]
fn a_tag() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: tagged
        run: !!str make
        timeout: !reference [a, b]
"), @r"
    W0109

      × tags (`!…`) are not part of the language
       ╭─[windlass.yml:6:14]
     6 │         run: !!str make
       ·              ──────────
       ╰────
      help: remove it; a value's type follows from its key, and text is quoted

    W0124

      × `timeout` takes a duration such as `20m`, not a list
       ╭─[windlass.yml:7:18]
     7 │         timeout: !reference [a, b]
       ·                  ─
       ╰────
      help: write the value after `timeout:`
    ");
}

#[test]
fn two_documents() {
    assert_snapshot!(messages("stages: [{ name: build, steps: [{ name: compile, image: busybox, run: make }] }]
---
stages: [{ name: build, steps: [{ name: compile, image: busybox, run: make }] }]
"), @r"
    W0110

      × the file holds more than one document
       ╭─[windlass.yml:2:1]
     2 │ ---
       · ───
       ╰────
      help: a pipeline is one document; remove what follows this `---`, or this line
    ");
}

#[test]
fn an_unknown_alias() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: compile
        <<: *common
        run: make
"), @r"
    W0102

      × this is not YAML: while parsing node, found unknown anchor
       ╭─[windlass.yml:6:13]
     6 │         <<: *common
       ·             ─
       ╰────
      help: an alias (`*name`) repeats an anchor (`&name`) that stands before it
    ");
}

#[test]
fn an_alias_inside_its_own_anchor() {
    assert_snapshot!(messages("x-loop: &loop [1, *loop]
stages: [{ name: build, steps: [{ name: compile, image: busybox, run: make }] }]
"), @r"
    W0111

      × this alias stands inside the node it repeats
       ╭─[windlass.yml:1:19]
     1 │ x-loop: &loop [1, *loop]
       ·                   ─────
       ╰────
      help: write out what is meant; a pipeline has no endless parts
    ");
}

#[test]
fn a_key_given_twice() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: compile
        run: make
        env: { A: 1, B: 2, A: 3 }
        run: make install
"), @r"
    W0106

      × `A` is given twice
       ╭─[windlass.yml:7:28]
     7 │         env: { A: 1, B: 2, A: 3 }
       ·                            ─
       ╰────
      help: remove one of them; nothing says which was meant

    W0106

      × `run` is given twice
       ╭─[windlass.yml:8:9]
     8 │         run: make install
       ·         ───
       ╰────
      help: remove one of them; nothing says which was meant
    ");
}

#[test]
fn a_merge_of_text() {
    assert_snapshot!(messages("defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: compile
        <<: common
        run: make
"), @r"
    W0108

      × `<<` takes a mapping or a list of mappings, not text
       ╭─[windlass.yml:6:13]
     6 │         <<: common
       ·             ──────
       ╰────
      help: name an anchor that stands on a mapping: `<<: *common`
    ");
}

#[test]
fn a_list_as_a_key() {
    assert_snapshot!(messages("? [a, b]
: c
stages: [{ name: build, steps: [{ name: compile, image: busybox, run: make }] }]
"), @r"
    W0107

      × a key must be text
       ╭─[windlass.yml:1:3]
     1 │ ? [a, b]
       ·   ─
       ╰────
      help: write a word here, not a list or a mapping
    ");
}

#[test]
fn text_before_that_is_not_ascii() {
    assert_snapshot!(messages("name: größe→𝄞
stages: [{ name: build, steps: [{ name: compile, image: busybox, run: make, enw: { Ä: ö } }] }]
"), @r"
    W0131

      × `größe→𝄞` is not a name
       ╭─[windlass.yml:1:7]
     1 │ name: größe→𝄞
       ·       ───────
       ╰────
      help: small letters, digits, `_` and `-`, a letter first: `gr--e`

    W0121

      × `enw` is not a key of a step
       ╭─[windlass.yml:2:77]
     2 │ … build, steps: [{ name: compile, image: busybox, run: make, enw: { Ä: ö } }] }]
       ·                                                              ───
       ╰────
      help: did you mean `env`?
    ");
}

#[test]
fn a_line_that_is_too_long_to_show() {
    assert_snapshot!(messages("stages: [{ name: build, steps: [{ name: compile, image: busybox, run: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, tiemout: 5m, args: [y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, ] }] }]
"), @r"
    W0121

      × `tiemout` is not a key of a step
       ╭─[windlass.yml:1:373]
     1 │ …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, tiemout: 5m, args: [y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y,…
       ·                                                              ───────
       ╰────
      help: did you mean `timeout`?

    W0142

      × `run` and `args` exclude each other
       ╭─[windlass.yml:1:386]
     1 │ …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, tiemout: 5m, args: [y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, y, …
       ·                                                              ────
       ╰────
      help: keep one of them; `run` replaces the image's entry point by a script
    ");
}

#[test]
fn a_nul_as_an_escape() {
    assert_snapshot!(messages(r#"defaults: { image: busybox }
stages:
  - name: build
    steps:
      - name: say
        run: "a\0b"
        env: { A: "\0" }
"#), @r#"
    W0103

      × `run` holds a NUL byte
       ╭─[windlass.yml:6:14]
     6 │         run: "a\0b"
       ·              ──────
       ╰────
      help: no program can be given one; remove it

    W0103

      × `env` holds a NUL byte
       ╭─[windlass.yml:7:19]
     7 │         env: { A: "\0" }
       ·                   ────
       ╰────
      help: no program can be given one; remove it
    "#);
}
