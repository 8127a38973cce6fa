//! The help texts and the version, word for word.

use crate::support::TestHome;

#[track_caller]
fn check(args: &[&str]) -> String {
    let ended = TestHome::new().run(args);
    ended.code(0).stderr("");
    ended.stdout
}

#[test]
fn program() {
    insta::assert_snapshot!(check(&["--help"]));
}

#[test]
fn run() {
    insta::assert_snapshot!(check(&["run", "--help"]));
}

#[test]
fn plan() {
    insta::assert_snapshot!(check(&["plan", "--help"]));
}

#[test]
fn vars() {
    insta::assert_snapshot!(check(&["vars", "--help"]));
}

#[test]
fn check_command() {
    insta::assert_snapshot!(check(&["check", "--help"]));
}

#[test]
fn version() {
    assert_eq!(check(&["--version"]), "windlass [VERSION]\n");
}
