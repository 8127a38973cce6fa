//! The record of every run on disk: its plan, its events, and the raw log of each attempt.
//!
//! Owns the directories under `runs/` of the state directory and their format, which is described
//! in `docs/adr/0007-outputs.md`. It never decides anything about a run, and trouble with it is a
//! warning, never a failed run. Nothing here formats output for people.

mod error;
mod events;
mod file;
mod index;
mod list;
mod log;
mod record;
mod writer;

pub use error::StoreError;
pub use events::{EventRecorder, Events};
pub use index::Entry;
pub use list::{last, runs};
pub use log::{Line, StoredLog};
pub use record::Record;
pub use writer::RecordLogs;

#[cfg(test)]
mod tests;
