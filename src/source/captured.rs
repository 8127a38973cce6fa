//! A captured source: the tree that a run works on, and what is known of it.
//!
//! It owns the run's trees and the lock on the base beneath them, and removes the former when it is
//! told to. It never writes into them.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::cache::Generation;
use super::error::{SourceError, io_at};
use super::files::LazyFiles;
use crate::base::safe_dir::remove_tree;
use crate::base::{RunId, Tree};
use crate::event::SourceSummary;
use crate::ledger::{Object, ObjectKind, RunLedger};
use crate::plan::facts::GitFacts;

/// A source as a run works on it. As long as it lives, nobody removes the base beneath its tree.
#[derive(Debug)]
pub struct Captured {
    /// What is mounted at `/workspace`.
    pub tree: Tree,
    /// The group that the tree's files belong to.
    pub gid: u32,
    /// For the run's header.
    pub summary: SourceSummary,
    /// For the built-in values.
    pub git: GitFacts,
    /// What the user should know.
    pub notes: Vec<String>,
    /// What expressions ask about its files.
    pub(super) files: OnceLock<LazyFiles>,
    pub(super) trees: Option<Trees>,
    /// What lies under it, held as long as it lives.
    pub(super) base: Option<Generation>,
}

impl Captured {
    /// Reads a file of the tree as it was captured; none when there is none at that path.
    ///
    /// # Errors
    /// When it is a link or leads through one, when it is larger than `limit` bytes, or cannot be read.
    pub fn read(&self, relative: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        self.tree.look(|layer| layer.read_file(relative, limit))
    }

    /// Removes what was made for the run. With `--in-place` that is nothing.
    ///
    /// # Errors
    /// [`SourceError::NotOurs`] when steps left files that only root may remove: the path is still in
    /// the ledger, and the backend can remove it. [`SourceError::Io`] when the system says no otherwise.
    pub fn discard(self, ledger: &RunLedger) -> Result<(), SourceError> {
        self.trees.map_or(Ok(()), |trees| trees.remove(ledger))
    }
}

/// The directory that holds the trees of one run.
#[derive(Debug)]
pub(super) struct Trees {
    path: PathBuf,
    object: Object,
}

impl Trees {
    /// Makes it, in the ledger first.
    pub(super) fn create(home: &Path, run: &RunId, ledger: &RunLedger) -> Result<Self, SourceError> {
        let all = home.join("trees");
        DirBuilder::new().recursive(true).mode(0o700).create(&all).map_err(io_at("create", &all))?;
        let path = all.join(run.as_str());
        let unnamed = || io_at("name", &path)(io::Error::from(io::ErrorKind::InvalidFilename));
        let name = path.to_str().ok_or_else(unnamed)?.to_owned();
        let object = Object { kind: ObjectKind::Directory, name };
        ledger.intend(std::slice::from_ref(&object)).map_err(SourceError::Ledger)?;
        DirBuilder::new().mode(0o700).create(&path).map_err(io_at("create", &path))?;
        Ok(Self { path, object })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, and then its row in the ledger.
    pub(super) fn remove(self, ledger: &RunLedger) -> Result<(), SourceError> {
        match remove_tree(&self.path) {
            Ok(()) => {}
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                return Err(SourceError::NotOurs { path: self.path, source });
            }
            Err(error) => return Err(io_at("remove", self.path)(error)),
        }
        ledger.gone(&[self.object]).map_err(SourceError::Ledger)
    }
}
