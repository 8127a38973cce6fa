use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Barrier;

use super::*;

#[test]
fn uncommitted_work_is_in_and_ignored_files_are_not() {
    let fixture = Fixture::repository();
    fixture.write("a", "changed\n");
    fixture.write("staged", "new\n");
    fixture.git(&["add", "staged"]);
    fixture.write("untracked/x", "x");
    fixture.write("untracked/y", "y");
    fixture.write("noise.log", "");
    fixture.write("target/debug/big", "");
    fixture.write("target/debug/bigger", "");
    fixture.remove("dir/deep");
    let captured = fixture.capture();
    let summary = &captured.summary;
    assert_eq!((summary.changed, summary.untracked, summary.ignored), (3, 2, 2));
    assert_eq!(summary.reference.as_deref(), Some("main"));
    assert_eq!(summary.commit.as_deref(), Some(fixture.git(&["rev-parse", "HEAD"]).trim()));
    assert_eq!(captured.notes, Vec::<String>::new());
    let seen = fixture.seen(&captured);
    assert_eq!(seen.files(), [".gitignore", "a", "dir/b", "staged", "untracked/x", "untracked/y"]);
    assert_eq!(seen.text("a"), "changed\n");
}

#[test]
fn a_later_layer_holds_exactly_what_changed() {
    let fixture = Fixture::repository();
    fixture.write("swap-a", "a file");
    fixture.write("swap-b/file", "in a directory");
    fixture.write("old/x", "");
    fixture.write("old/y/z", "");
    let first = fixture.capture();
    assert_eq!(layer(&first), Vec::<String>::new());
    fixture.write("a", "changed\n");
    fixture.write("new/er/d", "d");
    fixture.remove("dir/b");
    fixture.remove("old");
    fixture.remove("swap-a");
    fixture.remove("swap-b");
    fixture.write("swap-a/file", "in a directory now");
    fixture.write("swap-b", "a file now");
    fs::create_dir(fixture.work().join("empty")).expect("writable");
    let second = fixture.capture();
    let expected = ["f a", "c dir/b", "f new/er/d", "c old", "f swap-a/file", "f swap-b"];
    assert_eq!(layer(&second), expected);
    let seen = fixture.seen(&second);
    assert_eq!(
        seen.files(),
        [".gitignore", "a", "dir/deep/c", "new/er/d", "swap-a/file", "swap-b"].map(String::from)
    );
    assert_eq!(seen.text("swap-b"), "a file now");
    assert!(seen.path.join("empty").is_dir());
    // The first run sees none of that.
    let seen = fixture.seen(&first);
    assert_eq!(seen.text("a"), "one\n");
    assert_eq!(seen.text("dir/b"), "two\n");
    assert_eq!(layer(&fixture.capture()), expected);
}

#[test]
fn a_change_that_keeps_size_and_times_is_found() {
    let fixture = Fixture::repository();
    fixture.capture();
    let path = fixture.work().join("a");
    let time = fs::metadata(&path).and_then(|about| about.modified()).expect("a time");
    fs::write(&path, "eno\n").expect("writable");
    let file = fs::File::options().write(true).open(&path).expect("writable");
    file.set_modified(time).expect("settable");
    assert_eq!(layer(&fixture.capture()), ["f a"]);
}

#[test]
fn a_mode_is_a_change_too() {
    let fixture = Fixture::repository();
    fixture.capture();
    fs::set_permissions(fixture.work().join("a"), fs::Permissions::from_mode(0o755)).expect("ours");
    let captured = fixture.capture();
    assert_eq!(layer(&captured), ["f a"]);
    assert_eq!(captured.summary.changed, 1);
}

#[test]
fn the_users_tree_is_left_as_it_is() {
    let fixture = Fixture::repository();
    // An index that git would refresh, and hooks that git would run.
    fs::File::open(fixture.work().join("a"))
        .and_then(|a| a.set_modified(std::time::UNIX_EPOCH))
        .expect("ours");
    fixture.write(".git/hooks/post-checkout", "#!/bin/sh\ntouch ../bad\n");
    fixture.write("untracked", "");
    let before = list(&fixture.work());
    fixture.capture();
    fixture.write("untracked", "more");
    let between = list(&fixture.work());
    let captured = fixture.capture();
    assert_eq!(captured.summary.changed, 0, "a touched file is not a changed one");
    assert_eq!(list(&fixture.work()), between);
    assert_eq!(before.keys().collect::<Vec<_>>(), between.keys().collect::<Vec<_>>());
}

