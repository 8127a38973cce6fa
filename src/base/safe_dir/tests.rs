use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A tree with a secret beside it and links that lead there.
fn tree() -> (tempfile::TempDir, SafeDir) {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("root");
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/b/file"), "content").unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink("../secret", root.join("link")).unwrap();
    symlink(outside.path().join("secret"), root.join("absolute")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("a", root.join("within")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
    let safe = SafeDir::open(&root).unwrap();
    (outside, safe)
}

const ESCAPES: [&str; 10] = [
    "link",
    "absolute",
    "up/secret",
    "within/b/file",
    "magic/etc/hostname",
    "../secret",
    "a/../../secret",
    "/etc/hostname",
    "a/b/../../../secret",
    "..",
];

#[test]
fn files_are_read_and_nothing_leads_out() {
    let (_outside, safe) = tree();
    assert_eq!(safe.read_file(Path::new("./a/b/file"), 7).unwrap(), b"content");
    for escape in ESCAPES {
        assert!(safe.read_file(Path::new(escape), 100).is_err(), "{escape}");
    }
}

#[test]
fn the_old_way_is_as_strict() {
    let (_outside, safe) = tree();
    let open = |path: &str| safe.name_by_name(&names(Path::new(path))?, OFlags::RDONLY, Mode::empty());
    assert!(open("a/b/file").is_ok());
    assert!(open("").is_ok());
    for escape in ESCAPES {
        assert!(open(escape).is_err(), "{escape}");
    }
}

#[test]
fn what_is_too_long_or_no_file_is_refused() {
    let (outside, safe) = tree();
    let kind = |path: &str, limit| safe.read_file(Path::new(path), limit).unwrap_err().kind();
    assert_eq!(kind("a/b/file", 6), io::ErrorKind::FileTooLarge);
    assert_eq!(kind("a/b", 100), io::ErrorKind::InvalidInput);
    assert_eq!(kind("a/nothing", 100), io::ErrorKind::NotFound);
    let pipe = outside.path().join("root/pipe");
    rustix::fs::mknodat(rustix::fs::CWD, pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    assert_eq!(kind("pipe", 100), io::ErrorKind::InvalidInput);
}

#[test]
fn files_and_directories_are_created_beneath() {
    let (outside, safe) = tree();
    safe.create_dir_all(Path::new("new/deep"), 0o700).unwrap();
    safe.create_dir_all(Path::new("a/b"), 0o700).unwrap();
    safe.create_file(Path::new("new/deep/file"), 0o600).unwrap();
    assert!(safe.create_file(Path::new("new/deep/file"), 0o600).is_err());
    assert!(safe.create_file(Path::new("up/evil"), 0o600).is_err());
    assert!(safe.create_dir_all(Path::new("up/evil"), 0o700).is_err());
    assert!(!outside.path().join("evil").exists());
}

#[test]
fn entries_say_what_they_are() {
    let (_outside, safe) = tree();
    let mut entries = safe.read_dir(Path::new("")).unwrap();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let kinds: Vec<_> = entries.iter().map(|entry| (entry.name.to_str().unwrap(), entry.kind)).collect();
    let link = |name| (name, EntryKind::Link);
    let directory = ("a", EntryKind::Directory);
    assert_eq!(kinds, [directory, link("absolute"), link("link"), link("magic"), link("up"), link("within")]);
    assert!(safe.read_dir(Path::new("within")).is_err());
}

#[test]
fn removal_takes_links_and_leaves_what_they_point_to() {
    let (outside, safe) = tree();
    safe.remove_all(Path::new("up")).unwrap();
    safe.remove_all(Path::new("nothing/there")).unwrap();
    assert!(safe.remove_all(Path::new("within/b")).is_err());
    assert!(safe.remove_all(Path::new(".")).is_err());
    let keep = outside.path().join("keep");
    fs::create_dir(&keep).unwrap();
    fs::write(keep.join("file"), "").unwrap();
    symlink(&keep, outside.path().join("root/a/keep")).unwrap();
    let root = outside.path().join("root");
    remove_tree(&root).unwrap();
    remove_tree(&root).unwrap();
    assert!(!root.exists());
    assert!(keep.join("file").exists());
    assert!(outside.path().join("secret").exists());
}

#[test]
fn removal_does_not_depend_on_depth_modes_or_names() {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("root");
    let name = OsString::from_vec(b"n\xff\n\x1b".to_vec());
    fs::create_dir(&root).unwrap();
    let mut handle = SafeDir::open(&root).unwrap();
    for depth in 0..4_000 {
        if depth % 100 == 0 {
            handle.create_file(Path::new("file"), 0o000).unwrap();
        }
        handle = handle.create_dir_all(Path::new(&name), 0o700).unwrap();
    }
    fs::write(root.join(".removed-0"), "in the way").unwrap();
    fs::create_dir_all(root.join(".removed-1/full")).unwrap();
    for (mode, path) in
        [(0o000, "shut/inner/file"), (0o500, "read-only/inner/file"), (0o400, "blind/inner/file")]
    {
        let path = root.join(path);
        let inner = path.parent().unwrap();
        fs::create_dir_all(inner).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(inner, fs::Permissions::from_mode(mode)).unwrap();
        fs::set_permissions(inner.parent().unwrap(), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(&root, fs::Permissions::from_mode(0o000)).unwrap();
    remove_tree(&root).unwrap();
    assert!(fs::symlink_metadata(&root).is_err());
}

#[test]
fn removal_goes_on_while_somebody_swaps_directories_for_links() {
    let outside = tempfile::tempdir().unwrap();
    let keep = outside.path().join("keep");
    fs::create_dir(&keep).unwrap();
    fs::write(keep.join("file"), "").unwrap();
    let root = outside.path().join("root");
    let swapped = root.join("x/swapped");
    for _ in 0..50 {
        fs::create_dir_all(root.join("x/swapped/y")).unwrap();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for _ in 0..20 {
                    drop(fs::rename(&swapped, root.join("x/away")));
                    drop(symlink(&keep, &swapped));
                    drop(fs::remove_file(&swapped));
                    drop(fs::rename(root.join("x/away"), &swapped));
                }
            });
            drop(remove_tree(&root));
        });
        remove_tree(&root).unwrap();
        assert!(keep.join("file").exists());
    }
}
