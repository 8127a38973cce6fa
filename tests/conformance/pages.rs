//! The pages of the language: every example compiles, and what a section claims is held by cases that are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use windlass::base::{SourceText, glob};
use windlass::frontend::{Given, compile, render};
use windlass::plan::expression::Files;
use windlass::plan::facts::{GitFacts, NoSource, SourceView};

use crate::suite::all;

/// Those whose every section names its cases, or tests where nothing runs: all but the index.
fn is_held(page: &str) -> bool {
    page != "README.md"
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language")
}

/// Every page with its name.
fn pages() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let mut pages: Vec<(String, String)> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    pages.sort();
    pages
}

/// The blocks of a page that are pipelines, each with the line it begins in.
fn examples(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if line == "```yaml" {
            let body = lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```");
            found.push((number, body.flat_map(|line| [line, "\n"]).collect()));
        }
    }
    found
}

/// What is wrong with an example, as its author would read it.
fn wrong(text: &str) -> String {
    let source = SourceText::new("windlass.yml", text);
    let given = Given { source: &WithImages, ..Given::default() };
    render(&source, &compile(&source, &given).diagnostics, false)
}

/// A source that holds the images which examples speak of.
#[derive(Debug)]
struct WithImages;

const IMAGES: [&str; 2] = ["ci/tools.tar", "ci/images/index.json"];

impl SourceView for WithImages {
    fn git(&self) -> io::Result<GitFacts> {
        NoSource.git()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        NoSource.read(path, limit)
    }

    fn files(&self) -> &dyn Files {
        self
    }
}

impl Files for WithImages {
    fn exist(&self, patterns: &[String]) -> Result<bool, String> {
        let fits =
            |pattern: &String| IMAGES.iter().any(|image| glob::matches(pattern.as_bytes(), image.as_bytes()));
        Ok(patterns.iter().any(fits))
    }

    fn changed(&self, patterns: &[String]) -> Result<bool, String> {
        NoSource.changed(patterns)
    }

    fn hash(&self, patterns: &[String]) -> Result<String, String> {
        NoSource.hash(patterns)
    }
}

/// The sections of a page that name no case, and names of cases that are not there.
fn unheld(page: &str, cases: &BTreeSet<String>, all_of_it: bool) -> Vec<String> {
    let mut found = Vec::new();
    for section in page.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap_or_default();
        // A list may go on in the lines below it.
        let lists = |kind: &'static str| {
            let lists =
                section.split("\n\n").filter_map(move |paragraph| paragraph.trim().strip_prefix(kind));
            lists.flat_map(|names| names.split(',').map(str::trim))
        };
        let named: Vec<&str> = lists("Cases: ").collect();
        let tests: Vec<&str> = lists("Tests: ").collect();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let gone = tests.iter().filter(|path| !root.join(path).exists());
        found.extend(gone.map(|path| format!("the section `{title}` names `{path}`, which is not there")));
        if named.is_empty() && tests.is_empty() && all_of_it {
            found.push(format!("the section `{title}` names no case"));
        }
        let missing = named.into_iter().filter(|name| !cases.contains(*name));
        found.extend(
            missing.map(|name| format!("the section `{title}` names `{name}`, and there is no such case")),
        );
    }
    found
}

#[test]
fn every_example_is_a_whole_file_that_compiles() {
    let mut broken = Vec::new();
    let mut count = 0;
    for (name, page) in pages() {
        for (line, text) in examples(&page) {
            count += 1;
            let wrong = wrong(&text);
            if !wrong.is_empty() {
                broken.push(format!("docs/language/{name}:{line}\n{wrong}"));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    assert!(count >= 15, "{count} examples were found");
}

#[test]
fn what_a_page_claims_is_held_by_cases() {
    let cases: BTreeSet<String> = all().into_iter().map(|case| case.name).collect();
    let mut broken = Vec::new();
    for (name, page) in pages() {
        let unheld = unheld(&page, &cases, is_held(&name));
        broken.extend(unheld.into_iter().map(|what| format!("docs/language/{name}: {what}")));
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_index_names_every_page() {
    let pages = pages();
    let index = &pages.iter().find(|(name, _)| name == "README.md").unwrap().1;
    for (name, _) in pages.iter().filter(|(name, _)| name != "README.md") {
        assert!(index.contains(&format!("]({name})")), "docs/language/README.md does not name {name}");
    }
    let linked = index.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in linked {
        assert!(folder().join(link).exists(), "docs/language/README.md links to {link}");
    }
}

#[test]
fn a_page_that_is_wrong_is_found() {
    let page = "# P\n\n## One\n\nCases: a/b, a/c\n\n## Two\n\n```yaml\nstages: 1\n```\n";
    let cases = BTreeSet::from(["a/b".to_owned()]);
    assert_eq!(
        unheld(page, &cases, true),
        ["the section `One` names `a/c`, and there is no such case", "the section `Two` names no case"]
    );
    assert_eq!(unheld(page, &cases, false).len(), 1);
    let examples = examples(page);
    assert_eq!(examples, [(9, "stages: 1\n".to_owned())]);
    assert!(wrong(&examples[0].1).contains("W0124"));
}
