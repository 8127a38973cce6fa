//! Golden pairs: `golden/NAME.yml` compiles to `golden/NAME.json`. `UPDATE=1` writes the plans.

use std::path::{Path, PathBuf};
use std::{env, fs};

use windlass::base::SourceText;
use windlass::frontend::{Given, codes, compile, render};

/// The folder of the pairs.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frontend/golden")
}

/// The inputs, in the order of their names.
pub(crate) fn inputs() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).expect("the folder of golden files is there");
    let paths = entries.map(|entry| entry.expect("its entries can be read").path());
    let mut inputs: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "yml")).collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    inputs
}

#[track_caller]
fn matches(path: &Path, actual: &str) {
    if env::var_os("UPDATE").is_some() {
        fs::write(path, actual).expect("the golden file can be written");
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(expected, actual, "{} differs; UPDATE=1 writes it", path.display());
}

#[test]
fn every_file_compiles_to_its_plan() {
    for input in inputs() {
        let text = fs::read_to_string(&input).expect("the input can be read");
        let source = SourceText::new("windlass.yml", text);
        let compiled = compile(&source, &Given::default());
        let messages = render(&source, &compiled.diagnostics, false);
        assert_eq!(messages, "", "{}", input.display());
        let plan = compiled.plan.expect("a file without diagnostics has a plan");
        let json = serde_json::to_string_pretty(&plan).expect("a plan can be written as JSON");
        matches(&input.with_extension("json"), &format!("{json}\n"));
    }
}

#[test]
fn the_page_of_codes_is_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics.md");
    matches(&page, &codes::page());
}