#[test]
fn modes_groups_and_times_are_those_of_a_workspace() {
    let fixture = Fixture::repository();
    fixture.write("secret", "");
    fixture.write("tool", "");
    for (name, mode) in [("secret", 0o600), ("tool", 0o4755), ("dir", 0o700)] {
        fs::set_permissions(fixture.work().join(name), fs::Permissions::from_mode(mode)).expect("ours");
    }
    let captured = fixture.capture();
    let seen = fixture.seen(&captured);
    let all = list(&seen.path);
    let expected = [("secret", 0o660), ("tool", 0o775), ("dir", 0o2770), ("dir/deep", 0o2775)];
    for (name, mode) in expected {
        assert_eq!(all[name].mode, mode, "{name}");
    }
    assert_eq!(all["a"].mtime, list(&fixture.work())["a"].mtime);
    for name in ["", "a", "dir", "dir/deep/c", ".git", ".git/index", ".git/objects"] {
        assert_eq!(fs::metadata(seen.path.join(name)).expect("there").gid(), captured.gid, "{name}");
    }
    assert_eq!(fs::metadata(&seen.path).expect("there").mode() & 0o7777, 0o2775);
}

#[test]
fn links_are_links_and_special_files_stay_out() {
    let fixture = Fixture::repository();
    symlink("/etc", fixture.work().join("etc")).expect("writable");
    symlink("nowhere", fixture.work().join("dangling")).expect("writable");
    let pipe = Command::new("mkfifo").arg(fixture.work().join("pipe")).status();
    assert!(pipe.is_ok_and(|status| status.success()));
    let captured = fixture.capture();
    assert_eq!(captured.notes, ["sockets, pipes and devices are left out: pipe"]);
    let seen = fixture.seen(&captured);
    let all = list(&seen.path);
    assert_eq!((all["etc"].kind, all["etc"].content.as_slice()), ('l', b"/etc".as_slice()));
    assert_eq!(all["dangling"].kind, 'l');
    assert!(!all.contains_key("pipe"));
    assert!(captured.read(Path::new("etc/passwd"), 1 << 20).is_err());
    let second = fixture.capture();
    assert_eq!(layer(&second), Vec::<String>::new());
}

#[test]
fn names_may_be_any_bytes() {
    let fixture = Fixture::repository();
    let names: [&[u8]; 4] = [b"new\nline", b"\xff\xfe", b"sp ace\\", b"\"quoted\""];
    for name in names {
        fs::write(fixture.work().join(beneath::path_of(name)), name).expect("writable");
    }
    fixture.git(&["add", "."]);
    let captured = fixture.capture();
    assert_eq!(captured.summary.changed, 4);
    let seen = fixture.seen(&captured);
    for name in names {
        assert_eq!(fs::read(seen.path.join(beneath::path_of(name))).expect("there"), name);
    }
    assert_eq!(seen.git(&["status", "--porcelain", "-z"]), fixture.git(&["status", "--porcelain", "-z"]));
}

#[test]
fn a_base_that_is_far_away_is_replaced_and_kept_for_those_who_use_it() {
    let fixture = Fixture::repository();
    for number in 0..1_100 {
        fixture.write(&format!("many/{number}"), "1");
    }
    let first = fixture.capture();
    let Tree::Layers { lowers, .. } = &first.tree else { panic!("there are no layers") };
    let old = lowers[1].clone();
    for number in 0..1_050 {
        fixture.write(&format!("many/{number}"), "2");
    }
    let second = fixture.capture();
    assert_eq!(layer(&second), Vec::<String>::new());
    assert_eq!(fs::read(old.join("many/0")).expect("kept"), b"1");
    let Tree::Layers { lowers, .. } = &second.tree else { panic!("there are no layers") };
    assert_eq!(fs::read(lowers[1].join("many/0")).expect("new"), b"2");
    let shared = |path: &Path| fs::metadata(path.join("many/1099")).expect("there").ino();
    assert_eq!(shared(&old), shared(&lowers[1]), "what did not change is not copied again");
    let seen = fixture.seen(&second);
    assert_eq!(seen.git(&["status", "--porcelain"]), "?? many/\n");
    drop((seen, first));
    fixture.capture();
    assert!(!old.exists());
}

