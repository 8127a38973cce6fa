//! The workspace as the helper sees it, while steps write in it: whoever wrote a path may have put a link into it, and may
//! do so meanwhile. Nothing here follows a link.

use std::ffi::{OsStr, OsString};
use std::fs::{DirEntry, File, FileType, OpenOptions, read_dir};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::rc::Rc;

use crate::glob;
use crate::sys::{O_DIRECTORY, O_NOFOLLOW};

pub const WORKSPACE: &str = "/workspace";
/// No program opens a longer path; what lies below one is not gone through.
pub const LONGEST_PATH: usize = 4096;

/// Something in a directory.
pub struct Found {
    pub directory: Rc<File>,
    pub name: OsString,
    /// From the workspace's root.
    pub path: Vec<u8>,
    /// A link is a link.
    pub kind: FileType,
}

/// Opens the workspace itself.
pub fn root() -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(O_DIRECTORY).open(WORKSPACE)
}

/// Goes through all directories in which patterns may stand for something, but for `.git` in the root; `failed` says what
/// is wrong with which path.
pub fn walk(
    patterns: &[String],
    failed: fn(&[u8], &io::Error) -> String,
    visit: &mut dyn FnMut(Found) -> Result<(), String>,
) -> Result<(), String> {
    let may_have = |path: &[u8]| patterns.iter().any(|pattern| glob::may_be_in(pattern.as_bytes(), path));
    let root = root().map_err(|error| format!("cannot read {WORKSPACE}: {error}"))?;
    let mut waiting = Vec::new();
    let mut now = Some((root, Vec::new()));
    while let Some((directory, path)) = now.take() {
        let directory = Rc::new(directory);
        let entries = read_dir(at(&directory)).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = entries.map_err(|error| failed(&path, &error))?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let path = match path.as_slice() {
                b"" => name.as_bytes().to_vec(),
                path => [path, b"/", name.as_bytes()].concat(),
            };
            // What has gone meanwhile is nothing.
            let Ok(kind) = entry.file_type() else { continue };
            if path == b".git" {
                continue;
            }
            if kind.is_dir() && path.len() <= LONGEST_PATH && may_have(&path) {
                waiting.push((Rc::clone(&directory), name.clone(), path.clone()));
            }
            visit(Found { directory: Rc::clone(&directory), name, path, kind })?;
        }
        while now.is_none() {
            let Some((parent, name, path)) = waiting.pop() else { break };
            let opened = open(&parent, &name, O_DIRECTORY).map_err(|error| failed(&path, &error))?;
            now = opened.map(|directory| (directory, path));
        }
    }
    Ok(())
}

/// Opens what has this name in a directory; none if it is gone, or no longer of the kind that it was.
pub fn open(directory: &File, name: &OsStr, flags: i32) -> io::Result<Option<File>> {
    const ENOTDIR: i32 = 20;
    const ELOOP: i32 = 40;
    match OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | flags).open(at(directory).join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if matches!(error.raw_os_error(), Some(ENOTDIR | ELOOP)) => Ok(None),
        opened => opened.map(Some),
    }
}

/// A path to an open directory, whatever has its name now.
pub fn at(directory: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}
