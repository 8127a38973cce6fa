//! What expressions ask about the files of a source.

use super::*;
use crate::plan::facts::SourceView;

fn globs(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|&pattern| pattern.to_owned()).collect()
}

/// What a fresh look at the directory says.
fn look(fixture: &Fixture) -> DirectoryView {
    DirectoryView::open(&fixture.work(), None).expect("it is there")
}

#[track_caller]
fn changed(fixture: &Fixture, expected: &[(&str, bool)]) {
    let view = look(fixture);
    for (pattern, expected) in expected {
        assert_eq!(view.files().changed(&globs(&[pattern])), Ok(*expected), "{pattern}");
    }
    assert_eq!(view.files().unsure(), None);
}

#[test]
fn files_are_those_of_a_capture() {
    let fixture = Fixture::repository();
    fixture.write("debug.log", "ignored");
    fixture.write("target/made", "ignored");
    fixture.write("new", "untracked");
    let view = look(&fixture);
    let exist = |patterns: &[&str]| view.files().exist(&globs(patterns)).expect("it can be looked at");
    for pattern in ["a", "dir/b", "dir/deep/c", "**/c", "dir/**", "new", "*", "dir/*", ".gitignore"] {
        assert!(exist(&[pattern]), "{pattern}");
    }
    for pattern in ["debug.log", "**/*.log", "target/**", "b", "c", "dir", "dir/c", ".git/HEAD", ".git/**"] {
        assert!(!exist(&[pattern]), "{pattern}");
    }
    assert!(exist(&["nothing", "a"]));
}

#[test]
fn the_state_directory_is_no_file_of_the_source() {
    let plain = Fixture::new();
    plain.write("a", "one\n");
    plain.write("dir/b", "two\n");
    for fixture in [Fixture::repository(), plain] {
        let root = fixture.work();
        let alone = DirectoryView::open(&root, None).expect("it is there");
        let before = alone.files().hash(&globs(&["**"]));
        fixture.write("dir/state/instance", "an id");
        fixture.write("dir/state/runs/one/log", "what a step printed");
        let home = root.join("dir/state");
        let view = DirectoryView::open(&root, Some(&home)).expect("it is there");
        assert_eq!(view.files().hash(&globs(&["**"])), before);
        assert_eq!(view.files().exist(&globs(&["dir/state/**"])), Ok(false));
        assert_eq!(view.files().exist(&globs(&["dir/*"])), Ok(true), "what lies beside it is there");
        let elsewhere = DirectoryView::open(&root, Some(&root.join("a"))).expect("it is there");
        assert_eq!(elsewhere.files().exist(&globs(&["dir/state/**"])), Ok(true));
    }
    let fixture = Fixture::repository();
    fixture.write("state/instance", "an id");
    let view =
        DirectoryView::open(&fixture.work(), Some(&fixture.work().join("state"))).expect("it is there");
    assert_eq!(view.files().changed(&globs(&["**"])), Ok(false));
}

#[test]
fn patterns_that_can_never_match_are_refused() {
    let fixture = Fixture::repository();
    let view = look(&fixture);
    for (pattern, said) in [
        ("dir/", "`dir/` is a directory; `dir/**` stands for all files in it"),
        ("/a", "`/a` is not a pattern of files;"),
        ("./a", "`./a` is not a pattern of files;"),
        ("dir/../a", "`dir/../a` is not a pattern of files;"),
        ("", "`` is not a pattern of files;"),
    ] {
        let error = view.files().exist(&globs(&[pattern])).expect_err("it is no pattern");
        assert!(error.starts_with(said), "{error}");
    }
    assert!(view.files().changed(&[]).is_err());
}