#[test]
fn captures_at_once_share_one_base() {
    let fixture = Fixture::repository();
    let barrier = Barrier::new(3);
    let bases: Vec<_> = std::thread::scope(|scope| {
        let capture = || {
            barrier.wait();
            fixture.capture()
        };
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(capture)).collect();
        threads.into_iter().map(|thread| thread.join().expect("captured")).collect()
    });
    let base = |captured: &Captured| match &captured.tree {
        Tree::Layers { lowers, .. } => lowers[1].clone(),
        Tree::Plain(_) => panic!("there are no layers"),
    };
    assert!(bases.iter().all(|captured| base(captured) == base(&bases[0])));
    for captured in &bases {
        assert_eq!(fixture.seen(captured).files().len(), 4);
    }
}

#[test]
fn a_base_that_was_never_finished_is_made_anew() {
    let fixture = Fixture::repository();
    let first = fixture.capture();
    let Tree::Layers { lowers, .. } = &first.tree else { panic!("there are no layers") };
    let generation = lowers[1].parent().expect("a generation").to_owned();
    // As a power cut leaves it: the name is there, the content is not.
    fs::write(generation.join("manifest"), "").expect("writable");
    let second = fixture.capture();
    let Tree::Layers { lowers, .. } = &second.tree else { panic!("there are no layers") };
    assert_ne!(lowers[1].parent(), Some(generation.as_path()));
    assert_eq!(fixture.seen(&second).files().len(), 4);
}

#[test]
fn without_a_repository_all_files_are_in() {
    let fixture = Fixture::new();
    fixture.write(".gitignore", "*.log\n");
    fixture.write(".windlassignore", "build/\n*.tmp\n");
    fixture.write("a.log", "");
    fixture.write("build/x", "");
    fixture.write("sub/b.tmp", "");
    fixture.write("sub/c", "");
    let captured = fixture.capture();
    assert_eq!((captured.summary.commit.as_ref(), captured.summary.ignored), (None, 2));
    let seen = fixture.seen(&captured);
    assert_eq!(seen.files(), [".gitignore", ".windlassignore", "a.log", "sub/c"]);
    assert!(!seen.path.join(".git").exists());
}

#[test]
fn a_subfolder_means_its_repository() {
    let fixture = Fixture::repository();
    let root = fixture.work().canonicalize().expect("there");
    assert_eq!(root_of(&fixture.work().join("dir/deep")), root);
    let captured = fixture.try_capture(&fixture.work().join("dir/deep")).expect("captured");
    assert_eq!(fixture.seen(&captured).files().len(), 4);
}

#[test]
fn a_state_directory_within_the_tree_is_no_part_of_it() {
    let fixture = Fixture::repository();
    let (run, ledger) = fixture.begin();
    let home = fixture.work().join("dir/state");
    fs::create_dir(&home).expect("writable");
    for run in [run, RunId::generate()] {
        let captured = capture_directory(&home, &fixture.work(), &run, &ledger, &|| true).expect("captured");
        assert_eq!((captured.summary.untracked, layer(&captured)), (0, Vec::new()));
        assert_eq!(fixture.seen(&captured).files().len(), 4);
    }
}

#[test]
fn files_are_read_through_the_layers() {
    let fixture = Fixture::repository();
    fixture.capture();
    fixture.write("a", "changed\n");
    fixture.remove("dir/deep");
    let captured = fixture.capture();
    let read = |path: &str| captured.read(Path::new(path), 100).expect("readable");
    assert_eq!(read("a").as_deref(), Some(b"changed\n".as_slice()));
    assert_eq!(read("dir/b").as_deref(), Some(b"two\n".as_slice()));
    assert_eq!(read("dir/deep/c"), None);
    assert_eq!(read("nothing"), None);
    assert!(captured.read(Path::new("a"), 3).is_err());
}

