//! How a step, stage or run ended, and why: one closed list, the same word on every backend
//! (language L9).

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a step, stage or run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it was asked to do.
    Passed,
    /// The program, its image or its definition is at fault.
    Failed,
    /// The place it ran in was lost; the program may be innocent.
    Lost,
    /// Somebody or something asked for its end.
    Cancelled,
    /// It never ran.
    Skipped,
}

/// Which `retry: for` word covers a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryClass {
    /// `failure`, or the exit code itself.
    Failure,
    /// `timeout`.
    Timeout,
    /// `infrastructure`.
    Infrastructure,
    /// No word covers it.
    Never,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $word:literal $outcome:ident $class:ident;)*) => {
        /// Why a step, stage or run did not simply pass.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of the language's table.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// The wire word.
            pub fn word(self) -> &'static str {
                match self { $(Reason::$variant => $word,)* }
            }

            /// The outcome this reason belongs to.
            pub fn outcome(self) -> Outcome {
                match self { $(Reason::$variant => Outcome::$outcome,)* }
            }

            /// The retry class this reason belongs to.
            pub fn retry_class(self) -> RetryClass {
                match self { $(Reason::$variant => RetryClass::$class,)* }
            }
        }
    };
}

reasons! {
    /// The program ended with a code other than 0.
    ExitCode "exit_code" Failed Failure;
    /// The program was ended by a signal that was not ours.
    Signal "signal" Failed Failure;
    /// The kernel ended the program for want of memory.
    OutOfMemory "out_of_memory" Failed Failure;
    /// The program could not be executed at all.
    CouldNotStart "could_not_start" Failed Failure;
    /// The registry or daemon says that there is no such image.
    ImageNotFound "image_not_found" Failed Failure;
    /// The registry or the policy refuses the image.
    ImageRefused "image_refused" Failed Failure;
    /// The image is for another platform.
    ImageWrongPlatform "image_wrong_platform" Failed Failure;
    /// A service the step depends on ended early or never got ready.
    ServiceFailed "service_failed" Failed Failure;
    /// Declared outputs and written outputs differ.
    OutputInvalid "output_invalid" Failed Failure;
    /// A condition could not be evaluated.
    ConditionError "condition_error" Failed Failure;
    /// The step's own time limit.
    Timeout "timeout" Failed Timeout;
    /// The image could not be fetched, though it may exist.
    ImagePullFailed "image_pull_failed" Lost Infrastructure;
    /// The container daemon went away.
    DaemonLost "daemon_lost" Lost Infrastructure;
    /// The machine went away.
    NodeLost "node_lost" Lost Infrastructure;
    /// The node needed the place.
    Evicted "evicted" Lost Infrastructure;
    /// A more important pod needed the place.
    Preempted "preempted" Lost Infrastructure;
    /// Somebody removed the container.
    Deleted "deleted" Lost Infrastructure;
    /// No node can take it.
    Unschedulable "unschedulable" Lost Infrastructure;
    /// A quota forbids it.
    Quota "quota" Lost Infrastructure;
    /// The windlass process itself went away or broke.
    RunnerLost "runner_lost" Lost Infrastructure;
    /// The user asked for the end.
    CancelledByUser "cancelled_by_user" Cancelled Never;
    /// A step of the same stage failed.
    CancelledBySibling "cancelled_by_sibling" Cancelled Never;
    /// The run's time limit.
    RunTimeout "run_timeout" Cancelled Never;
    /// A newer run took its place.
    Superseded "superseded" Cancelled Never;
    /// Its own condition was false.
    ConditionFalse "condition_false" Skipped Never;
    /// Something it needs did not do what was needed.
    DependencyFailed "dependency_failed" Skipped Never;
    /// The command line selected other steps.
    NotSelected "not_selected" Skipped Never;
    /// A gate was declined.
    GateDeclined "gate_declined" Skipped Never;
    /// A tool it needs is not available here.
    ToolNotAvailable "tool_not_available" Skipped Never;
}

impl Outcome {
    /// The outcome as one word, as printed and as on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Lost => "lost",
            Outcome::Cancelled => "cancelled",
            Outcome::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_word_is_what_serde_writes() {
        for reason in Reason::ALL {
            let json = serde_json::to_string(reason).expect("a reason is plain data");
            assert_eq!(json, format!("\"{}\"", reason.word()));
        }
    }

    #[test]
    fn only_lost_is_infrastructure() {
        for reason in Reason::ALL {
            assert_eq!(
                reason.outcome() == Outcome::Lost,
                reason.retry_class() == RetryClass::Infrastructure,
                "{reason}"
            );
        }
    }
}
