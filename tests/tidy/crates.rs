//! Which crates are too old, and which are not wanted at all, by `Cargo.lock`.

use crate::{none, text_of};

/// The oldest version of a crate without a known hole that matters here. A crate that is not used
/// is none too old.
const FLOORS: [(&str, [u64; 3]); 5] = [
    ("git2", [0, 21, 0]),
    ("tar", [0, 4, 45]),
    ("h2", [0, 4, 16]),
    ("tracing-subscriber", [0, 3, 20]),
    ("rustls", [0, 23, 18]),
];

/// Crates that are not wanted, each with the reason.
const BANNED: [(&str, &str); 6] = [
    ("anyhow", "errors are typed"),
    ("libyml", "unmaintained, unsound"),
    ("serde_yaml", "deprecated by its author"),
    ("serde_yml", "unmaintained, unsound"),
    ("tokio-tar", "reads archives that hide other archives"),
    ("yaml-rust", "unmaintained"),
];

fn packages(lock: &str) -> impl Iterator<Item = (&str, &str)> {
    lock.split("[[package]]").skip(1).filter_map(|package| {
        let field = |name: &str| {
            package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"'))
        };
        Some((field("name")?, field("version")?))
    })
}

fn numbers(version: &str) -> [u64; 3] {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = plain.split('.').map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

/// Crates of a lock file that are too old or not wanted.
fn unwanted(lock: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, version) in packages(lock) {
        if let Some((_, floor)) =
            FLOORS.iter().find(|(crate_name, floor)| *crate_name == name && numbers(version) < *floor)
        {
            let floor = floor.map(|number| number.to_string()).join(".");
            findings.push(format!("{name} {version} is older than {floor}"));
        }
        if let Some((_, reason)) = BANNED.iter().find(|(banned, _)| *banned == name) {
            findings.push(format!("{name} is not wanted: {reason}"));
        }
    }
    findings
}

#[test]
fn no_crate_is_too_old_or_unwanted() {
    let lock = text_of("Cargo.lock");
    assert!(packages(&lock).count() > 50, "the packages were found");
    none(unwanted(&lock));
}

#[test]
fn old_and_unwanted_crates_are_found() {
    let package =
        |name: &str, version: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\n");
    let lock =
        [("git2", "0.20.9"), ("git2", "0.21.0+1.9"), ("tar", "0.4.9"), ("anyhow", "1.0.0"), ("h2", "1.0.0")];
    let lock: String = lock.iter().map(|(name, version)| package(name, version)).collect();
    assert_eq!(
        unwanted(&lock),
        [
            "git2 0.20.9 is older than 0.21.0",
            "tar 0.4.9 is older than 0.4.45",
            "anyhow is not wanted: errors are typed"
        ]
    );
}
