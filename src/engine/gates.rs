//! Who is asked whether a step may start (language L29). The engine only asks.

use futures_util::future::BoxFuture;

use crate::base::StepId;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The step whose turn has come.
    pub step: StepId,
    /// The step of the file that it is, or is an instance of; what opens it is called by this name.
    pub of: StepId,
    /// What it is called.
    pub name: String,
    /// What the file wants to be asked.
    pub question: String,
}

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may start; how the answer came: `by --approve`.
    Opened(String),
    /// It may not; why, or who says so.
    Declined(String),
}

/// Answers the gates of a run; those of steps that run at the same time are asked at the same time.
pub trait Gates: Send + Sync {
    /// Waits for an answer.
    ///
    /// # Cancel safety
    /// A dropped future takes its question back.
    fn ask(&self, gate: Gate) -> BoxFuture<'_, Answer>;
}

/// Nobody, who opens no gate.
pub struct Nobody;

impl Gates for Nobody {
    fn ask(&self, gate: Gate) -> BoxFuture<'_, Answer> {
        let message = format!("there is nobody to ask; `--approve {}` opens it", gate.of);
        Box::pin(async { Answer::Declined(message) })
    }
}
