//! What was created and is not yet gone, on disk, so that a `kill -9` at any moment leaves nothing
//! that `windlass clean` does not find.
//!
//! One append-only file a run, `ledger/RUN`, holds a row before each object is created and another
//! once it is gone. The file is held under an exclusive `flock` by the process that runs it: that,
//! and never a process id, says that the run lives. Nothing here creates or removes an object; why
//! it is made as it is stands in `docs/adr/0005-ledger.md`.

mod dead;
mod rows;
mod run;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use dead::DeadRun;
pub use run::RunLedger;

use crate::base::{Locked, RunId};

/// Something that was created outside this process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its deterministic name: a container's or volume's, or a path.
    pub name: String,
}

/// What kind of object it is; the order is the one in which a dead run's objects are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A container. Removed before volumes and networks.
    Container,
    /// A network.
    Network,
    /// A volume. Removed before the directories under it.
    Volume,
    /// An object of a cluster: its namespace, kind and name. Its lease goes with all that it owns.
    Resource,
    /// A directory tree of ours.
    Directory,
}

/// The ledgers of all runs of one state directory.
#[derive(Clone, Debug)]
pub struct Ledger {
    directory: PathBuf,
}

/// A ledger that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The system said no.
    #[error("cannot {operation} the ledger `{}`", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The ledger's file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A newer program wrote it.
    #[error("the ledger `{}` has version {found}, and this program knows version {known} only", path.display())]
    Newer {
        /// The ledger's file.
        path: PathBuf,
        /// The version it has.
        found: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// Somebody wanted to create something after the run's end.
    #[error("the ledger of run {run} is finished")]
    Finished {
        /// The run.
        run: RunId,
    },
}

impl Ledger {
    /// Opens `home/ledger`, creating what is missing for its owner alone (0700).
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn open(home: &Path) -> io::Result<Self> {
        let directory = home.join("ledger");
        if !directory.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
            File::open(home)?.sync_all()?;
        }
        Ok(Self { directory })
    }

    /// Creates the ledger of a run that starts now; the run lives as long as the result does.
    ///
    /// # Errors
    /// [`LedgerError::Io`], also when there is a ledger of that run already.
    pub fn begin(&self, run: &RunId) -> Result<RunLedger, LedgerError> {
        let path = self.path(run);
        let create = || {
            OpenOptions::new()
                .append(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(io_at("create", &path))
        };
        // Between its creation and the lock the file looks dead, and `dead` may remove it: it is empty,
        // so `dead` holds the lock but for that moment, and whoever waited for it finds no link left.
        let file = loop {
            let file = Locked::wait(create()?).map_err(io_at("lock", &path))?;
            if is_linked(&file, &path)? {
                break file;
            }
        };
        let begun = RunLedger::new(run.clone(), path.clone(), file);
        begun
            .and_then(|ledger| self.sync().map(|()| ledger))
            .inspect_err(|_| drop(std::fs::remove_file(&path)))
    }

    /// The runs whose process is gone, oldest first. Each stays locked as long as the result lives, so
    /// that two clean-ups never work on one run. Runs that are locked are left out, and never touched.
    ///
    /// # Errors
    /// [`LedgerError::Newer`] when a newer program wrote one; [`LedgerError::Io`].
    pub fn dead(&self) -> Result<Vec<DeadRun>, LedgerError> {
        let mut dead = Vec::new();
        for run in self.runs()? {
            let path = self.path(&run);
            let Some(file) = open_existing(&path)? else { continue };
            if let Some(file) = Locked::at_once(file).map_err(io_at("lock", &path))? {
                dead.extend(DeadRun::read(run, path, file)?);
            }
        }
        Ok(dead)
    }

    /// The runs that live, oldest first; also those that another clean-up is working on.
    ///
    /// # Errors
    /// [`LedgerError::Io`].
    pub fn live(&self) -> Result<Vec<RunId>, LedgerError> {
        let mut live = Vec::new();
        for run in self.runs()? {
            let path = self.path(&run);
            let Some(file) = open_existing(&path)? else { continue };
            // Shared, so that two that only ask do not take each other for a live run.
            if Locked::shared(file).map_err(io_at("lock", &path))?.is_none() {
                live.push(run);
            }
        }
        Ok(live)
    }

    fn path(&self, run: &RunId) -> PathBuf {
        self.directory.join(run.as_str())
    }

    fn runs(&self) -> Result<Vec<RunId>, LedgerError> {
        let failed = |source| io_at("list", &self.directory)(source);
        let mut runs = Vec::new();
        for entry in self.directory.read_dir().map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            runs.extend(name.to_str().filter(|name| !name.starts_with('.')).map(RunId::new));
        }
        runs.sort();
        Ok(runs)
    }

    fn sync(&self) -> Result<(), LedgerError> {
        let directory = File::open(&self.directory).and_then(|directory| directory.sync_all());
        directory.map_err(io_at("save", &self.directory))
    }
}

fn open_existing(path: &Path) -> Result<Option<File>, LedgerError> {
    match OpenOptions::new().read(true).append(true).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_at("open", path)(source)),
    }
}

/// Whether the file still has its name: once locked, nobody else takes it away.
fn is_linked(file: &File, path: &Path) -> Result<bool, LedgerError> {
    Ok(file.metadata().map_err(io_at("read", path))?.nlink() > 0)
}

fn io_at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    move |source| LedgerError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
