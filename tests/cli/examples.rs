//! What the examples with conditions would run, by what is in their tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use windlass::frontend::Choice;
use windlass::plan::Condition;
use windlass::runner;

/// A copy of an example, which is in no repository.
struct Copy(TempDir);

impl Copy {
    fn of(name: &str) -> Self {
        let place = TempDir::new().expect("there is room for temporary files");
        let from: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let done = Command::new("cp").arg("-rT").arg(from).arg(place.path()).status();
        assert!(done.expect("cp can be run").success());
        Self(place)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.0.path().join(path), text).expect("the directory is ours");
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments).current_dir(self.0.path());
        git.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")]);
        assert!(git.status().expect("git can be run").success(), "{arguments:?}");
    }

    /// The steps that will run, and with a question mark those that a run decides about; and how many
    /// warnings there are.
    fn plan(&self) -> (String, usize) {
        let loaded = runner::directory(None, self.0.path(), None, &Choice::default()).expect("it compiles");
        let steps = loaded.plan.all_steps().filter_map(|(_, step)| match &step.condition {
            Condition::True => Some(step.name.clone()),
            Condition::Late(_) => Some(format!("{}?", step.name)),
            Condition::False(_) => None,
        });
        (steps.collect::<Vec<_>>().join(" "), loaded.warnings.len())
    }
}

#[test]
fn detect_chooses_its_branch_by_what_is_in_the_tree() {
    let copy = Copy::of("detect");
    let plan = || copy.plan().0;
    assert_eq!(plan(), "go");
    copy.write("package.json", "{}");
    copy.write("Dockerfile", "FROM scratch\n");
    assert_eq!(plan(), "go npm dockerfile");
    fs::remove_file(copy.0.path().join("go.mod")).expect("it is there");
    fs::remove_file(copy.0.path().join("package.json")).expect("it is there");
    assert_eq!(plan(), "dockerfile");
    copy.write("build.gradle.kts", "");
    assert_eq!(plan(), "gradle dockerfile");
    for file in ["build.gradle.kts", "Dockerfile"] {
        fs::remove_file(copy.0.path().join(file)).expect("it is there");
    }
    assert_eq!(plan(), "unknown");
}

#[test]
fn monorepo_builds_what_has_changed() {
    let copy = Copy::of("monorepo");
    assert_eq!(copy.plan(), ("web api jobs pages".to_owned(), 1), "nothing can be compared, which is said");
    copy.git(&["init", "-qb", "main"]);
    copy.git(&["add", "."]);
    copy.git(&["commit", "-qm", "first"]);
    let plan = || copy.plan();
    assert_eq!(plan(), ("announce?".to_owned(), 0));
    copy.write("apps/api/message", "another\n");
    assert_eq!(plan().0, "api announce?");
    copy.git(&["commit", "-qam", "second"]);
    assert_eq!(plan().0, "announce?", "on the default branch nothing is before it");
    copy.git(&["checkout", "-qb", "feature"]);
    copy.write("apps/web/new", "untracked\n");
    assert_eq!(plan().0, "web", "only the default branch announces");
    copy.write("shared/lib.sh", "say() { :; }\n");
    copy.git(&["add", "."]);
    copy.git(&["commit", "-qm", "third"]);
    assert_eq!(plan().0, "web api jobs pages");
}
