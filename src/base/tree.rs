//! A directory tree as it is handed to a backend.
//!
//! It says where the layers are and how they lie over each other, and writes to none of them.

use std::io;
use std::path::PathBuf;
use std::slice;

use rustix::io::Errno;

use super::safe_dir::SafeDir;

/// The tree a run works on: made by `source`, mounted by a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// Copy-on-write: read-only layers with a layer of the run's own on top.
    Layers {
        /// Read-only directories, the topmost first.
        lowers: Vec<PathBuf>,
        /// Takes what the run writes.
        upper: PathBuf,
        /// Scratch directory of overlayfs, on the same file system as `upper`.
        work: PathBuf,
    },
    /// A directory that is mounted as it is: a copy, or the user's own with `--in-place`.
    Plain(PathBuf),
}

impl Tree {
    /// Looks for something as it was before the run wrote anything: in the layers, from the topmost, until one of
    /// them has it or hides it. A directory that is mounted as it is has no such layers and is looked into itself.
    ///
    /// # Errors
    /// Those of `look`, but for what says that there is nothing.
    pub fn look<T>(&self, look: impl Fn(&SafeDir) -> io::Result<T>) -> io::Result<Option<T>> {
        let layers = match self {
            Tree::Plain(root) => slice::from_ref(root),
            Tree::Layers { lowers, .. } => lowers,
        };
        for layer in layers {
            match look(&SafeDir::open(layer)?) {
                Ok(found) => return Ok(Some(found)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A whiteout, or something in the way of what lies below: a whiteout is a device behind
                // which there is none.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
