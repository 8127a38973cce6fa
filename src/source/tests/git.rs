use super::*;

#[test]
fn git_in_a_step_sees_what_git_sees_here() {
    let fixture = Fixture::repository();
    fixture.write("later", "");
    fixture.git(&["add", "."]);
    fixture.git(&["commit", "-qm", "second"]);
    fixture.git(&["tag", "-a", "v1", "-m", "v1"]);
    fixture.git(&["branch", "other", "HEAD~1"]);
    fixture.write("a", "changed\n");
    fixture.write("staged", "");
    fixture.git(&["add", "staged"]);
    fixture.write("untracked", "");
    let captured = fixture.capture();
    assert_eq!((captured.git.branch.as_str(), captured.git.tag.as_str()), ("main", "v1"));
    let seen = fixture.seen(&captured);
    let questions: [&[&str]; 5] = [
        &["status", "--porcelain"],
        &["log", "--format=%H %s", "--all"],
        &["for-each-ref"],
        &["symbolic-ref", "HEAD"],
        &["describe"],
    ];
    for question in questions {
        assert_eq!(seen.git(question), fixture.git(question), "{question:?}");
    }
    seen.git(&["fsck", "--strict"]);
    seen.git(&["commit", "-qam", "in a step"]);
    assert_eq!(fixture.git(&["log", "--format=%s", "-1"]), "second\n");
}

#[test]
fn no_file_is_hashed_again() {
    let fixture = Fixture::repository();
    // Entries as young as the index are looked at again by git itself.
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(100);
    for name in ["a", "dir/b", "dir/deep/c", ".gitignore"] {
        fs::File::open(fixture.work().join(name)).and_then(|file| file.set_modified(past)).expect("ours");
    }
    fixture.git(&["update-index", "--refresh"]);
    let captured = fixture.capture();
    let seen = fixture.seen(&captured);
    assert_eq!(seen.git(&["diff-files"]), "", "the index is true without a refresh");
    assert_eq!(captured.summary.changed, 0);
}

#[test]
fn a_fresh_git_has_nothing_that_runs_and_nothing_secret() {
    let fixture = Fixture::repository();
    fixture.git(&["remote", "add", "origin", "https://me:s3cret@example.org/x.git"]);
    fixture.git(&["config", "core.hooksPath", "/tmp/evil"]);
    fixture.git(&["config", "core.fsmonitor", "/tmp/evil"]);
    fixture.git(&["config", "http.extraHeader", "Authorization: s3cret"]);
    fixture.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
    fixture.write(".git/description", "s3cret");
    let captured = fixture.capture();
    assert_eq!(captured.git.url, "https://example.org/x.git");
    let seen = fixture.seen(&captured);
    let all = list(&seen.path.join(".git"));
    assert!(all.values().all(|file| !file.content.windows(6).any(|part| part == b"s3cret")));
    let config = seen.text(".git/config");
    assert!(!config.contains("hooksPath") && !config.contains("fsmonitor"), "{config}");
    assert_eq!(seen.git(&["remote", "get-url", "origin"]), "https://example.org/x.git\n");
    for name in ["hooks", "logs", "description", "objects/info/alternates"] {
        assert!(!all.contains_key(name), "{name}");
    }
}

#[test]
fn borrowed_objects_are_copied_in() {
    let fixture = Fixture::repository();
    let lender = fixture.work();
    let clone = fixture.place.path().join("clone");
    git_in(fixture.place.path(), &["clone", "-q", "--shared", &lender.display().to_string(), "clone"]);
    assert!(clone.join(".git/objects/info/alternates").exists());
    let captured = fixture.try_capture(&clone).expect("captured");
    let seen = fixture.seen(&captured);
    crate::base::safe_dir::remove_tree(&lender).expect("removable");
    seen.git(&["fsck", "--strict"]);
    assert_eq!(seen.git(&["status", "--porcelain"]), "");
}

