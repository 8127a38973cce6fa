//! Files with mistakes, and what their authors read.

mod conditions;
mod environments;
mod graph;
mod images;
mod inputs;
mod interpolation;
mod keys;
mod matrix;
mod numbers;
mod secrets;
mod services;
mod substitution;
mod values;
mod waiting;
mod words;
mod yaml;

use std::fs;
use std::path::Path;

use windlass::frontend::codes;

/// The tests of the front end with their snapshots, which hold what authors of such files read.
fn sources() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frontend");
    let folders = [folder.join("invalid"), folder.join("snapshots"), folder];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("the folder is there"));
    let paths = files.map(|file| file.expect("its entries can be read").path());
    let sources = paths.filter(|path| path.extension().is_some_and(|kind| kind == "rs" || kind == "snap"));
    sources.map(|path| fs::read_to_string(path).expect("a source can be read")).collect()
}

#[test]
fn every_code_is_shown_as_its_reader_sees_it() {
    let sources = sources();
    let missing: Vec<&str> =
        codes::ALL.iter().map(|code| code.code).filter(|code| !sources.contains(code)).collect();
    assert!(missing.is_empty(), "no file is shown with {missing:?}");
}

#[test]
fn there_are_at_least_60_files_with_mistakes() {
    let count = sources().matches("assert_snapshot!(messages(").count();
    assert!(count >= 60, "{count}");
}
