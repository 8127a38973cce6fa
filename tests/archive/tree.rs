//! What is in a directory, in a form that can be compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What a file is, with all that extracting may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Mode, content, time, and the first path of the same file.
    File(u32, Vec<u8>, i64, PathBuf),
    Directory(u32),
    Link(PathBuf),
    Other,
}

/// Everything below a directory, whatever its modes.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Node> {
    let mut found = BTreeMap::new();
    let mut first: BTreeMap<u64, PathBuf> = BTreeMap::new();
    visit(root, &mut |path, about| {
        let below = path.strip_prefix(root).expect("it was found below").to_owned();
        let mode = about.mode() & 0o777;
        let kind = about.file_type();
        let node = if kind.is_symlink() {
            Node::Link(fs::read_link(path).expect("a link has a target"))
        } else if kind.is_dir() {
            Node::Directory(mode)
        } else if kind.is_file() {
            let same = first.entry(about.ino()).or_insert_with(|| below.clone()).clone();
            Node::File(mode, fs::read(path).expect("a file can be read"), about.mtime(), same)
        } else {
            Node::Other
        };
        found.insert(below, node);
    });
    found
}

/// Every change of a tree that anybody could have made: content, modes, owners, links, times.
pub(crate) fn marks(root: &Path) -> Vec<String> {
    let mut marks = Vec::new();
    visit(root, &mut |path, about| {
        let (ctime, ctime_nsec) = (about.ctime(), about.ctime_nsec());
        let (mode, links, size, inode) = (about.mode(), about.nlink(), about.size(), about.ino());
        let path = path.as_os_str().as_bytes().escape_ascii();
        marks.push(format!("{path} {mode:o} {links} {size} {inode} {ctime}.{ctime_nsec}"));
    });
    marks
}

/// Visits a tree in the order of its names. A test is its owner, and opens what it has to.
fn visit(directory: &Path, to: &mut dyn FnMut(&Path, &fs::Metadata)) {
    if directory.read_dir().is_err() {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).expect("it is ours");
    }
    let entries = directory.read_dir().expect("it can be listed");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    for path in paths {
        let about = fs::symlink_metadata(&path).expect("nobody removes anything");
        to(&path, &about);
        if about.is_dir() {
            visit(&path, to);
        }
    }
}
