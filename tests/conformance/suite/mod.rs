//! The conformance suite: pipelines with what must come of them, and one runner that puts any backend
//! through them. A test program includes this module and hands in its backend as a [`Bench`].
//!
//! It judges by what a user can see: outcomes, reasons, exit codes, attempts, log lines and files.
//! It never looks into a backend, and no case says how long something takes.

mod case;
mod laws;
mod outline;
mod run;
mod tapped;

pub use case::{Case, all};
pub use run::{Bench, Report, check, run, run_all};
pub use tapped::{Ask, Faults};
