//! No text panics, overflows a stack or runs for long, also where the stack is small.

use proptest::prelude::*;

use super::{Expression, World};

/// Every way into it, in a thread whose stack is that of a worker.
fn survives(text: &str) {
    std::thread::scope(|scope| {
        let run = || {
            let world = World::new();
            let Ok(expression) = Expression::parse(text) else { return };
            let facts = world.facts();
            let (kind, value) = (expression.check(&facts), expression.evaluate(&facts));
            let reduced = expression.reduce(&facts);
            if reduced.to_string().len() <= super::super::MAX_EXPRESSION {
                let again = Expression::parse(&reduced.to_string());
                let again = again.unwrap_or_else(|error| panic!("{text} became {reduced}: {error}"));
                if let (Ok(_), Ok(Some(value))) = (kind, value) {
                    assert_eq!(
                        again.evaluate(&facts).ok().flatten().map(|v| v.to_string()),
                        Some(value.to_string()),
                        "{text}"
                    );
                }
            }
        };
        std::thread::Builder::new().stack_size(1 << 20).spawn_scoped(scope, run).unwrap().join().unwrap();
    });
}

#[test]
fn the_deepest_texts_are_refused_or_work() {
    let repeat = |unit: &str| unit.repeat(4096 / unit.len());
    for unit in [
        "(",
        "[",
        "{",
        "!",
        "-",
        "a.",
        "1+",
        "true&&",
        "has(",
        "[1].all(x,",
        "steps.",
        "'",
        "\\",
        "1?1:",
        "{'a':",
        "1in",
        "git.",
        "0x",
        "- ",
    ] {
        survives(&repeat(unit));
        survives(&format!("{}1", &repeat(unit)[..4000]));
    }
    for depth in [47, 48, 49, 100, 1000] {
        survives(&format!("{}true{}", "(".repeat(depth), ")".repeat(depth)));
        survives(&format!("{}true", "!".repeat(depth)));
        survives(&format!("{}[0]{}", "[".repeat(depth), "]".repeat(depth)));
    }
    survives(&format!("1{}", "+1".repeat(2000)));
    survives(&format!("git{}", ".a".repeat(2000)));
}

#[test]
fn long_chains_of_and_and_or_are_no_nesting() {
    let text = vec!["git.tag == 'v'"; 200].join(" || ");
    assert_eq!(World::new().run(&text), Ok(Some(super::Value::Bool(false))));
}

#[test]
fn what_would_take_long_is_stopped() {
    let list = format!("[{}]", vec!["1"; 50].join(","));
    let nested = (0..12).fold("true".to_owned(), |body, n| format!("{list}.all(x{n}, {body})"));
    let doubling = format!("['aaaaaaaa']{}", ".map(x, x + x)".repeat(90));
    let lists = format!("[[1]]{}", ".map(x, x + x)".repeat(90));
    let patterns = format!("{list}.all(x, {list}.all(y, 'a'.matches('(a{{1,50}}){{1,50}}')))");
    for text in [nested, doubling, lists, patterns] {
        let said = World::new().run(&text).unwrap_err();
        assert_eq!(said.message, "the expression takes too long");
        survives(&text);
    }
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    let said = Expression::parse(&" ".repeat(4097)).unwrap_err();
    assert_eq!(said.message, "the expression has 4097 bytes; 4096 are allowed");
}

const PIECES: [&str; 46] = [
    "git.branch",
    "inputs.count",
    "inputs.apps",
    "env.MODE",
    "env.NONE",
    "steps.a",
    "steps['a-b']",
    ".outcome",
    ".outputs.k",
    ".all",
    "'main'",
    "\"x\"",
    "r'\\'",
    "1",
    "2.5",
    "-",
    "!",
    "&&",
    "||",
    "==",
    "!=",
    "<",
    ">=",
    " in ",
    "+",
    "*",
    "/",
    "%",
    "?",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    "has(",
    "size(",
    ".all(x,",
    ".map(y,",
    "x",
    "true",
    "files.exist(",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_of_pieces_breaks_it(pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..60)) {
        survives(&pieces.concat());
    }

    #[test]
    fn no_text_of_characters_breaks_it(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn good_texts_mean_the_same_when_they_are_reduced(
        sides in proptest::collection::vec((0..6usize, 0..3usize), 1..20)
    ) {
        let atoms = ["git.branch == 'main'", "inputs.count > 4", "env.MODE in ['fast']", "!has(env.NONE)", "(1 + 2) * 3 == 9", "size(inputs.apps) == 2"];
        let joins = [" && ", " || ", " == "];
        let text: String = sides.iter().enumerate().map(|(n, (atom, join))| {
            let join = if n == 0 { "" } else { joins[*join] };
            format!("{join}({})", atoms[*atom])
        }).collect();
        survives(&text);
    }
}
