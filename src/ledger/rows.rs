//! The rows of a ledger, one JSON object a line.
//!
//! The first row names the version. A row that cannot be read is skipped: the last one of a killed
//! process may be torn, and what it was to announce was then never created.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Object;

/// The version this program writes and the newest it reads.
pub(super) const VERSION: u32 = 1;

/// One row.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Row<O> {
    /// The first row of a ledger.
    Version(u32),
    /// The object is about to be created.
    Intend(O),
    /// The object is gone.
    Gone(O),
}

impl Row<&Object> {
    /// Appends the row and its newline.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        serde_json::to_writer(&mut *to, self).expect("a row has only strings in it, and memory takes them");
        to.push(b'\n');
    }
}

/// What a ledger says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// The version; none in a file whose process died before it wrote anything.
    pub(super) version: Option<u32>,
    /// What was intended and is not gone.
    pub(super) open: BTreeSet<Object>,
}

/// Reads a ledger. Rows after one of a newer version are not looked at.
pub(super) fn read(bytes: &[u8]) -> Content {
    let mut content = Content::default();
    for line in bytes.split(|&byte| byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(Row::Version(version)) => {
                content.version = Some(version);
                if version > VERSION {
                    break;
                }
            }
            Ok(Row::Intend(object)) => {
                content.open.insert(object);
            }
            Ok(Row::Gone(object)) => {
                content.open.remove(&object);
            }
            Err(_) => {}
        }
    }
    content
}
