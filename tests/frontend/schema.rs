//! The JSON Schema against independent readers: every example is read alike by a YAML 1.1 and a
//! YAML 1.2 parser and is valid, and the schema accepts what the front end accepts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io, str};

use tempfile::TempDir;
use windlass::base::SourceText;
use windlass::frontend::{Compiled, Given, compile, schema};
use windlass::plan::expression::Files;
use windlass::plan::facts::{GitFacts, SourceView};

use crate::golden;

/// Debian's own interpreter: the one its packages install for.
const PYTHON: &str = "/usr/bin/python3";

/// Runs the checker; its lines, and whether all was good.
#[track_caller]
fn check(folder: &TempDir, verdicts: bool, files: &[PathBuf]) -> (String, bool) {
    let schema_file = folder.path().join("schema.json");
    fs::write(&schema_file, schema().to_string()).expect("the schema can be written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frontend/schema_check.py");
    let mut command = Command::new(PYTHON);
    command.arg(script).arg(schema_file).args(verdicts.then_some("--verdicts")).args(files);
    let output = command.output().unwrap_or_else(|error| {
        panic!("{PYTHON} cannot be started ({error}); install the Debian package python3");
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 2) && errors.is_empty(), "{errors}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

/// All pipeline files below a folder.
fn pipelines(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(|entry| entry.expect("the folder's entries can be read")) {
        let path = entry.path();
        if path.is_dir() {
            pipelines(&path, found);
        } else if path.file_name().is_some_and(|name| name == "windlass.yml") {
            found.push(path);
        }
    }
}

#[test]
fn every_example_is_valid_to_others_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = golden::inputs();
    files.extend([root.join("windlass.yml")].into_iter().filter(|path| path.exists()));
    pipelines(&root.join("examples"), &mut files);
    let folder = TempDir::new().expect("there is room for temporary files");
    let (lines, good) = check(&folder, false, &files);
    assert!(good, "{lines}");
    assert_eq!(lines.lines().count(), files.len());
}

/// Values of every kind, good and bad for one key or another. No quoted text that looks like a
/// number: JSON Schema cannot tell which the file meant.
const VALUES: &[&str] = &[
    "1",
    "2",
    "0",
    "-1",
    "1.5",
    "255",
    "256",
    "true",
    "false",
    "null",
    "~",
    "word",
    "Word",
    "two words",
    "''",
    "90s",
    "1h30m",
    "0s",
    "30m1h",
    "512Mi",
    "0Mi",
    "5",
    "host",
    "sh",
    "bash",
    "zsh",
    "none",
    "success",
    "always",
    "never",
    "1000:1000",
    "root",
    "rust:1.95",
    "./tool.tar",
    "'.//ci/./[tool]/#tool:1'",
    "'./tool#'",
    "./..",
    "./ci/../tool",
    "'./ci/..#tool'",
    "././",
    "../tool",
    "/tool",
    "[]",
    "[a]",
    "[a, b]",
    "[a, a]",
    "[1]",
    "[0]",
    "[1, 2]",
    "[[a]]",
    "[null]",
    "[true]",
    "[{ a: b }]",
    "{}",
    "{ a: b }",
    "{ A: b, C: 1 }",
    "{ 1a: b }",
    "{ a: null }",
    "{ a: [b] }",
    "{ x-a: b }",
    "{ exit_codes: [1] }",
    "{ exit_codes: [] }",
    "{ exit_codes: [300] }",
    "{ memory: 1Gi, cpus: 0.5, pids: 7 }",
    "{ memory: 1 }",
    "{ any: [a] }",
    "{ a: [b, c], b: [1] }",
    "{ a: [b, b] }",
    "{ a: [], b: [c] }",
    "{ a: [b], exclude: [{ a: b }] }",
    "{ a: [b], exclude: {} }",
    "{ include: [{ a: b }] }",
    "{ a: [b], include: [{ a: c }] }",
    "{ any: [] }",
    "/run/secrets/token",
    "/workspace/token",
    "/run/../token",
    "/",
    "[{ name: a, file: /run/a }]",
    "[{ name: a, mask: false }]",
    "{ any: [a, a] }",
    "{ max: 1 }",
    "{ max: 0, for: [failure, 75] }",
    "{ max: 101 }",
    "{ max: 1, for: [] }",
    "{ max: 1, for: [never] }",
    "{ max: 1, backoff: 2s }",
    "{ for: [failure] }",
    "[infrastructure, 7]",
    "[failure, 0]",
    "{ image: a, timeout: 5m }",
    "{ db: { image: a } }",
    "{ Db: { image: a } }",
    "{ localhost: { image: a } }",
    "{ db: { image: a, ready: { port: 1 } } }",
    "{ db: { image: a, ready: { port: 1, log: b } } }",
    "{ port: 5432, timeout: 5s }",
    "{ port: 0 }",
    "{ log: '' }",
    "{ http: 80/a }",
    "8080/health",
    "8080/two words",
    "65536",
    "[{ name: s }]",
    "[{ name: s, image: a }]",
    "[{ name: s, image: a, run: b, command: [c] }]",
    "[{ name: t, steps: [{ name: s, image: a }] }]",
    "[{ name: t, steps: [] }]",
    "[{ name: t }]",
];

/// A source in which every file is there and holds nothing of note.
#[derive(Debug)]
struct EveryFile;

impl SourceView for EveryFile {
    fn git(&self) -> io::Result<GitFacts> {
        Ok(GitFacts::default())
    }

    fn read(&self, _: &Path, _: u64) -> io::Result<Option<Vec<u8>>> {
        Ok(Some(b"x-note: none".to_vec()))
    }

    fn files(&self) -> &dyn Files {
        self
    }
}

impl Files for EveryFile {
    fn exist(&self, _: &[String]) -> Result<bool, String> {
        Ok(true)
    }

    fn changed(&self, _: &[String]) -> Result<bool, String> {
        Ok(true)
    }

    fn hash(&self, _: &[String]) -> Result<String, String> {
        Ok(String::new())
    }
}

/// Compiles a text that may include files.
fn included(text: &str) -> Compiled {
    compile(&SourceText::new("windlass.yml", text), &Given { source: &EveryFile, ..Given::default() })
}

/// A file in which one key has one value and everything else is good.
fn file(place: &str, key: &str, value: &str) -> String {
    let mut text = String::from("defaults: { image: i }\n");
    if place == "step" && key == "secrets" || place == "secret_use" {
        text.push_str("secrets: [a, b, s, t, true]\n");
    }
    let (pipeline, stage, step) = match place {
        "pipeline" => (format!("{key}: {value}\n"), String::new(), String::new()),
        "defaults" => {
            text =
                format!("defaults: {{ {key}: {value}{} }}\n", if key == "image" { "" } else { ", image: i" });
            Default::default()
        }
        "input" => {
            let input = match key {
                "default" => format!("{{ name: given, default: {value} }}"),
                "name" => format!("{{ default: '', name: {value} }}"),
                "values" => format!("{{ name: given, type: choice, values: {value} }}"),
                _ => format!("{{ name: given, default: '', {key}: {value} }}"),
            };
            (format!("inputs: [{input}]\n"), String::new(), String::new())
        }
        "secret" if key == "mask" => {
            (format!("secrets: [{{ name: A, mask: {value} }}]\n"), String::new(), String::new())
        }
        "secret_use" if key == "file" => {
            (String::new(), String::new(), format!("secrets: [{{ name: a, file: {value} }}]"))
        }
        "stage" => (String::new(), format!("{key}: {value}"), String::new()),
        "resources" => (String::new(), String::new(), format!("resources: {{ {key}: {value} }}")),
        "allow_failure" => (String::new(), String::new(), format!("allow_failure: {{ {key}: {value} }}")),
        "needs" => (String::new(), String::new(), format!("needs: {{ {key}: {value} }}")),
        "retry" if key == "max" => (String::new(), String::new(), format!("retry: {{ max: {value} }}")),
        "retry" => (String::new(), String::new(), format!("retry: {{ max: 1, {key}: {value} }}")),
        "service" => {
            let image = if key == "image" { "" } else { "image: i, " };
            (String::new(), String::new(), format!("services: {{ db: {{ {image}{key}: {value} }} }}"))
        }
        "ready" => {
            let ready = format!("ready: {{ {key}: {value} }}");
            (String::new(), String::new(), format!("services: {{ db: {{ image: i, {ready} }} }}"))
        }
        _ => (String::new(), String::new(), format!("{key}: {value}")),
    };
    if key == "template" {
        writeln!(text, "templates: [{{ name: {value} }}]").expect("a string grows");
    }
    if place == "pipeline" && key == "defaults" {
        text.clear();
    }
    if key == "environments" && place != "pipeline" {
        text.push_str("environments: { a: {}, b: {}, true: {} }\n");
    }
    text.push_str(&pipeline);
    if !pipeline.starts_with("stages:") {
        let name = |line: &str, name: &str| {
            if line.starts_with("name:") { String::new() } else { format!("name: {name}") }
        };
        let join = |parts: [String; 2]| {
            let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            parts.join(", ")
        };
        let needed = if step.starts_with("needs:") { "{ name: true, image: i }, " } else { "" };
        let script = if step.starts_with("shell:") { ", run: a" } else { "" };
        let image = if step.starts_with("image:") { "" } else { ", image: i" };
        let step_line = format!("{{ {}{script}{image} }}", join([name(&step, "last"), step]));
        let steps = if stage.starts_with("steps:") {
            String::new()
        } else {
            format!("steps: [{{ name: a, image: i }}, {{ name: b, image: i }}, {needed}{step_line}]")
        };
        let stage_name = name(&stage, "only");
        let head = join([stage_name, stage]);
        writeln!(text, "stages: [{{ {} }}]", join([head, steps])).expect("a string grows");
    }
    text
}

#[test]
fn the_schema_accepts_what_the_front_end_accepts() {
    let schema = schema();
    let folder = TempDir::new().expect("there is room for temporary files");
    let mut ours = BTreeMap::new();
    for (place, table) in schema["$defs"].as_object().expect("the schema defines each mapping") {
        // Its keys are those of a step, and judged as such where it is used.
        if place == "template" {
            continue;
        }
        let keys = table["properties"].as_object().expect("a mapping has properties");
        for (key, value) in keys
            .keys()
            // What an expression is, no schema can say.
            .filter(|key| *key != "when")
            .chain([&"x-own".to_owned()])
            .chain([&"unknown".to_owned()])
            .flat_map(|key| VALUES.iter().map(move |value| (key.clone(), value)))
        {
            let text = file(place, &key, value);
            let path = folder.path().join(format!("{}.yml", ours.len()));
            fs::write(&path, &text).expect("the file can be written");
            let accepted = included(&text).diagnostics.is_empty();
            ours.insert(path, (text, accepted));
        }
    }
    let paths: Vec<_> = ours.keys().cloned().collect();
    let (lines, _) = check(&folder, true, &paths);
    let mut differences = String::new();
    let mut accepted_by_both = 0;
    for line in lines.lines() {
        let (verdict, rest) = line.split_once(' ').expect("a line is a verdict and a path");
        let path = rest.split_once(": ").map_or(rest, |(path, _)| path);
        let (text, accepted) = &ours[Path::new(path)];
        if *accepted != (verdict == "valid") {
            let ours = if *accepted { "accepted" } else { "refused" };
            writeln!(differences, "{ours} by the front end, by the schema {line}\n{text}")
                .expect("a string grows");
        } else if *accepted {
            accepted_by_both += 1;
        }
    }
    assert_eq!(differences, "");
    assert_eq!(lines.lines().count(), ours.len());
    assert!(accepted_by_both > 200, "the samples test little: {accepted_by_both}");
}
