//! Where the engine puts logs: implemented by the store, and by memory in tests.

use std::io;

use super::Stream;
use crate::base::{StepId, Timestamp};

/// Opens one log per attempt.
pub trait Logs: Send + Sync {
    /// Creates the log of an attempt.
    ///
    /// # Errors
    /// When it cannot be created; the step runs on without one and the run says so.
    fn open(&self, step: &StepId, attempt: u32) -> io::Result<Box<dyn LogWriter>>;
}

/// The log of one attempt: raw bytes in the order they came, masked already.
pub trait LogWriter: Send {
    /// Appends bytes and returns the offset at which they begin.
    ///
    /// # Errors
    /// When they cannot be written, as on a full disk; nothing of them is in the log then.
    fn append(&mut self, stream: Stream, at: Timestamp, bytes: &[u8]) -> io::Result<u64>;

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(&mut self) -> io::Result<()>;
}
