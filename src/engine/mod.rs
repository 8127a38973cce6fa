//! Runs a plan on a backend: one dispatcher that owns all state and gives every event its number, one
//! task for each attempt of a step, and between them messages one way and orders the other.
//!
//! ```text
//!            decisions                 orders
//! schedule ───────────▶ dispatcher ───────────▶ executor ──▶ backend
//!     ▲                  │      ▲                   │
//!     └── what ended ────┤      └──── messages ─────┘
//!                        └──▶ events
//! ```
//!
//! It never reads a file format, never prints, and does no input or output but through the backend,
//! the logs, the gates, the look outside and the clock that it is handed.

mod alarm;
mod cancel;
mod convert;
mod dispatcher;
mod environment;
mod executor;
mod gates;
mod hide;
mod images;
mod message;
mod output;
mod outputs;
mod outside;
mod preview;
mod retry;
mod schedule;
mod services;
mod slots;
mod verdict;
mod world;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use cancel::{Cancel, CancelHandle, cancel};
pub use convert::unsupported;
pub use environment::{BuiltIn, built_ins};
pub use gates::{Answer, Gate, Gates, Nobody};
pub use outside::{Found, Nothing, Outside};
pub use preview::preview;
pub use slots::{Slot, Slots, Unshared};

use crate::backend::Session;
use crate::backend::policy::Policy;
use crate::base::masker::Masker;
use crate::base::{Bytes, Clock, RunId, Secret};
use crate::event::log::Logs;
use crate::event::{Event, RunState, SourceSummary};
use crate::plan::Plan;

/// Takes every event of a run, in order. Called by the dispatcher itself, so it must not block.
pub type Emit = Box<dyn FnMut(Event) + Send>;

/// Says why a program may have failed, when the machine knows something about that.
pub type Hint = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// Everything that one run needs.
pub struct Job {
    /// The run's id.
    pub run: RunId,
    /// What to run; valid, and without anything that [`unsupported`] names.
    pub plan: Arc<Plan>,
    /// Where to run it, opened already.
    pub session: Arc<dyn Session>,
    /// The backend, for people; its first word is what steps are told.
    pub backend: String,
    /// What is being run.
    pub source: SourceSummary,
    /// What the user should know first.
    pub notes: Vec<String>,
    /// Built-in environment that is the same for every step.
    pub env: BTreeMap<String, String>,
    /// The environment of `--env`, which wins over everything.
    pub overrides: BTreeMap<String, String>,
    /// Every secret that a step of the plan gets, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Limits and habits.
    pub options: Options,
    /// What containers may have; the backend asks the same one.
    pub policy: Arc<Policy>,
    /// Hides secrets in all output and messages.
    pub masker: Masker,
    /// Places for running steps, shared with other runs.
    pub slots: Arc<dyn Slots>,
    /// Answers the gates of steps.
    pub gates: Arc<dyn Gates>,
    /// Looks for what steps wait for.
    pub outside: Arc<dyn Outside>,
    /// Where output goes.
    pub logs: Arc<dyn Logs>,
    /// Asked about each program that failed by itself.
    pub hint: Option<Hint>,
    /// Where durations come from.
    pub clock: Arc<dyn Clock>,
    /// Asks for the end.
    pub cancel: Cancel,
    /// Takes the events.
    pub emit: Emit,
}

/// Limits and habits of a run that are not part of its plan.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps that run at the same time, at most.
    pub jobs: usize,
    /// Output of one attempt that is kept.
    pub log_limit: Bytes,
    /// Whether containers are started one step ahead and held.
    pub lookahead: bool,
}

/// Runs a plan to its end, closes the session, and answers with the state that the events add up to.
/// The last event is always `RunEnded`.
///
/// # Cancel safety
/// Dropping the future kills what runs, as far as the backend still can, and closes nothing; ask for
/// the end through [`CancelHandle`] instead.
pub async fn run(job: Job) -> RunState {
    dispatcher::Dispatcher::new(job).run().await
}
