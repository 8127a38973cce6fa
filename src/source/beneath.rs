//! Opens directories and small files beneath a root without following any link, for the many
//! thousands of directories of one walk. Never resolves a path from the root of the file system on.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const NO_FILE: &str = "it is no regular file";
/// An ignore file or a `.git` file that is larger than this is none.
const SMALL: u64 = 16 << 20;

/// Opens the directory that paths are relative to; the caller knows that it may be opened.
pub(super) fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, path, DIRECTORY, Mode::empty())
}

/// Opens a directory beneath another; an empty path is that directory itself.
pub(super) fn open_directory(root: impl AsFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b".".as_slice() } else { path };
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = DIRECTORY | OFlags::NOFOLLOW;
    let opened = loop {
        match openat2(&root, path, flags, Mode::empty(), how) {
            // Something was renamed meanwhile.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => break other,
        }
    };
    if !matches!(opened, Err(Errno::NOSYS | Errno::PERM)) {
        return opened;
    }
    let mut at = openat(&root, ".", flags, Mode::empty())?;
    for name in path.split(|&byte| byte == b'/') {
        at = openat(&at, name, flags, Mode::empty())?;
    }
    Ok(at)
}

/// Opens a file in a directory for reading; a link is an error, and a pipe does not block.
pub(super) fn open_file(directory: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty())
}

/// Reads a whole file by its path; none when it is not there. What is no file of its own is an error: a
/// link would lead out of the repository, and a pipe would block.
pub(super) fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = match open_file(CWD, path.as_os_str().as_bytes()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::LOOP) => return Err(io::Error::other("it is a link")),
        Err(Errno::NXIO) => return Err(io::Error::other(NO_FILE)),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(NO_FILE));
    }
    let mut data = Vec::new();
    file.read_to_end(&mut data)?;
    Ok(Some(data))
}

/// Reads a small file in a directory; none when it is not there, not a file, or not small.
pub(super) fn read_small(directory: impl AsFd, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match open_file(directory, name.as_bytes()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let about = file.metadata()?;
    if !about.is_file() || about.len() > SMALL {
        return Ok(None);
    }
    let mut data = Vec::new();
    file.take(SMALL).read_to_end(&mut data)?;
    Ok(Some(data))
}

/// Bytes as a path.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(bytes)).to_owned()
}

/// A relative path under a root, for messages and for paths that are known to be our own.
pub(super) fn under(root: &Path, path: &[u8]) -> PathBuf {
    if path.is_empty() { root.to_owned() } else { root.join(path_of(path)) }
}
