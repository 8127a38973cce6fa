//! That nothing of the language is without a case: every sentence group that is built, every key that
//! the schema knows, and every exception with its reason.

use std::collections::{BTreeMap, BTreeSet};

use windlass::frontend::schema;

use crate::suite::{Case, all};

/// Sentence groups of which nothing can be seen in a run yet, each with the reason. A group leaves the
/// list with its first case; it has to when one of its keys is known.
const NOT_YET: &[(u32, &[&str], &str)] = &[
    (22, &["artifacts", "artifacts_from"], "artifacts are not built"),
    (23, &["caches"], "caches are not built"),
    (24, &["reports"], "reports of tests are not read"),
    (26, &[], "no step can be selected"),
    (27, &[], "no run can be resumed"),
    (28, &["cache"], "the step cache is not built"),
    (32, &["build"], "builds are not built"),
    (35, &[], "what the command runs is trusted; tests/cli/trust.rs asks through the library"),
];

/// Groups of the language.
const LAST: u32 = 35;

/// Cases that a backend cannot do; numbers that are to be looked at when they rise. No case is without Docker.
const NOT_ON: [(&str, usize); 2] = [("fake", 36), ("kubernetes", 12)];

/// Keys that no case needs to name, each with the reason.
const WITHOUT: &[(&str, &str)] = &[
    ("version", "it can only be 1, which it is when it is left out"),
    ("name", "every stage and step has one, and a pipeline's is for people"),
];

/// Keys that the language has, as the schema knows them.
pub fn keys() -> BTreeSet<String> {
    let schema = schema();
    let tables = schema["$defs"].as_object().unwrap().values();
    tables.flat_map(|table| table["properties"].as_object().unwrap().keys().cloned()).collect()
}

/// Whether a file gives a key.
pub fn has_key(text: &str, key: &str) -> bool {
    let given = format!("{key}:");
    text.match_indices(&given).any(|(at, _)| {
        text[..at].chars().next_back().is_none_or(|before| before == ' ' || before == '\n' || before == '{')
    })
}

#[test]
fn every_group_that_is_built_has_two_cases() {
    let mut count: BTreeMap<u32, usize> = BTreeMap::new();
    for case in all() {
        for group in case.covers {
            assert!((1..=LAST).contains(&group), "{}: there is no L{group}", case.name);
            *count.entry(group).or_default() += 1;
        }
    }
    let known = keys();
    for group in 1..=LAST {
        let cases = count.get(&group).copied().unwrap_or(0);
        match NOT_YET.iter().find(|(number, ..)| *number == group) {
            Some((_, keys, why)) => {
                assert_eq!(
                    cases, 0,
                    "L{group} has cases and stands in the list of those that have none: {why}"
                );
                let built = keys.iter().find(|key| known.contains(**key));
                assert_eq!(built, None, "a key of L{group} is known, and no case is about it");
            }
            None => assert!(cases >= 2, "L{group} has {cases} cases"),
        }
    }
}

#[test]
fn every_key_has_a_case_that_runs() {
    let cases = all();
    let runs = |case: &&Case| !case.outline.starts_with("refused");
    let missing: Vec<String> = keys()
        .into_iter()
        .filter(|key| !WITHOUT.iter().any(|(without, _)| without == key))
        .filter(|key| !cases.iter().filter(runs).any(|case| has_key(&case.pipeline, key)))
        .collect();
    assert!(missing.is_empty(), "no case gives {missing:?}");
}

#[test]
fn exceptions_are_counted_and_have_reasons() {
    let cases = all();
    for (backend, count) in NOT_ON {
        let excepted = cases.iter().filter(|case| case.options.not_on.contains_key(backend)).count();
        assert_eq!(excepted, count, "{backend} can do fewer or more cases than before");
    }
    for case in &cases {
        for (backend, reason) in &case.options.not_on {
            assert!(NOT_ON.iter().any(|(known, _)| known == backend), "{}: {backend}", case.name);
            assert!(reason.starts_with("it") || reason.starts_with("its"), "{}: {reason}", case.name);
        }
    }
}

#[test]
fn a_case_that_is_not_complete_is_refused() {
    let whole = "# T\n\n- covers: L1\n\n```yaml\nstages: []\n```\n\n```outline\nrun\n```\n";
    assert!(Case::parse("x", whole).is_ok());
    for (from, to, error) in [
        ("# T", "T", "there is no title"),
        ("- covers: L1\n", "", "there is no `- covers: L1, L2`"),
        ("L1", "1", "`covers` does not take `1`"),
        ("covers", "cover", "there is no option `cover`"),
        ("```yaml\nstages: []\n```\n", "", "there is no pipeline"),
        ("```outline\nrun\n```\n", "", "there is no outline"),
        ("```outline", "```outlin", "a block of `outlin` is not known, or there twice"),
        (
            "- covers: L1\n",
            "- covers: L1\n- in place: yes\n",
            "`workspace` blocks and `- in place: yes` go together",
        ),
        ("- covers: L1\n", "- covers: L1\n- cancel: soon\n", "`cancel` does not take `soon`"),
    ] {
        assert_eq!(Case::parse("x", &whole.replace(from, to)).unwrap_err(), error);
    }
}
