//! A directory tree as it is handed to a backend.

use std::path::PathBuf;

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
