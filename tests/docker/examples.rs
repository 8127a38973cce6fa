//! The examples, as somebody would try them: each passes, and after its `failing.patch` the failing
//! test stands in the last lines.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bed::Bed;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

#[track_caller]
fn check(name: &str, failing_test: &str) {
    let bed = Bed::new("");
    let copy = |from: &Path| {
        let status = Command::new("cp").arg("-rT").arg(from).arg(bed.project()).status().unwrap();
        assert!(status.success());
    };
    copy(&example(name));
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
