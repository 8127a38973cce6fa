//! What can be wrong with a record.

use std::io;
use std::path::PathBuf;

use crate::base::RunId;
use crate::plan::wire::WireError;
use crate::report::ndjson::LineError;

/// A record that could not be made, read or understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or directory of a new record could not be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of a record could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no record of the run.
    #[error("no run `{run}` is recorded")]
    NotFound {
        /// The run.
        run: RunId,
    },
    /// The record was written by a newer program; nothing of it is touched.
    #[error("run `{run}` is recorded in format {version}, and this windlass knows up to {known}")]
    Newer {
        /// The run.
        run: RunId,
        /// Its format.
        version: u32,
        /// The newest format known here.
        known: u32,
    },
    /// A file of the record does not hold what it should.
    #[error("`{path}` is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The recorded plan is none that this program can read.
    #[error("`{path}` is damaged")]
    DamagedPlan {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: WireError,
    },
    /// A line of the recorded events is none.
    #[error("line {line} of `{path}` is damaged")]
    DamagedEvent {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        #[source]
        source: LineError,
    },
}
