use super::*;

impl Fixture {
    /// With commits `first` and `second` on main, `side` beside it, and tags `light` and `heavy` on `first`.
    fn remote() -> Self {
        let fixture = Self::repository();
        fixture.git(&["tag", "light"]);
        fixture.git(&["tag", "-a", "heavy", "-m", "heavy"]);
        fixture.git(&["checkout", "-q", "-b", "side"]);
        fixture.write("side", "");
        fixture.git(&["add", "."]);
        fixture.git(&["commit", "-qm", "side"]);
        fixture.git(&["checkout", "-q", "main"]);
        fixture.write("a", "second\n");
        fixture.git(&["commit", "-qam", "second"]);
        fixture
    }

    fn commit(&self, name: &str) -> String {
        self.git(&["rev-parse", &format!("{name}^{{commit}}")]).trim().into()
    }

    fn url(&self) -> String {
        format!("file://{}", self.work().display())
    }

    fn fetch(&self, reference: Option<&str>) -> Result<(Captured, bool), SourceError> {
        let (run, ledger) = self.begin();
        let before = self.bases();
        let url = self.url();
        let from = FromUrl { reference, ..FromUrl::new(&url) };
        let captured = capture_url(&self.home(), from, &run, &ledger, &|| true)?;
        Ok((captured, self.bases() != before))
    }

    /// The bases of all sources.
    fn bases(&self) -> Vec<String> {
        let all = fs::read_dir(self.home().join("captures")).into_iter().flatten();
        let sources = all.map(|source| source.expect("readable").path());
        let bases = sources.flat_map(|source| fs::read_dir(source).expect("readable"));
        bases
            .map(|base| base.expect("readable").path().display().to_string())
            .filter(|path| path.contains("/g"))
            .collect()
    }
}

#[track_caller]
fn check(fixture: &Fixture, reference: Option<&str>, commit: &str, branch: &str, tag: &str) {
    let (captured, _) = fixture.fetch(reference).expect("captured");
    let git = &captured.git;
    assert_eq!(git.sha, fixture.commit(commit), "{reference:?}");
    assert_eq!(
        (git.branch.as_str(), git.tag.as_str(), git.url.as_str()),
        (branch, tag, fixture.url().as_str())
    );
    let named = [branch, tag].into_iter().find(|name| !name.is_empty());
    assert_eq!(captured.summary.reference.as_deref(), named);
    let seen = fixture.seen(&captured);
    assert_eq!(seen.git(&["rev-parse", "HEAD"]).trim(), fixture.commit(commit));
    let here = if branch.is_empty() { "## HEAD (no branch)\n".into() } else { format!("## {branch}\n") };
    assert_eq!(seen.git(&["status", "--porcelain", "-b"]), here);
    seen.git(&["fsck", "--strict"]);
}

#[test]
fn at_a_branch_a_tag_or_a_commit() {
    let fixture = Fixture::remote();
    check(&fixture, None, "main", "main", "");
    check(&fixture, Some("side"), "side", "side", "");
    check(&fixture, Some("refs/heads/side"), "side", "side", "");
    check(&fixture, Some("light"), "light", "", "light");
    check(&fixture, Some("heavy"), "light", "", "heavy");
    let first = fixture.commit("light");
    check(&fixture, Some(&first), "light", "", "");
    check(&fixture, Some(&first[..9]), "light", "", "");
    let side = fixture.commit("side");
    check(&fixture, Some(&side[..7]), "side", "", "");
}

#[test]
fn a_commit_that_no_ref_holds_any_more_is_found_in_what_was_fetched() {
    let fixture = Fixture::remote();
    let first = fixture.commit("light");
    fixture.git(&["tag", "-d", "light", "heavy"]);
    check(&fixture, Some(&first), &first, "", "");
    let fixture = Fixture::remote();
    let first = fixture.commit("light");
    fixture.git(&["tag", "-d", "light", "heavy"]);
    check(&fixture, Some(&first[..8]), &first, "", "");
}

#[test]
fn a_base_is_fetched_once_and_the_next_takes_only_what_is_new() {
    let fixture = Fixture::remote();
    assert!(fixture.fetch(None).expect("captured").1);
    assert!(!fixture.fetch(None).expect("captured").1);
    assert!(!fixture.fetch(Some("main")).expect("captured").1);
    fixture.write("a", "third\n");
    fixture.git(&["commit", "-qam", "third"]);
    fixture.git(&["branch", "-qD", "side"]);
    let (captured, _) = fixture.fetch(None).expect("captured");
    let seen = fixture.seen(&captured);
    assert_eq!(
        seen.git(&["branch", "-a"]),
        "* main\n  remotes/origin/HEAD -> origin/main\n  remotes/origin/main\n"
    );
    assert_eq!(seen.git(&["log", "--format=%s"]), "third\nsecond\nfirst\n");
    assert_eq!(seen.text("a"), "third\n");
    let Tree::Layers { lowers, .. } = &captured.tree else { panic!("there are no layers") };
    let objects = list(&lowers[1].join(".git/objects"));
    assert_eq!(objects.keys().filter(|name| name.contains(".pack")).count(), 2);
    // A commit that is here needs nobody at the other end.
    let second = fixture.commit("main~1");
    fs::rename(fixture.work(), fixture.place.path().join("away")).expect("movable");
    assert!(!fixture.fetch(Some(&second)).expect("captured").1);
}

