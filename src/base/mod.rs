//! What every other room stands on: ids, source text, diagnostics, units, reasons, clocks, the
//! masker, the safe directory and the extractor of archives.
//!
//! Nothing here knows what a pipeline is, and nothing here imports another room.

pub mod archive;
pub mod awake;
pub mod clock;
pub mod diagnostic;
mod hex;
pub mod id;
pub mod masker;
pub mod pairs;
pub mod reason;
pub mod safe_dir;
mod secret;
pub mod tree;
pub mod units;

pub use clock::{Clock, SystemClock, Timestamp};
pub use diagnostic::{Diagnostic, Severity, SourceText, Span};
pub use hex::hex;
pub use id::{InstanceId, RunId, StageId, StepId};
pub use reason::{Outcome, Reason, RetryClass};
pub use secret::{Secret, SecretTooShort};
pub use tree::Tree;
pub use units::Bytes;
