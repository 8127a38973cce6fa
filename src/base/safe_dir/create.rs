//! What is made beneath a handle: files, directories and links, none of them through a link, none in
//! place of something that is there.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{DIRECTORY, SafeDir, names};

impl SafeDir {
    /// Creates a file below, with these permission bits as far as the umask lets them.
    ///
    /// # Errors
    /// When its directory is not there, a link is in the way, or there is something of that name.
    pub fn create_file(&self, relative: &Path, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(File::from(self.beneath(relative, flags, Mode::from_raw_mode(mode))?))
    }

    /// Creates a directory below and those above it that are missing.
    ///
    /// # Errors
    /// When a link or a file is in the way.
    pub fn create_dir_all(&self, relative: &Path, mode: u32) -> io::Result<Self> {
        let mut handle = self.handle.try_clone()?;
        for name in names(relative)? {
            match rustix::fs::mkdirat(&handle, name, Mode::from_raw_mode(mode)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            handle = rustix::fs::openat(&handle, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(Self { handle })
    }

    /// Creates a symbolic link below. Where it leads is up to the caller: nothing here follows it.
    ///
    /// # Errors
    /// When its directory is not there, a link is in the way, or there is something of that name.
    pub fn create_link(&self, relative: &Path, target: &Path) -> io::Result<()> {
        let (directory, name) = self.place(relative)?;
        Ok(rustix::fs::symlinkat(target, &directory, name)?)
    }

    /// Gives a file below a second name below.
    ///
    /// # Errors
    /// When there is no such file, a link is in the way, or there is something of the new name.
    pub fn create_hard_link(&self, relative: &Path, existing: &Path) -> io::Result<()> {
        let (from, old) = self.place(existing)?;
        let (to, new) = self.place(relative)?;
        Ok(rustix::fs::linkat(&from, old, &to, new, AtFlags::empty())?)
    }

    /// The directory that a path lies in, opened, and its last name.
    fn place<'a>(&self, relative: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        let names = names(relative)?;
        let Some((last, above)) = names.split_last() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the directory itself has no name in it",
            ));
        };
        let above: PathBuf = above.iter().collect();
        Ok((self.beneath(&above, DIRECTORY, Mode::empty())?, last))
    }
}
