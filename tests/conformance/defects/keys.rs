//! A front end that accepts a key and ignores it. `x-KEY` is free, so that renaming a key is ignoring it.

use super::notices;
use crate::coverage::{has_key, keys};
use crate::suite::{Case, Faults, all};

/// Keys of which the fake cannot show that they are ignored, each with the reason.
const UNSEEN: &[(&str, &str)] = &[
    ("version", "it can only be 1, which it is when it is left out"),
    ("description", "it is for people, and changes nothing about a run"),
    ("resources", "the fake has nothing to limit; it is seen on Docker by file/pids and ends/out-of-memory"),
    ("memory", "likewise"),
    ("cpus", "likewise; it would need a look at time"),
    ("pids", "likewise"),
    ("shell", "the fake knows one shell; it is seen on Docker by steps/bash and steps/own-shell"),
    ("backoff", "no case says how long something takes; the engine's own tests do"),
];

/// The text with a key that means nothing in the place of another.
fn ignored(text: &str, key: &str) -> String {
    let mut changed = String::new();
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while let Some(at) = rest.find(&format!("{key}:")) {
            let (before, after) = rest.split_at(at);
            changed += before;
            if before.is_empty() || before.ends_with([' ', '{']) {
                changed += "x-";
            }
            let (word, after) = after.split_at(key.len());
            changed += word;
            rest = after;
        }
        changed += rest;
    }
    changed
}

#[test]
fn a_key_that_is_ignored_is_noticed() {
    let cases: Vec<Case> =
        all().into_iter().filter(|case| !case.options.not_on.contains_key("fake")).collect();
    let mut missed = Vec::new();
    for key in keys() {
        let unseen = UNSEEN.iter().any(|(unseen, _)| *unseen == key);
        let with =
            cases.iter().filter(|case| has_key(&case.pipeline, &key) && !case.outline.starts_with("refused"));
        let noticed = with.into_iter().any(|case| {
            let pipeline = ignored(&case.pipeline, &key);
            notices(&Case { pipeline, ..case.clone() }, Faults::default())
        });
        if noticed == unseen {
            missed.push(key);
        }
    }
    assert!(missed.is_empty(), "no case notices that these are ignored, or the list is wrong: {missed:?}");
}

#[test]
fn a_key_is_ignored_by_renaming_it() {
    let text = "env: { X: 1 }\nsteps:\n- { name: a, run: 'echo run: x', env: { run: y } }\n";
    let changed = "env: { X: 1 }\nsteps:\n- { name: a, x-run: 'echo x-run: x', env: { x-run: y } }\n";
    assert_eq!(ignored(text, "run"), changed);
    assert_eq!(ignored("on_failure: []\n", "failure"), "on_failure: []\n");
}
