//! The examples, as somebody would try them: each passes, and after its `failing.patch` the failing
//! test stands in the last lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bed::Bed;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// A copy of an example, as the project.
fn copied(name: &str) -> Bed {
    let bed = Bed::new("");
    let status = Command::new("cp").arg("-rT").arg(example(name)).arg(bed.project()).status().unwrap();
    assert!(status.success());
    bed
}

#[track_caller]
fn check(name: &str, failing_test: &str) {
    let bed = copied(name);
    let _ran = bed.windlass(&["check"]).code(0);
    let _ran = bed.windlass(&["run"]).code(0);
    bed.assert_clean();

    bed.git(&["init", "--quiet"]);
    bed.git(&["apply", "failing.patch"]);
    let ran = bed.windlass(&["run"]).code(1);
    let tail = ran.stdout.lines().rev().take(30).collect::<Vec<_>>().join("\n");
    assert!(tail.contains(failing_test), "no {failing_test:?} in the last lines:\n{}", ran.stdout);
    bed.assert_clean();
}

#[test]
fn hello() {
    check("hello", "1h30m");
}

#[test]
fn rust() {
    check("rust", "FAILED");
}

#[test]
fn python() {
    check("python", "FAIL");
}

#[test]
fn go() {
    check("go", "FAIL");
}

#[test]
fn detect() {
    let bed = copied("detect");
    fs::write(bed.project().join("Dockerfile"), "FROM scratch\n").unwrap();
    let ran = bed.windlass(&["run"]).code(0);
    for line in ["--- PASS: TestHello", "1:FROM scratch"] {
        assert!(ran.stdout.contains(line), "no {line:?} in:\n{}", ran.stdout);
    }
    bed.assert_clean();
}

#[test]
fn monorepo() {
    let bed = copied("monorepo");
    bed.git(&["init", "--quiet", "--initial-branch", "main"]);
    bed.git(&["add", "."]);
    bed.git(&["commit", "--quiet", "--message", "first"]);
    fs::write(bed.project().join("apps/web/message"), "a better web\n").unwrap();
    let ran = bed.windlass(&["run"]).code(0);
    for line in ["built web: a better web", "something was built"] {
        assert!(ran.stdout.contains(line), "no {line:?} in:\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("built api"), "{}", ran.stdout);
    bed.assert_clean();
}
