//! The exit codes: the only place with their numbers.
//!
//! `docs/exit-codes.md` is this table, compared by a test. Numbers are never used for another
//! meaning.

use crate::base::{Outcome, Reason};
use crate::event::RunState;
use crate::runner::Class;

macro_rules! exits {
    ($($variant:ident $code:literal $meaning:literal;)*) => {
        /// How the program ended, as its exit code says it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Exit {
            $(#[doc = $meaning] $variant,)*
            /// The failed step's own code (`--propagate-exit`).
            Step(u8),
        }

        impl Exit {
            /// The table: every code with its meaning.
            #[cfg(test)]
            const TABLE: &'static [(u8, &'static str)] = &[$(($code, $meaning),)*];

            /// The number.
            pub(super) fn code(self) -> u8 {
                match self {
                    $(Exit::$variant => $code,)*
                    Exit::Step(code) => code,
                }
            }
        }
    };
}

exits! {
    Passed 0 "every required step passed, or the command did what it was asked to do";
    StepFailed 1 "a required step failed";
    Usage 2 "the command line, the settings, an input, a secret or the source is wrong";
    Invalid 3 "the pipeline is not valid, or is refused";
    NothingSelected 4 "the command line selects no step";
    BackendUnavailable 5 "the backend is not available";
    StepLost 6 "a required step was lost, or `clean` could not finish";
    StoreUnusable 7 "the state directory is not usable";
    OutputFailed 8 "a requested output could not be written";
    Bug 70 "windlass itself is at fault";
    RunTimeout 124 "the run's time limit was reached";
    Hangup 129 "ended by SIGHUP, after clean-up";
    Interrupt 130 "ended by SIGINT (Ctrl-C), after clean-up";
    Terminate 143 "ended by SIGTERM, after clean-up";
}

impl Exit {
    /// The code of a run that ended. When several apply: a bug, a signal, the run's time limit, a
    /// failed step, a lost step.
    pub(super) fn of_run(state: &RunState, signal: Option<Exit>, propagate: bool) -> Self {
        let ended = |reason| {
            state.steps.values().filter_map(|step| step.end.as_ref()).any(|end| end.reason == reason)
        };
        // A run that reports its own runner as lost had a task that panicked.
        if ended(Some(Reason::RunnerLost)) || state.reason == Some(Reason::RunnerLost) {
            return Exit::Bug;
        }
        if let Some(signal) = signal {
            return signal;
        }
        if matches!(state.cancel, Some((_, Reason::RunTimeout))) {
            return Exit::RunTimeout;
        }
        match state.outcome {
            Some(Outcome::Passed | Outcome::Skipped) => Exit::Passed,
            Some(Outcome::Lost) => Exit::StepLost,
            Some(Outcome::Failed) if propagate => first_failure(state).unwrap_or(Exit::StepFailed),
            // Cancelled by nobody who has a code of his own: the pipeline did not pass.
            Some(Outcome::Failed | Outcome::Cancelled) => Exit::StepFailed,
            None => Exit::Bug,
        }
    }

    /// The code of something that could not begin.
    pub(super) fn of_class(class: Class) -> Self {
        match class {
            Class::Usage => Exit::Usage,
            Class::Invalid => Exit::Invalid,
            Class::Backend => Exit::BackendUnavailable,
            Class::Store => Exit::StoreUnusable,
            Class::Bug => Exit::Bug,
        }
    }
}

/// The own code of the first step that failed, as a shell would give it.
fn first_failure(state: &RunState) -> Option<Exit> {
    state.failed.iter().find_map(|step| {
        let end = state.steps.get(step)?.end.as_ref()?;
        let code = end.exit_code.or_else(|| end.signal.map(|signal| 128 + signal))?;
        u8::try_from(code).ok().filter(|code| *code != 0).map(Exit::Step)
    })
}

#[cfg(test)]
mod tests;
