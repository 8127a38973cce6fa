//! Bad input: one clear error, the right exit code, and nothing left behind.

use std::fmt::Write;

use crate::support::{Ended, TestHome};

const STEP: &str = "{ name: a, image: busybox, run: 'true' }";

/// Runs a pipeline that is not valid, by every command that reads it.
#[track_caller]
fn invalid(pipeline: &str, says: &[&str]) {
    for command in ["check", "plan", "run"] {
        let home = TestHome::with_pipeline(pipeline);
        home.run(&[command]).code(3).stdout("").says(says);
        assert_eq!(home.leftovers(), [""; 0], "{command}");
    }
}

#[track_caller]
fn usage(args: &[&str], says: &[&str]) -> Ended {
    let home = TestHome::with_pipeline(&format!("stages: [{{ name: s, steps: [{STEP}] }}]\n"));
    let ended = home.run(args);
    ended.code(2).stdout("").says(says);
    assert_eq!(home.leftovers(), [""; 0]);
    ended
}

#[test]
fn a_misspelt_key() {
    invalid(
        "stages:\n  - name: s\n    steps:\n      - { name: a, imagee: busybox, run: 'true' }\n",
        &["imagee", "`image`", "windlass.yml:4:"],
    );
}

#[test]
fn an_empty_pipeline() {
    invalid("", &["windlass.yml"]);
    invalid("stages: []\n", &["stages"]);
}

#[test]
fn a_cycle_and_an_unknown_need() {
    let steps = "{ name: a, image: x, run: x, needs: [b] }, { name: b, image: x, run: x, needs: [a] }";
    invalid(&format!("stages: [{{ name: s, steps: [{steps}] }}]\n"), &["a → b → a"]);
    let steps = "{ name: a, image: x, run: x, needs: [nobody] }";
    invalid(&format!("stages: [{{ name: s, steps: [{steps}] }}]\n"), &["nobody"]);
}

#[test]
fn all_errors_come_at_once() {
    let steps = "{ name: A!, image: x, run: x }, { name: b, image: x, run: x, timeout: 5 }";
    invalid(&format!("stages: [{{ name: s, steps: [{steps}] }}]\n"), &["A!", "timeout"]);
}

#[test]
fn a_billion_laughs() {
    let mut text = String::from("x-a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(9);
        writeln!(text, "x-a{level}: &a{level} [{before}]").expect("a string takes all");
    }
    invalid(&text, &["500"]);
}

#[test]
fn no_file_and_both_files() {
    let home = TestHome::new();
    for command in ["check", "plan", "run"] {
        home.run(&[command]).code(3).stdout("").says(&["error: ", "`windlass.yml`", "help: "]);
    }
    home.write("windlass.yml", "");
    home.write(".windlass.yml", "");
    home.run(&["check"]).code(3).says(&["both"]);
    home.run(&["check", "--file", "missing.yml"]).code(2).says(&["missing.yml"]);
}

#[test]
fn a_host_image_is_refused_with_both_ways_out() {
    let home = TestHome::with_pipeline("stages: [{ name: s, steps: [{ name: a, image: host, run: x }] }]\n");
    home.run(&["check"]).code(0);
    home.run(&["run"]).code(3).says(&["step `a`", "host", "embedded", "give the step an image"]);
    assert_eq!(home.leftovers(), [""; 0]);
}

#[test]
fn flags() {
    usage(&["run", "--wrong"], &["--wrong"]);
    usage(&["run", "--log-limit", "5"], &["`5` is not a size", "512Mi"]);
    usage(&["run", "--jobs", "0"], &["--jobs"]);
    usage(&["run", "--env", "A"], &["KEY=VALUE"]);
    usage(&["run", "--env", "1A=b"], &["`1A` is not a name"]);
    usage(&["run", "--backend", "podman"], &["kubernetes", "docker"]);
    usage(&["run", "--ref", "main"], &["error: `--ref` goes with a git URL", "help: "]);
    usage(&["run", "--in-place", "https://localhost/x"], &["error: `--in-place` goes with a directory"]);
    usage(&["run", "--", "true"], &["--image"]);
    usage(&["run", "--image", "busybox", "."], &["--image"]);
    usage(&["frobnicate"], &["frobnicate"]);
    usage(&[], &["Usage:"]);
}

#[test]
fn inputs_and_environments_that_the_pipeline_does_not_take() {
    let text = format!(
        "inputs: [{{ name: target }}, {{ name: jobs, type: number, default: 2 }}]\n\
         environments: {{ staging: {{}} }}\nstages: [{{ name: s, steps: [{STEP}] }}]\n"
    );
    let home = TestHome::with_pipeline(&text);
    for command in ["check", "plan", "run"] {
        let ended =
            home.run(&[command, "--input", "jobs=many", "--input", "tarket=a", "--environment", "test"]);
        ended.code(2).stdout("").says(&[
            "there is no input `tarket`",
            "the input `jobs` takes a number, not `many`",
            "there is no environment `test`",
            "help:   `target`: text; it must be given",
            "help:   `jobs`: a number; `2` when left out",
            "chooses one: `staging`",
        ]);
        home.run(&[command, "--input", "target"]).code(2).stdout("").says(&["NAME=VALUE"]);
        // A file is judged without what only a run needs.
        let without = home.run(&[command]);
        if command == "check" {
            without.code(0).stdout("windlass.yml is valid: 1 stage, 1 step\n");
        } else {
            without.code(2).stdout("").says(&["the input `target` is missing"]);
        }
        let twice = home.run(&[command, "--input", "target=a", "--input", "target=b"]);
        twice.code(2).stdout("").says(&["error: the input `target` is given twice", "help: "]);
    }
    assert_eq!(home.leftovers(), [""; 0]);
    home.run(&["check", "--input", "target=", "--environment", "staging"]).code(0);
    usage(&["run", "--image", "busybox", "--input", "a=b"], &["--input"]);
    usage(&["run", "--image", "busybox", "--environment", "a"], &["--environment"]);
}

#[test]
fn an_image_that_is_no_reference() {
    usage(&["run", "--image", "Not An Image"], &["error: `Not An Image`"]);
}

#[test]
fn a_directory_that_is_not_there() {
    usage(&["run", "nowhere"], &["error: cannot open the directory `nowhere`: No such file or directory"]);
}

#[test]
fn a_state_directory_that_cannot_be_used() {
    let mut home = TestHome::with_pipeline(&format!("stages: [{{ name: s, steps: [{STEP}] }}]\n"));
    home.set("WINDLASS_HOME", "/dev/null/state");
    home.run(&["run"])
        .code(7)
        .says(&["error: cannot create the state directory `/dev/null/state`", "help: "]);

    let occupied = TestHome::with_pipeline("");
    let mut home = TestHome::new();
    home.set("WINDLASS_HOME", &occupied.work().display().to_string());
    home.run(&["clean"]).code(7).says(&["holds other files"]);
}

#[test]
fn names_that_would_move_the_cursor_are_shown_and_not_obeyed() {
    let ended = usage(&["run", "no\u{1b}[2Jwhere"], &["error: "]);
    assert!(!ended.stderr.contains('\u{1b}'), "{ended:#?}");
}
