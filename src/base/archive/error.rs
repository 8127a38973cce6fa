//! Why an archive was not extracted: always with the entry that is at fault.

use std::fmt;
use std::io;

/// An archive that was not extracted, or only in part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The directory to extract into holds something already.
    #[error("cannot extract an archive into a directory that is not empty")]
    NotEmpty,
    /// The directory to extract into cannot be looked at.
    #[error("cannot list the directory to extract into")]
    List {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The archive itself could not be read.
    #[error("cannot read the archive at {entry}")]
    Read {
        /// Where.
        entry: Place,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The archive ends in the middle of something.
    #[error("the archive is cut off at {entry}")]
    CutOff {
        /// Where.
        entry: Place,
    },
    /// An entry is malformed, ambiguous, or not wanted.
    #[error("{entry} of the archive {problem}")]
    Refused {
        /// Which.
        entry: Place,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A limit was reached.
    #[error("{entry} of the archive goes beyond the limit of {limit} {unit}")]
    TooMuch {
        /// The entry that goes beyond it.
        entry: Place,
        /// How many are allowed.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// The file system did not do what was asked for.
    #[error("cannot {operation} for {entry} of the archive")]
    Write {
        /// What was tried.
        operation: &'static str,
        /// For which entry.
        entry: Place,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A place in an archive: the number of a header, and the name in it as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub(super) number: u64,
    pub(super) name: Vec<u8>,
}

impl fmt::Display for Place {
    /// The name is shown with whatever it holds escaped, and no longer than fits on a screen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 200;
        write!(f, "entry {}", self.number)?;
        if self.name.is_empty() {
            return Ok(());
        }
        let shown = self.name.get(..SHOWN).unwrap_or(&self.name);
        let more = if shown.len() < self.name.len() { "…" } else { "" };
        write!(f, " (`{}{more}`)", String::from_utf8_lossy(shown).escape_debug())
    }
}