#[test]
fn changed_is_against_the_merge_base_and_with_uncommitted_work() {
    let fixture = Fixture::repository();
    changed(&fixture, &[("**", false), ("a", false)]);
    fixture.git(&["checkout", "-qb", "feature"]);
    fixture.write("dir/b", "changed\n");
    fixture.git(&["commit", "-qam", "second"]);
    changed(&fixture, &[("dir/b", true), ("dir/**", true), ("a", false), ("dir/deep/**", false)]);
    // What only the default branch has is no change of ours.
    fixture.git(&["checkout", "-q", "main"]);
    fixture.write("a", "theirs\n");
    fixture.git(&["commit", "-qam", "theirs"]);
    fixture.git(&["checkout", "-q", "feature"]);
    changed(&fixture, &[("dir/b", true), ("a", false)]);
    fixture.write("dir/deep/c", "uncommitted\n");
    fixture.write("new", "untracked");
    fixture.write("new.log", "ignored");
    changed(&fixture, &[("dir/deep/c", true), ("new", true), ("*.log", false), ("a", false)]);
    fixture.remove("a");
    changed(&fixture, &[("a", true)]);
    fixture.git(&["rm", "-q", "--cached", "dir/deep/c"]);
    changed(&fixture, &[("dir/deep/c", true)]);
}

#[test]
fn where_nothing_can_be_compared_everything_has_changed_and_it_is_said() {
    let check = |fixture: &Fixture, why: &str| {
        let view = look(fixture);
        assert_eq!(view.files().changed(&globs(&["anything"])), Ok(true));
        assert_eq!(view.files().unsure().as_deref(), Some(why));
    };
    let plain = Fixture::new();
    plain.write("a", "one");
    check(&plain, "there is no repository");
    let empty = Fixture::new();
    empty.git(&["init", "-q", "-b", "main"]);
    check(&empty, "there is no commit yet");
    let odd = Fixture::repository();
    odd.git(&["branch", "-qm", "trunk"]);
    check(&odd, "the repository's default branch is not known");
    let apart = Fixture::repository();
    apart.git(&["checkout", "-q", "--orphan", "other"]);
    apart.git(&["commit", "-qm", "apart"]);
    check(&apart, "the history that the commit has in common with the default branch is not here");
}

#[test]
fn a_digest_is_over_names_and_content() {
    let fixture = Fixture::repository();
    let digest = |patterns: &[&str]| look(&fixture).files().hash(&globs(patterns)).expect("a digest");
    let before = digest(&["dir/**"]);
    assert_eq!((before.len(), digest(&["dir/**"])), (64, before.clone()));
    assert_eq!(digest(&["dir/b", "dir/deep/c"]), before, "the same files");
    assert_eq!(digest(&["none"]), "");
    fixture.write("a", "other");
    assert_eq!(digest(&["dir/**"]), before);
    fixture.write("dir/b", "other");
    let after = digest(&["dir/**"]);
    assert_ne!(after, before);
    fixture.git(&["mv", "dir/deep/c", "dir/deep/d"]);
    assert_ne!(digest(&["dir/**"]), after);
    std::os::unix::fs::symlink("b", fixture.work().join("dir/link")).expect("a link");
    assert_ne!(digest(&["dir/link"]), digest(&["dir/b"]), "a link is what it says, not what it leads to");
}

#[test]
fn a_clone_from_a_url_knows_its_default_branch() {
    let fixture = Fixture::repository();
    fixture.git(&["checkout", "-qb", "feature"]);
    fixture.write("dir/b", "changed\n");
    fixture.git(&["commit", "-qam", "second"]);
    fixture.git(&["checkout", "-q", "main"]);
    let url = format!("file://{}", fixture.work().display());
    let clone = |reference| {
        let (run, ledger) = fixture.begin();
        let from = FromUrl { reference, ..FromUrl::new(&url) };
        capture_url(&fixture.home(), from, &run, &ledger, &|| true).expect("captured")
    };
    for reference in [None, Some("feature")] {
        let captured = clone(reference);
        assert_eq!((captured.git.author.as_str(), look(&fixture).git().unwrap().author.as_str()), ("a", "a"));
        let files = SourceView::files(&captured);
        let on_branch = reference.is_some();
        assert_eq!(files.unsure(), None);
        assert_eq!(files.changed(&globs(&["dir/b"])), Ok(on_branch));
        assert_eq!(files.changed(&globs(&["a"])), Ok(false));
        assert_eq!(files.exist(&globs(&["dir/deep/c"])), Ok(true));
        assert_eq!(files.exist(&globs(&[".git/**"])), Ok(false));
        assert_eq!(files.hash(&globs(&["a"])), look(&fixture).files().hash(&globs(&["a"])));
    }
}
