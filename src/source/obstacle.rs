//! What in a `.git` would block whoever opens it: pipes and devices. libgit2 opens what it finds.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Folders of a `.git` whose files are opened by nobody here, or one by one and with care.
const LEFT_OUT: [&str; 6] = ["objects", "logs", "hooks", "modules", "worktrees", "lfs"];
/// Refs are no deeper than a path is long.
const DEPTH: usize = 64;

/// The first pipe or device in the `.git` that a directory belongs to.
pub(super) fn above(directory: &Path) -> Option<PathBuf> {
    let mut candidates = directory.ancestors().map(|above| above.join(".git"));
    let git = candidates.find(|git| git.symlink_metadata().is_ok())?;
    if blocks(&git) {
        return Some(git);
    }
    let alternates = git.join("objects/info/alternates");
    if blocks(&alternates) {
        return Some(alternates);
    }
    let mut todo = vec![(git, 0)];
    while let Some((folder, depth)) = todo.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if blocks(&path) {
                return Some(path);
            }
            let left_out = depth == 0 && LEFT_OUT.iter().any(|name| entry.file_name() == *name);
            if depth < DEPTH && !left_out && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                todo.push((path, depth + 1));
            }
        }
    }
    None
}

/// Whether somebody who opens it may have to wait; a socket only fails.
fn blocks(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| {
        let kind = about.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_block_device()
    })
}
