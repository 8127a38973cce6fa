//! Holds what a compiler does not: which room imports which, how long a file is, that every file says
//! what it is, that every test runs, and which versions of crates are too old.
//!
//! Every check is a function from text to findings, and is shown to find something in a bad sample.

mod crates;
mod files;
mod imports;
mod rooms;
mod wiring;

use std::path::{Path, PathBuf};

/// The files below a directory of the package that end with `suffix`, relative to the package.
fn files_below(directory: &str, suffix: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut waiting = vec![root.join(directory)];
    while let Some(directory) = waiting.pop() {
        for entry in directory.read_dir().expect("the package can be read") {
            let path = entry.expect("the package can be read").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.to_str().is_some_and(|path| path.ends_with(suffix)) {
                found.push(path.strip_prefix(root).expect("it was found below").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The text of a file of the package.
fn text_of(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn none(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}
