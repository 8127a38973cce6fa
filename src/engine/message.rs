//! What the dispatcher and its tasks say to each other. Nobody else sees it.

use tokio::sync::OwnedSemaphorePermit;

use super::gates::Answer;
use super::outputs::Outputs;
use crate::backend::{PullProgress, StartError};
use crate::base::Reason;
use crate::event::{End, EventKind, Output};

/// Said to the dispatcher.
pub(super) enum Message {
    /// By the task of an attempt.
    Attempt {
        /// The step's position.
        step: usize,
        /// From 1.
        attempt: u32,
        /// What happened.
        news: News,
    },
    /// By the task that sees to what holds a step.
    Held {
        /// The step's position.
        step: usize,
        /// What came of it.
        news: Held,
    },
    /// By the task of a service: a fact, to be told as it is.
    Fact(EventKind),
    /// By the task that fetches an image: so far is it.
    Pulling(String, PullProgress),
    /// It is there, after it had to be fetched.
    Pulled(String),
}

/// What happened to an attempt.
pub(super) enum News {
    /// Its program is let go.
    Started,
    /// It printed something; the room that this takes is free again when it is dropped.
    Output(Output, OwnedSemaphorePermit),
    /// The user should know.
    Warned(String),
    /// It wrote outputs.
    Outputs(Outputs),
    /// It ended. Nothing follows.
    Ended(End),
}

/// What became of something that holds a step.
pub(super) enum Held {
    /// Its gate was answered.
    Answered(Answer),
    /// What it waits for is there, or the step ends without.
    Waited(Result<(), End>),
    /// Whoever was to see to it broke.
    Broke(End),
}

/// Said to the task of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Let the program run as soon as it can.
    Go,
    /// End it: TERM, then KILL after the grace.
    Stop(Reason),
    /// End it: KILL.
    Kill(Reason),
    /// It is not wanted after all; nobody wants to hear of it.
    Drop,
}

/// Whether an image is there, once that is known.
pub(super) type ImageReady = tokio::sync::watch::Receiver<Option<Result<(), StartError>>>;
