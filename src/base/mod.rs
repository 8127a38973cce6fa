//! What every other room stands on: ids, source text, diagnostics, units, reasons, clocks, the
//! masker, substitution, patterns of paths, errors in words, locks, the safe directory and the extractor of archives.
//!
//! Nothing here knows what a pipeline is, and nothing here imports another room.

pub mod archive;
pub mod awake;
mod causes;
pub mod clock;
pub mod diagnostic;
pub mod glob;
mod hex;
pub mod id;
mod locked;
pub mod masker;
pub mod pairs;
mod present;
pub mod reason;
pub mod safe_dir;
mod secret;
pub mod substitution;
pub mod tree;
pub mod units;

pub use causes::with_causes;
pub use clock::{Clock, SystemClock, Timestamp};
pub use diagnostic::{Diagnostic, Severity, SourceText, Span};
pub use hex::hex;
pub use id::{InstanceId, RunId, StageId, StepId};
pub use locked::Locked;
pub use reason::{Outcome, Reason, RetryClass};
pub use secret::{Secret, SecretTooShort};
pub use tree::Tree;
pub use units::Bytes;
