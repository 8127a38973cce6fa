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

pub use case::all;
pub use run::{Bench, check};

/// For the tests of the suite itself, which one program alone has.
#[allow(unused_imports, reason = "the others put their backend through the cases, and no more")]
pub use self::{
    case::Case,
    run::run,
    tapped::{Ask, Faults},
};
