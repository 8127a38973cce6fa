//! The ledger of a run that lives in this process.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::locked::Locked;
use super::rows::{Row, VERSION};
use super::{LedgerError, Object, io_at};
use crate::base::RunId;

/// The ledger of one live run. Any number of threads may use it at once.
///
/// Dropped without [`finish`](Self::finish), it leaves the run dead and everything open to
/// [`Ledger::dead`](super::Ledger::dead).
#[derive(Debug)]
pub struct RunLedger {
    run: RunId,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Locked as long as it is open; none once the run is finished.
    file: Option<Locked>,
    open: BTreeSet<Object>,
    /// The last write failed half-way, so the next row needs a line of its own.
    torn: bool,
}

impl RunLedger {
    /// Begins a ledger in an empty file that is locked already.
    pub(super) fn new(run: RunId, path: PathBuf, file: Locked) -> Result<Self, LedgerError> {
        let state = Mutex::new(State { file: Some(file), open: BTreeSet::new(), torn: false });
        let ledger = Self { run, path, state };
        ledger.append(&mut ledger.lock(), &[Row::Version(VERSION)], true)?;
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
        let mut state = self.lock();
        let rows: Vec<_> = objects.iter().map(Row::Intend).collect();
        self.append(&mut state, &rows, true)?;
        state.open.extend(objects.iter().cloned());
        Ok(())
    }

    /// Writes down that these objects are gone, or were not created after all. There is no fsync: a row
    /// that is lost costs one vain removal. In this process they count as gone even after an error.
    ///
    /// # Errors
    /// [`LedgerError::Io`]; [`LedgerError::Finished`] after [`finish`](Self::finish).
    pub fn gone(&self, objects: &[Object]) -> Result<(), LedgerError> {
        let mut state = self.lock();
        for object in objects {
            state.open.remove(object);
        }
        let rows: Vec<_> = objects.iter().map(Row::Gone).collect();
        self.append(&mut state, &rows, false)
    }

    /// What was intended and is not gone, in the order of removal.
    pub fn open_objects(&self) -> Vec<Object> {
        self.lock().open.iter().cloned().collect()
    }

    /// Ends the run: removes its file when nothing is open, else leaves it to `clean`. Idempotent.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when the file cannot be removed; the run is over all the same.
    pub fn finish(&self) -> Result<(), LedgerError> {
        let mut state = self.lock();
        // The lock is let go when the file is closed, after it lost its name.
        let Some(_file) = state.file.take() else { return Ok(()) };
        if state.open.is_empty() {
            std::fs::remove_file(&self.path).map_err(io_at("remove", &self.path))?;
        }
        Ok(())
    }

    fn append(&self, state: &mut State, rows: &[Row<&Object>], durable: bool) -> Result<(), LedgerError> {
        let Some(file) = &mut state.file else {
            return Err(LedgerError::Finished { run: self.run.clone() });
        };
        let mut bytes = if state.torn { vec![b'\n'] } else { Vec::new() };
        for row in rows {
            row.write(&mut bytes);
        }
        state.torn = true;
        file.write_all(&bytes).map_err(io_at("write", &self.path))?;
        state.torn = false;
        if durable {
            file.sync_data().map_err(io_at("save", &self.path))?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
