//! `plan`, `check` and `schema`: what they print when all is well.

use std::process::Stdio;

use serde_json::Value;

use crate::support::TestHome;

const PIPELINE: &str = "\
name: shop
defaults: { image: busybox }
stages:
  - name: build
    steps:
      - { name: compile, run: make }
  - name: test
    steps:
      - { name: unit, run: make test }
      - { name: lint, run: make lint, needs: [] }
";

#[test]
fn a_valid_file() {
    let home = TestHome::with_pipeline(PIPELINE);
    home.run(&["check"]).code(0).stdout("windlass.yml is valid: 2 stages, 3 steps\n").stderr("");
    assert!(!home.state().exists(), "a check of a directory needs no state");
}

#[test]
fn a_check_as_json() {
    let home = TestHome::with_pipeline("stages: [{ name: a, steps: [{ name: b, run: x, imag: y }] }]\n");
    let ended = home.run(&["check", "--output", "json"]);
    ended.code(3).stderr("");
    let json: Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert_eq!(json["valid"], false);
    assert_eq!(json["file"], "windlass.yml");
    let found = json["diagnostics"].as_array().expect("there are diagnostics");
    let misspelt =
        found.iter().find(|found| found["message"].to_string().contains("imag")).expect("one is of it");
    assert_eq!(misspelt["severity"], "error");
    assert_eq!(misspelt["line"], 1);
    assert!(misspelt["column"].is_u64());
}

#[test]
fn a_plan_as_a_tree_names_every_step() {
    let ended = TestHome::with_pipeline(PIPELINE).run(&["plan"]);
    ended.code(0).stderr("");
    for name in ["shop", "build", "compile", "test", "unit", "lint"] {
        assert!(ended.stdout.contains(name), "{ended:#?}");
    }
}

#[test]
fn a_plan_as_json_is_the_plan() {
    let home = TestHome::with_pipeline(PIPELINE);
    let ended = home.run(&["plan", "--output", "json"]);
    ended.code(0).stderr("");
    let plan = windlass::plan::wire::from_json(&ended.stdout).expect("it is a plan");
    assert_eq!(plan.all_steps().count(), 3);
}

#[test]
fn a_source_and_a_file_elsewhere() {
    let home = TestHome::with_pipeline("not: valid\n");
    home.write("other.yml", PIPELINE);
    let work = home.work();
    let named = work.join("other.yml");
    home.run(&["check", "--file", "other.yml"]).code(0);
    home.run(&["check", "--file", &named.display().to_string()]).code(0);
    home.run(&["check", &work.display().to_string(), "--file", "other.yml"]).code(0);
}

#[test]
fn the_schema_is_json() {
    let ended = TestHome::new().run(&["schema"]);
    ended.code(0).stderr("");
    let schema: Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    assert!(schema["$schema"].is_string());
}

#[test]
fn a_reader_that_closes_its_end_is_no_error() {
    let home = TestHome::new();
    let mut child = home.command(&["schema"]).stdout(Stdio::piped()).spawn().expect("it is built");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it was started").code(), Some(0));
}

#[test]
fn a_full_disk_behind_standard_output_is() {
    let full = std::fs::File::create("/dev/full").expect("Linux has it");
    let home = TestHome::new();
    let output = home.command(&["schema"]).stdout(full).stderr(Stdio::piped()).output().expect("it is built");
    home.ended(&output).code(8).says(&["error: cannot write to standard output: No space left on device"]);
}
