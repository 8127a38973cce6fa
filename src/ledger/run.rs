//! The ledger of a run that lives in this process.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rows::{Row, VERSION};
use super::{LedgerError, Object, io_at};
use crate::base::{Locked, RunId};

/// The ledger of one live run. Any number of threads may use it at once.
///
/// Dropped without [`finish`](Self::finish), it leaves the run dead and everything open to
/// [`Ledger::dead`](super::Ledger::dead).
#[derive(Debug)]
pub struct RunLedger {
    run: RunId,
    path: PathBuf,
    rows: Mutex<Rows>,
    /// Changed with the rows held. Read without, so that whoever asks does not wait for a disk.
    open: Mutex<BTreeSet<Object>>,
}

#[derive(Debug)]
struct Rows {
    /// Locked as long as it is open; none once the run is finished.
    file: Option<Locked>,
    /// The last write failed half-way, so the next row needs a line of its own.
    torn: bool,
}

impl RunLedger {
    /// Begins a ledger in an empty file that is locked already.
    pub(super) fn new(run: RunId, path: PathBuf, file: Locked) -> Result<Self, LedgerError> {
        let rows = Mutex::new(Rows { file: Some(file), torn: false });
        let ledger = Self { run, path, rows, open: Mutex::default() };
        ledger.append(&mut lock(&ledger.rows), &[Row::Version(VERSION)], true)?;
        Ok(ledger)
    }

    /// The run it is of.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Writes down that these objects are about to be created; they are on the disk when it returns
    /// (one fsync for all). Not one of them may be created after an error.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; [`LedgerError::Finished`] after [`finish`](Self::finish).
    pub fn intend(&self, objects: &[Object]) -> Result<(), LedgerError> {
        let mut rows = lock(&self.rows);
        let intended: Vec<_> = objects.iter().map(Row::Intend).collect();
        self.append(&mut rows, &intended, true)?;
        lock(&self.open).extend(objects.iter().cloned());
        Ok(())
    }

    /// Writes down that these objects are gone, or were not created after all. There is no fsync: a row
    /// that is lost costs one vain removal. In this process they count as gone even after an error.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; [`LedgerError::Finished`] after [`finish`](Self::finish).
    pub fn gone(&self, objects: &[Object]) -> Result<(), LedgerError> {
        let mut rows = lock(&self.rows);
        lock(&self.open).retain(|object| !objects.contains(object));
        let gone: Vec<_> = objects.iter().map(Row::Gone).collect();
        self.append(&mut rows, &gone, false)
    }

    /// What was intended and is not gone, in the order of removal. Waits for no disk.
    pub fn open_objects(&self) -> Vec<Object> {
        lock(&self.open).iter().cloned().collect()
    }

    /// Ends the run: removes its file when nothing is open, else leaves it to `clean`. Idempotent.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when the file cannot be removed; the run is over all the same.
    pub fn finish(&self) -> Result<(), LedgerError> {
        let mut rows = lock(&self.rows);
        // The lock is let go when the file is closed, after it lost its name.
        let Some(_file) = rows.file.take() else { return Ok(()) };
        if lock(&self.open).is_empty() {
            std::fs::remove_file(&self.path).map_err(io_at("remove", &self.path))?;
        }
        Ok(())
    }

    fn append(&self, rows: &mut Rows, new: &[Row<&Object>], durable: bool) -> Result<(), LedgerError> {
        let Some(file) = &mut rows.file else {
            return Err(LedgerError::Finished { run: self.run.clone() });
        };
        let mut bytes = if rows.torn { vec![b'\n'] } else { Vec::new() };
        for row in new {
            row.write(&mut bytes);
        }
        rows.torn = true;
        file.write_all(&bytes).map_err(io_at("write", &self.path))?;
        rows.torn = false;
        if durable {
            file.sync_data().map_err(io_at("save", &self.path))?;
        }
        Ok(())
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics between two changes that belong together.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
