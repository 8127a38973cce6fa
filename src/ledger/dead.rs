//! The ledger of a run whose process is gone.

use std::io::{Read, Write};
use std::path::PathBuf;

use super::rows::{self, Row, VERSION};
use super::{LedgerError, Object, io_at, is_linked};
use crate::base::{Locked, RunId};

/// A run whose process is gone, locked against every other clean-up as long as this value lives.
#[derive(Debug)]
pub struct DeadRun {
    /// The run.
    pub run: RunId,
    /// What it may have left, in the order of removal. Some of it may be gone, or was never created.
    pub objects: Vec<Object>,
    path: PathBuf,
    file: Locked,
}

impl DeadRun {
    /// Reads a file whose lock was just taken; nothing when it is gone by now, or was never begun.
    pub(super) fn read(run: RunId, path: PathBuf, mut file: Locked) -> Result<Option<Self>, LedgerError> {
        if !is_linked(&file, &path)? {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io_at("read", &path))?;
        let content = rows::read(&bytes);
        match content.version {
            Some(found) if found > VERSION => Err(LedgerError::Newer { path, found, known: VERSION }),
            None if content.open.is_empty() => {
                std::fs::remove_file(&path).map_err(io_at("remove", &path))?;
                Ok(None)
            }
            _ => {
                if bytes.last() != Some(&b'\n') {
                    file.write_all(b"\n").map_err(io_at("write", &path))?;
                }
                Ok(Some(Self { run, objects: content.open.into_iter().collect(), path, file }))
            }
        }
    }

    /// Notes that an object is gone. A note that cannot be written costs the next clean-up one vain
    /// removal, and is not worth an error.
    pub fn gone(&mut self, object: &Object) {
        self.objects.retain(|other| other != object);
        let mut row = Vec::new();
        Row::Gone(object).write(&mut row);
        drop(self.file.write_all(&row));
    }

    /// Removes the ledger when every object is gone, else leaves it to the next clean-up.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when it cannot be removed.
    pub fn finish(self) -> Result<(), LedgerError> {
        if self.objects.is_empty() {
            std::fs::remove_file(&self.path).map_err(io_at("remove", &self.path))?;
        }
        Ok(())
    }
}
