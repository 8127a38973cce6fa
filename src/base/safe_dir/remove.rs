//! Removal of a whole tree that somebody else has filled.
//!
//! Every directory that is found is first moved up into the tree's own root. So the depth of a tree
//! does not matter, two handles are enough, and a directory that is a mount point, which cannot be
//! moved, is never entered.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{DIRECTORY, is_dot};

/// Removes a file or a whole tree, whatever its modes and depth. Links are removed, never followed;
/// file systems mounted inside are left alone. Nothing there is a success.
///
/// # Errors
/// When something could not be removed, as a file of another user; the rest is gone all the same.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{}` has no name", path.display())));
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match rustix::fs::openat(CWD, parent, DIRECTORY, Mode::empty()) {
        Ok(parent) => remove_entry(parent.as_fd(), name),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes what has this name in `parent`.
pub(super) fn remove_entry(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let name = CString::new(name.as_bytes())?;
    match rustix::fs::unlinkat(parent, &name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => Ok(remove_in_place(parent, &name)?),
        Err(error) => Err(error.into()),
    }
}

fn remove_in_place(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let root = open(parent, name)?;
    let mut removal = Removal { root: root.as_fd(), waiting: Vec::new(), moved: 0, failure: None };
    removal.empty_root();
    let failure = removal.failure.take();
    match (rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR), failure) {
        (Ok(()) | Err(Errno::NOENT), _) => Ok(()),
        (_, Some(cause)) | (Err(cause), None) => Err(cause),
    }
}

struct Removal<'a> {
    root: BorrowedFd<'a>,
    /// Directories that are directly in the root.
    waiting: Vec<CString>,
    /// How many have been moved there.
    moved: u64,
    /// The first thing that went wrong.
    failure: Option<Errno>,
}

impl Removal<'_> {
    fn empty_root(&mut self) {
        let root = self.root;
        let mut found = Vec::new();
        let result = self.empty(root, |_, name| {
            found.push(name.to_owned());
            Ok(())
        });
        self.note(result);
        for name in found {
            let result = self.move_up(root, &name);
            self.note(result);
        }
        while let Some(name) = self.waiting.pop() {
            let result = self.remove_directory(&name);
            self.note(result);
        }
    }

    fn remove_directory(&mut self, name: &CStr) -> Result<(), Errno> {
        if let Ok(()) | Err(Errno::NOENT) = rustix::fs::unlinkat(self.root, name, AtFlags::REMOVEDIR) {
            return Ok(());
        }
        let directory = open(self.root, name)?;
        // Reading while removing may leave something out.
        for _ in 0..PASSES {
            self.empty(directory.as_fd(), |removal, inner| removal.move_up(directory.as_fd(), inner))?;
            match rustix::fs::unlinkat(self.root, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::NOTEMPTY)
    }

    /// Removes all files of a directory and hands its directories to `deeper`.
    fn empty(
        &mut self,
        directory: BorrowedFd<'_>,
        mut deeper: impl FnMut(&mut Self, &CStr) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_dot(name) {
                continue;
            }
            let result = if entry.file_type() == FileType::Directory {
                deeper(self, name)
            } else {
                match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
                    Err(Errno::ISDIR) => deeper(self, name),
                    Err(Errno::NOENT) => Ok(()),
                    other => other,
                }
            };
            self.note(result);
        }
        Ok(())
    }

    fn move_up(&mut self, directory: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        loop {
            let target = CString::new(format!(".removed-{}", self.moved)).expect("a number has no zero byte");
            self.moved += 1;
            let moved = match rustix::fs::renameat(directory, name, self.root, &target) {
                // Moving a directory writes to it.
                Err(Errno::ACCESS) => {
                    unlock(directory, name)?;
                    rustix::fs::renameat(directory, name, self.root, &target)
                }
                other => other,
            };
            match moved {
                Ok(()) => {
                    self.waiting.push(target);
                    return Ok(());
                }
                // Something of that name is in the tree.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                Err(Errno::NOENT) => return Ok(()),
                // Overlayfs does not move the directories of its lower layers.
                Err(Errno::XDEV) => return remove_in_place(directory, name),
                Err(error) => return Err(error),
            }
        }
    }

    fn note(&mut self, result: Result<(), Errno>) {
        self.failure = self.failure.or(result.err());
    }
}

/// How often a directory is read until it must be empty; somebody may still be writing to it.
const PASSES: usize = 16;

/// Opens a directory so that its entries can be removed.
fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let open = || rustix::fs::openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty());
    let directory = match open() {
        Err(Errno::ACCESS) => {
            unlock(parent, name)?;
            open()?
        }
        other => other?,
    };
    if rustix::fs::fstat(&directory)?.st_mode & 0o700 != 0o700 {
        // Not ours to change: then removing its entries says so.
        let _: Result<(), Errno> = rustix::fs::fchmod(&directory, Mode::RWXU);
    }
    Ok(directory)
}

/// Gives the owner of a directory all rights on it, without following a link that took its place.
fn unlock(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    rustix::fs::chmod(format!("/proc/self/fd/{}", directory.as_raw_fd()), Mode::RWXU)
}