#[test]
fn discarding_leaves_the_base_and_nothing_else() {
    let fixture = Fixture::repository();
    let (run, ledger) = fixture.begin();
    let captured =
        capture_directory(&fixture.home(), &fixture.work(), &run, &ledger, &|| true).expect("captured");
    let objects = ledger.open_objects();
    let trees = fixture.home().join("trees").join(run.as_str());
    assert_eq!(objects.iter().map(|object| Path::new(&object.name)).collect::<Vec<_>>(), [trees.as_path()]);
    let seen = fixture.seen(&captured);
    fs::create_dir_all(seen.path.join("made/by/a/step")).expect("writable");
    fs::set_permissions(seen.path.join("made"), fs::Permissions::from_mode(0o000)).expect("ours");
    drop(seen);
    captured.discard(&ledger).expect("discarded");
    assert!(!trees.exists());
    assert_eq!(ledger.open_objects(), []);
    assert!(fixture.home().join("captures").exists());
}

#[test]
fn in_place_makes_nothing() {
    let fixture = Fixture::repository();
    fixture.write("a", "changed\n");
    let before = list(fixture.place.path());
    let captured = in_place(&fixture.work().join("dir"), &|| true).expect("readable");
    let root = fixture.work().canonicalize().expect("there");
    assert_eq!(captured.tree, Tree::Plain(root.clone()));
    assert_eq!((captured.summary.changed, captured.summary.in_place.clone()), (1, Some(root)));
    assert_eq!(list(fixture.place.path()), before);
    let (_, ledger) = fixture.begin();
    captured.discard(&ledger).expect("nothing to do");
    assert!(fixture.work().join("a").exists());
}

#[test]
fn where_layers_cannot_live_the_tree_is_a_copy() {
    let fixture = Fixture::repository();
    fixture.write("a", "changed\n");
    let lower = fixture.place.path().join("lower");
    let upper = fixture.place.path().join("upper");
    let work = fixture.place.path().join("scratch");
    for path in [&lower, &upper, &work] {
        fs::create_dir(path).expect("writable");
    }
    let mount = merge(&Tree::Layers { lowers: vec![lower], upper, work }, fixture.place.path());
    if !mount.mounted {
        eprintln!("not root: there is no overlay to put a state directory on");
        return;
    }
    let (run, ledger) = fixture.begin();
    let captured =
        capture_directory(&mount.path, &fixture.work(), &run, &ledger, &|| true).expect("captured");
    assert!(captured.notes[0].contains("overlayfs"), "{:?}", captured.notes);
    let seen = fixture.seen(&captured);
    assert_eq!(seen.files(), [".gitignore", "a", "dir/b", "dir/deep/c"]);
    assert_eq!(seen.git(&["status", "--porcelain"]), " M a\n");
    captured.discard(&ledger).expect("discarded");
}

#[test]
fn errors_name_the_file_and_leave_nothing() {
    let fixture = Fixture::repository();
    let error = fixture.try_capture(&fixture.work().join("none")).expect_err("there is none");
    assert!(error.to_string().contains("/none`"), "{error}");
    let error = fixture.try_capture(&fixture.work().join("a")).expect_err("a file");
    assert!(matches!(error, SourceError::NotADirectory { .. }), "{error}");
    if rustix::process::geteuid().is_root() {
        eprintln!("root: there is no file that cannot be read");
        return;
    }
    fs::set_permissions(fixture.work().join("a"), fs::Permissions::from_mode(0o000)).expect("ours");
    let error = fixture.try_capture(&fixture.work()).expect_err("unreadable");
    assert!(error.to_string().contains("/a`") && error.help().is_some(), "{error}");
    assert_eq!(fs::read_dir(fixture.home().join("trees")).expect("there").count(), 0);
}