#[test]
fn new_commits_come_in_the_layer_and_packing_changes_nothing() {
    let fixture = Fixture::repository();
    fixture.capture();
    fixture.write("a", "more\n");
    fixture.git(&["commit", "-qam", "second"]);
    let captured = fixture.capture();
    let objects = |captured: &Captured| {
        let Tree::Layers { lowers, .. } = &captured.tree else { panic!("there are no layers") };
        let all = list(&lowers[0].join(".git/objects"));
        all.values().filter(|file| file.kind == 'f').count()
    };
    assert_eq!(objects(&captured), 3, "a commit, a tree and a blob");
    fixture.git(&["gc", "-q"]);
    let captured = fixture.capture();
    let seen = fixture.seen(&captured);
    seen.git(&["fsck", "--strict"]);
    assert_eq!(seen.git(&["status", "--porcelain"]), "");
    assert_eq!(seen.git(&["log", "--format=%s"]), "second\nfirst\n");
}

#[test]
fn a_linked_worktree_is_a_repository_of_its_own() {
    let fixture = Fixture::repository();
    fixture.git(&["worktree", "add", "-q", "-b", "side", "../side"]);
    let side = fixture.place.path().join("side");
    fs::write(side.join("a"), "side\n").expect("writable");
    let captured = fixture.try_capture(&side).expect("captured");
    assert_eq!((captured.git.branch.as_str(), captured.summary.changed), ("side", 1));
    let seen = fixture.seen(&captured);
    assert!(seen.path.join(".git").is_dir());
    assert_eq!(seen.git(&["status", "--porcelain", "-b"]), "## side\n M a\n");
}

#[test]
fn states_of_a_repository() {
    let fixture = Fixture::new();
    fixture.git(&["init", "-q", "-b", "main"]);
    fixture.write("a", "");
    let unborn = fixture.capture();
    assert_eq!((unborn.git.branch.as_str(), unborn.git.sha.as_str()), ("main", ""));
    assert_eq!((unborn.summary.changed, unborn.summary.untracked), (0, 1));
    assert_eq!(fixture.seen(&unborn).git(&["status", "--porcelain"]), "?? a\n");
    fixture.git(&["add", "."]);
    assert_eq!(fixture.capture().summary.changed, 1);
    fixture.git(&["commit", "-qm", "first"]);
    fixture.git(&["checkout", "-q", "--detach"]);
    let detached = fixture.capture();
    assert_eq!(detached.git.branch, "");
    assert_eq!(fixture.seen(&detached).git(&["status", "--porcelain", "-b"]), "## HEAD (no branch)\n");

    fixture.git(&["checkout", "-q", "-b", "left"]);
    fixture.write("a", "left\n");
    fixture.git(&["commit", "-qam", "left"]);
    fixture.git(&["checkout", "-q", "-b", "right", "main"]);
    fixture.write("a", "right\n");
    fixture.git(&["commit", "-qam", "right"]);
    let mut merge = Command::new("git");
    merge.args(["-c", "user.name=t", "-c", "user.email=t@localhost", "merge", "-q", "left"]);
    let merged = merge.current_dir(fixture.work()).output();
    assert!(merged.is_ok_and(|output| !output.status.success()), "a conflict");
    assert_eq!(fixture.capture().summary.changed, 1);
}

#[test]
fn every_form_of_the_index() {
    let fixture = Fixture::repository();
    fixture.write("dir/b2", "");
    for version in ["2", "3", "4"] {
        fixture.git(&["add", "-N", "dir/b2"]);
        fixture.git(&["update-index", "--index-version", version]);
        let captured = fixture.capture();
        assert_eq!((captured.summary.changed, captured.summary.untracked), (1, 0), "{version}");
        assert_eq!(fixture.seen(&captured).git(&["status", "--porcelain"]), " A dir/b2\n");
    }
    fixture.git(&["update-index", "--split-index"]);
    let error = fixture.try_capture(&fixture.work()).expect_err("in two files");
    assert!(error.help().is_some_and(|help| help.contains("--no-split-index")), "{error}");
}

#[test]
fn a_bare_repository_has_nothing_to_run_on() {
    let fixture = Fixture::new();
    fixture.git(&["init", "-q", "--bare"]);
    let error = fixture.try_capture(&fixture.work()).expect_err("bare");
    assert!(matches!(error, SourceError::Bare { .. }) && error.help().is_some(), "{error}");
}
