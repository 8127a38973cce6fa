//! Why the settings cannot be used.

use std::io;
use std::path::PathBuf;

use crate::base::{Diagnostic, SourceText};

/// Settings that cannot be used. Nothing runs then: they may have said what must not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file is there, and cannot be read.
    #[error("cannot read the settings in `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody else could have written it.
    #[error("the settings in `{}` can be changed by other users", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Something in it is wrong.
    #[error("the settings in `{}` are not valid", text.name)]
    Invalid {
        /// The file.
        text: SourceText,
        /// What, and where.
        diagnostic: Box<Diagnostic>,
    },
}

impl SettingsError {
    /// What to do about it, where it does not stand in the diagnostic.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            SettingsError::Unreadable { .. } => Some("make it a file that you may read, or remove it"),
            SettingsError::NotOurs { .. } => {
                Some("own it yourself, and take others' right to write: chmod go-w")
            }
            SettingsError::Invalid { .. } => None,
        }
    }
}