#[test]
fn modes_and_links_of_a_checkout() {
    let fixture = Fixture::remote();
    fixture.write("tool", "#!/bin/sh\n");
    fixture.git(&["add", "tool"]);
    fixture.git(&["update-index", "--chmod=+x", "tool"]);
    std::os::unix::fs::symlink("/etc/passwd", fixture.work().join("link")).expect("writable");
    fixture.git(&["add", "link"]);
    fixture.git(&["commit", "-qm", "third"]);
    let (captured, _) = fixture.fetch(None).expect("captured");
    let all = list(&fixture.seen(&captured).path);
    for (name, kind, mode) in [("tool", 'f', 0o775), ("a", 'f', 0o664), ("dir/deep", 'd', 0o2775)] {
        assert_eq!((all[name].kind, all[name].mode), (kind, mode), "{name}");
    }
    assert_eq!(all["link"].kind, 'l');
    assert!(captured.read(Path::new("link"), 1 << 20).is_err());
    let Tree::Layers { lowers, .. } = &captured.tree else { panic!("there are no layers") };
    for name in ["a", "dir/deep/c", ".git/objects/pack"] {
        assert_eq!(fs::metadata(lowers[1].join(name)).expect("there").gid(), captured.gid, "{name}");
    }
}

#[test]
fn nothing_of_the_other_sides_git_comes_along() {
    let fixture = Fixture::remote();
    fixture.git(&["config", "core.hooksPath", "/tmp/evil"]);
    fixture.write(".git/hooks/post-checkout", "#!/bin/sh\ntouch bad\n");
    let before = list(&fixture.work());
    let (captured, _) = fixture.fetch(None).expect("captured");
    assert_eq!(list(&fixture.work()), before);
    let seen = fixture.seen(&captured);
    let all = list(&seen.path.join(".git"));
    assert!(!all.contains_key("hooks") && !all.contains_key("FETCH_HEAD") && !all.contains_key("logs"));
    assert!(!seen.text(".git/config").contains("hooksPath"));
}

#[test]
fn errors_say_what_is_wrong_and_what_to_do() {
    let fixture = Fixture::remote();
    let error = fixture.fetch(Some("mian")).expect_err("there is none");
    assert!(matches!(error, SourceError::UnknownReference { .. }), "{error:?}");
    assert!(error.help().is_some_and(|help| help.starts_with("it has main")), "{error:?}");
    let error = fixture.fetch(Some("0000000000000000000000000000000000000001")).expect_err("there is none");
    assert!(matches!(error, SourceError::UnknownReference { .. }), "{error:?}");
    let error = fixture.fetch(Some("--upload-pack=x")).expect_err("an option");
    assert!(matches!(error, SourceError::BadReference { .. }), "{error:?}");

    let (run, ledger) = fixture.begin();
    let capture = |url: &str| {
        capture_url(&fixture.home(), FromUrl::new(url), &run, &ledger, &|| true)
            .map(drop)
            .expect_err("no repository")
    };
    let error = capture(&format!("file://{}", fixture.home().display()));
    assert!(matches!(error, SourceError::NoRepository { .. }), "{error:?}");
    let error = capture("file:///nonexistent/repository");
    assert!(matches!(error, SourceError::NoRepository { .. }), "{error:?}");
    let error = capture("https://me:s3cret@127.0.0.1:1/x.git");
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("s3cret"));
    let error = capture("ssh://git@127.0.0.1:1/x.git");
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
    let empty = tempfile::tempdir().expect("a directory");
    git_in(empty.path(), &["init", "-q", "--bare"]);
    let error = capture(&format!("file://{}", empty.path().display()));
    assert!(matches!(error, SourceError::Empty { .. }) && error.help().is_some(), "{error:?}");
    assert_eq!(ledger.open_objects(), []);
    let drafts = list(&fixture.home().join("captures"));
    assert!(drafts.keys().all(|path| !path.contains("draft")));
}

#[test]
fn a_fetch_can_be_cancelled() {
    let fixture = Fixture::remote();
    let (run, ledger) = fixture.begin();
    let error = capture_url(&fixture.home(), FromUrl::new(&fixture.url()), &run, &ledger, &|| false)
        .expect_err("cancelled");
    assert!(matches!(error, SourceError::Cancelled { .. }), "{error:?}");
    assert_eq!(ledger.open_objects(), []);
}

#[test]
fn a_shallow_repository_is_captured_with_the_history_it_has() {
    let fixture = Fixture::remote();
    let shallow = fixture.place.path().join("shallow");
    git_in(fixture.place.path(), &["clone", "-q", "--depth", "1", &fixture.url(), "shallow"]);
    let (run, ledger) = fixture.begin();
    let url = format!("file://{}", shallow.display());
    let by_url = capture_url(&fixture.home(), FromUrl::new(&url), &run, &ledger, &|| true).expect("captured");
    let by_path = fixture.try_capture(&shallow).expect("captured");
    for captured in [by_url, by_path] {
        let seen = fixture.seen(&captured);
        assert_eq!(seen.git(&["log", "--format=%s", "HEAD"]), "second\n");
        assert_eq!(seen.git(&["rev-parse", "--is-shallow-repository"]), "true\n");
        seen.git(&["fsck", "--strict"]);
        assert_eq!(seen.git(&["status", "--porcelain"]), "");
    }
}
