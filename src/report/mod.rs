//! Readers of the event stream: what people and programs see of a run, live or replayed.
//!
//! Owns the fan-out to readers ([`Feed`]), the terminal's plain lines and result tree, the raw
//! streams of `run --image`, the versioned NDJSON, and the tree of a plan. It never decides anything
//! about a run, never opens a file or a terminal of its own, and no reader can block, fail or lose
//! a run.

use std::io;

use crate::base::StepId;
use crate::event::{Event, RunState, Stream};

pub mod ansi;
mod beside;
mod feed;
mod lines;
pub mod ndjson;
mod notices;
pub mod plain;
mod queue;
mod raw;
pub mod reasons;
mod refill;
mod replay;
#[cfg(test)]
pub(crate) mod samples;
mod sink;
mod style;
mod summary;
pub mod tree;
mod words;
pub mod yaml;

pub use feed::{Feed, ReaderFailure};
pub use ndjson::Ndjson;
pub use notices::Notices;
pub use plain::Plain;
pub use raw::Raw;
pub use replay::replay;
pub use style::Style;

/// One reader of the stream. Matches kinds exhaustively, so that a new kind is a compile error here.
pub trait Reader: Send {
    /// Takes one event, with the state after it. Called in order, on the reader's own thread.
    ///
    /// A reader that lags gets several output events as one, or one as several: their `seq` may
    /// then skip or repeat, but never goes back. Output with a `len` but no `data` could not be had.
    fn read(&mut self, event: &Event, state: &RunState);

    /// Ends the reader's own output. Nothing follows; the run may have ended or been left.
    fn finish(&mut self) {}

    /// What it needs of output events; asked once, before the first event.
    fn output(&self) -> OutputNeed {
        OutputNeed::Bytes
    }

    /// What it is called in messages.
    fn name(&self) -> &'static str {
        "reader"
    }

    /// Why it could not do its work, asked at the end; a closed pipe is no failure.
    fn failure(&self) -> Option<String> {
        None
    }
}

/// What a reader needs of output events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputNeed {
    /// The events with their bytes.
    Bytes,
    /// The events; where the bytes are in the log is enough.
    Places,
    /// No output event at all.
    Nothing,
}

/// Where a reader that lags finds the bytes of output events again.
pub trait LogSource: Send + Sync {
    /// Reads up to `len` bytes of an attempt's log from `offset`; fewer when the log ends before.
    ///
    /// # Errors
    /// When there is no such log or it cannot be read.
    fn read(&self, step: &StepId, attempt: u32, offset: u64, len: u64) -> io::Result<Vec<u8>>;

    /// The stream that the byte at `offset` came out of, and the offset up to which the log holds
    /// that stream alone.
    ///
    /// # Errors
    /// When there is no such log or it cannot be read.
    fn stream_at(&self, step: &StepId, attempt: u32, offset: u64) -> io::Result<(Stream, u64)>;
}
