//! Files that are too large, too deep, or explode: one clear error each, and soon. A loader that
//! followed the aliases of these files would not come back.

use std::fmt::Write as _;

use insta::assert_snapshot;
use windlass::frontend::MAX_FILE;

use crate::{compiled, messages};

const STEP: &str = "stages: [{ name: build, steps: [{ name: compile, image: busybox }] }]\n";

/// The codes of what is wrong, without the messages.
fn codes(text: &str) -> Vec<&'static str> {
    let compiled = compiled(text);
    assert_eq!(compiled.plan.is_none(), !compiled.diagnostics.is_empty());
    compiled.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn a_billion_laughs() {
    let mut text = String::from("x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..30 {
        let alias = format!("*a{}", level - 1);
        writeln!(text, "x-{level}: &a{level} [{}]", vec![alias; 9].join(", ")).expect("a string grows");
    }
    text.push_str(STEP);
    assert_snapshot!(messages(&text), @r"
    W0105

      × the file has more than 500,000 nodes after its aliases are followed
       ╭─[windlass.yml:6:41]
     6 │ x-5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4]
       ·                                         ───
       ╰────
      help: aliases that repeat aliases multiply; write less, or repeat less
    ");
}

#[test]
fn a_billion_laughs_of_merges() {
    let mut text = String::from("x-0: &a0 { a: b }\n");
    for level in 1..40 {
        let alias = format!("*a{}", level - 1);
        writeln!(text, "x-{level}: &a{level} {{ <<: [{}], k{level}: v }}", vec![alias; 9].join(", "))
            .expect("a string grows");
    }
    text.push_str(STEP);
    assert_eq!(codes(&text), ["W0105"]);
}

#[test]
fn a_long_text_that_is_repeated() {
    let mut text = format!("x-long: &long \"{}\"\nx-all:\n", "a".repeat(1 << 20));
    text.push_str(&"- *long\n".repeat(100));
    text.push_str(STEP);
    assert_eq!(codes(&text), ["W0105"]);
}

#[test]
fn a_large_environment_for_many_steps() {
    let mut text = format!("env: {{ A: \"{}\" }}\ndefaults: {{ image: busybox }}\n", "a".repeat(1 << 20));
    text.push_str("stages:\n- name: all\n  steps:\n");
    for step in 0..100 {
        writeln!(text, "  - name: step{step}").expect("a string grows");
    }
    assert_eq!(codes(&text), ["W0158"]);
}

#[test]
fn nested_too_deep() {
    for (open, close) in [("[", "]"), ("{ a: ", "}")] {
        let nested =
            |levels: usize| format!("x-deep: {}{}\n{STEP}", open.repeat(levels), close.repeat(levels));
        assert_eq!(codes(&nested(63)), [""; 0]);
        assert_eq!(codes(&nested(64)), ["W0104"]);
        assert_eq!(codes(&nested(200)), ["W0104"]);
        assert_eq!(codes(&nested(10_000)), ["W0104"]);
        assert_eq!(codes(&nested(1_000_000)), ["W0104"]);
    }
    assert_eq!(codes(&"- ".repeat(100_000)), ["W0104"]);
    let stairs = (0..1000).fold(String::new(), |stairs, level| stairs + &" ".repeat(level) + "a:\n");
    assert_eq!(codes(&stairs), ["W0104"]);
}

#[test]
fn nested_too_deep_by_aliases() {
    let levels = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let text = |outer: usize| {
        let (open, close) = ("[".repeat(outer), "]".repeat(outer));
        format!("x-one: &one {}\nx-two: {open}*one{close}\n{STEP}", levels(40))
    };
    assert_eq!(codes(&text(23)), [""; 0]);
    assert_eq!(codes(&text(24)), ["W0104"]);
}

#[test]
fn too_many_nodes() {
    let text = |items: usize| format!("x-all: [{}]\n{STEP}", "a,".repeat(items));
    assert_eq!(codes(&text(499_000)), [""; 0]);
    assert_eq!(codes(&text(500_000)), ["W0105"]);
}

#[test]
fn a_file_that_is_too_large() {
    let text = format!("{STEP}#{}", "x".repeat(MAX_FILE));
    assert_snapshot!(messages(&text), @r"
    W0101

      × windlass.yml: the file has 8388679 bytes; a pipeline has at most 8 MiB
      help: is this the right file?
    ");
    let fits = format!("{STEP}#{}", "x".repeat(MAX_FILE - STEP.len() - 1));
    assert_eq!(codes(&fits), [""; 0]);
}

#[test]
fn a_chain_of_needs_as_long_as_the_file() {
    let mut text =
        String::from("defaults: { image: busybox }\nstages:\n- name: all\n  steps:\n  - name: s0\n");
    for step in 1..20_000 {
        writeln!(text, "  - {{ name: s{step}, needs: [s{}] }}", step - 1).expect("a string grows");
    }
    assert_eq!(codes(&text), [""; 0]);
}

#[test]
fn mistakes_as_many_as_the_file_holds() {
    let mut text = String::from("defaults: { image: busybox }\nstages:\n- name: all\n  steps:\n");
    for step in 0..3_000 {
        writeln!(text, "  - {{ name: s{step}, needs: [t{step}], colour: red }}").expect("a string grows");
    }
    assert_eq!(codes(&text).len(), 6_000);
    assert_eq!(messages(&text).matches("[windlass.yml:").count(), 6_000);
}

#[test]
fn keys_as_many_as_the_file_holds() {
    let mut text = String::from(STEP);
    for key in 0..100_000 {
        writeln!(text, "x-{key}: a").expect("a string grows");
    }
    assert_eq!(codes(&text), [""; 0]);
    text.push_str("x-7: a\n");
    assert_eq!(codes(&text), ["W0106"]);
}

#[test]
fn line_ends_and_a_byte_order_mark_change_nothing() {
    let text = "# größe\nstages:\n- name: build\n  steps:\n  - name: compile\n    image: busybox\n    run: |\n      a\n      b\n";
    let plan = compiled(text).plan.expect("the file is good");
    let marked = format!("\u{feff}{text}");
    assert_eq!(compiled(&marked).plan.as_ref(), Some(&plan));
    assert_eq!(compiled(&text.replace('\n', "\r\n")).plan.as_ref(), Some(&plan));
}

#[test]
fn places_are_right_with_other_line_ends_and_a_byte_order_mark() {
    let text = "\u{feff}# größe\r\nname: →\r\nstages: [{ name: A }]\r\n";
    assert_snapshot!(messages(text), @"
    W0131

      × `→` is not a name
       ╭─[windlass.yml:2:7]
     2 │ name: →
       ·       ─
       ╰────
      help: small letters, digits, `_` and `-`, a letter first, at most 63

    W0157

      × a stage has no `steps`
       ╭─[windlass.yml:3:10]
     3 │ stages: [{ name: A }]
       ·          ─
       ╰────
      help: add `steps`. What runs in it.

    W0131

      × `A` is not a name
       ╭─[windlass.yml:3:18]
     3 │ stages: [{ name: A }]
       ·                  ─
       ╰────
      help: small letters, digits, `_` and `-`, a letter first: `a`
    ");
}
