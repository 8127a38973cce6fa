//! Paths inside a workspace, archive or repository, opened beneath a directory handle.
//!
//! Whoever wrote such a tree may have put links in it, and may swap a directory for a link while we
//! look. Nothing here follows a link below the handle, ever, so nothing here leaves the tree.

mod create;
mod remove;

use std::ffi::{CStr, OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

pub use remove::remove_tree;

/// A directory that nothing leads out of.
#[derive(Debug)]
pub struct SafeDir {
    handle: OwnedFd,
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, in whatever bytes.
    pub name: OsString,
    /// What it is; a link is a link.
    pub kind: EntryKind,
}

/// What an entry of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, dangling or not.
    Link,
    /// A socket, pipe or device.
    Other,
}

impl SafeDir {
    /// Opens a directory of our own; links on the way to it are followed.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { handle: rustix::fs::open(path, DIRECTORY, Mode::empty())? })
    }

    /// Opens a directory below.
    ///
    /// # Errors
    /// When there is none, or a link is in the way.
    pub fn open_dir(&self, relative: &Path) -> io::Result<Self> {
        Ok(Self { handle: self.beneath(relative, DIRECTORY, Mode::empty())? })
    }

    /// Says what is at a path below, without opening it; a link is a link.
    ///
    /// # Errors
    /// When there is nothing, or a link is in the way.
    pub fn metadata(&self, relative: &Path) -> io::Result<Metadata> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        File::from(self.beneath(relative, flags, Mode::empty())?).metadata()
    }

    /// Opens a regular file below for reading.
    ///
    /// # Errors
    /// When there is none, a link is in the way, or it is something else, such as a pipe.
    pub fn open_file(&self, relative: &Path) -> io::Result<File> {
        // Opening a pipe would wait for a writer, and opening a device may do anything.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(self.beneath(relative, flags, Mode::empty())?);
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{}` is not a regular file", relative.display()),
        ))
    }

    /// Reads a regular file below that is at most `limit` bytes long.
    ///
    /// # Errors
    /// As [`open_file`](Self::open_file); [`io::ErrorKind::FileTooLarge`] beyond the limit.
    pub fn read_file(&self, relative: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(relative)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
            return Ok(bytes);
        }
        let message = format!("`{}` is longer than {limit} bytes", relative.display());
        Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
    }

    /// Lists a directory below, in no order; `.` and `..` are left out.
    ///
    /// # Errors
    /// When there is none, or a link is in the way.
    pub fn read_dir(&self, relative: &Path) -> io::Result<Vec<Entry>> {
        let handle = self.beneath(relative, DIRECTORY, Mode::empty())?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&handle)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_dot(name) {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let stat = rustix::fs::statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                known => known,
            };
            entries.push(Entry { name: OsString::from_vec(name.to_bytes().to_vec()), kind: kind.into() });
        }
        Ok(entries)
    }

    /// Removes what is there below, a whole tree whatever its modes. Nothing there is a success.
    ///
    /// # Errors
    /// When something could not be removed; the rest is gone all the same.
    pub fn remove_all(&self, relative: &Path) -> io::Result<()> {
        let names = names(relative)?;
        let Some((last, above)) = names.split_last() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the directory itself cannot be removed through it",
            ));
        };
        let above: PathBuf = above.iter().collect();
        match self.beneath(&above, DIRECTORY, Mode::empty()) {
            Ok(parent) => remove::remove_entry(parent.as_fd(), last),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn beneath(&self, relative: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let names = names(relative)?;
        let path: PathBuf = if names.is_empty() { PathBuf::from(".") } else { names.iter().collect() };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        loop {
            return match rustix::fs::openat2(&self.handle, &path, flags, mode, resolve) {
                // Something was renamed meanwhile.
                Err(Errno::AGAIN | Errno::INTR) => continue,
                // Linux before 5.6, or a container whose filter does not know the call.
                Err(Errno::NOSYS | Errno::PERM) => self.name_by_name(&names, flags, mode),
                other => Ok(other?),
            };
        }
    }

    /// The same as `openat2` does, a name at a time.
    fn name_by_name(&self, names: &[&OsStr], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let mut handle = self.handle.try_clone()?;
        let Some((last, above)) = names.split_last() else {
            return Ok(rustix::fs::openat(&handle, ".", flags, mode)?);
        };
        for name in above {
            let through = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            handle = rustix::fs::openat(&handle, *name, through, Mode::empty())?;
        }
        Ok(rustix::fs::openat(&handle, *last, flags | OFlags::NOFOLLOW, mode)?)
    }
}

impl AsFd for SafeDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl From<FileType> for EntryKind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Directory,
            FileType::Symlink => EntryKind::Link,
            _ => EntryKind::Other,
        }
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn is_dot(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// The names of a path that leads down only.
fn names(relative: &Path) -> io::Result<Vec<&OsStr>> {
    let inner = relative.components().filter(|component| *component != Component::CurDir);
    let names: Option<Vec<&OsStr>> = inner
        .map(|component| match component {
            Component::Normal(name) if !name.as_bytes().contains(&0) => Some(name),
            _ => None,
        })
        .collect();
    let message = || format!("`{}` does not lead down into the directory", relative.display());
    names.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, message()))
}

#[cfg(test)]
mod tests;
