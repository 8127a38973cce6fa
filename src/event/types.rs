//! The events of stream version 1.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::base::{Outcome, Reason, RunId, StageId, StepId, Timestamp};
use crate::plan::Awaited;

/// The version of the stream, named in [`EventKind::RunStarted`].
pub const VERSION: u32 = 1;

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The run it belongs to.
    pub run: RunId,
    /// From 0, without a gap.
    pub seq: u64,
    /// Wall clock, in milliseconds since 1970 UTC.
    pub at: Timestamp,
    /// Monotonic milliseconds since the run's start.
    pub elapsed_ms: u64,
    /// What happened.
    #[serde(rename = "event")]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// The run began.
    RunStarted {
        /// Version of the stream.
        version: u32,
        /// The pipeline's name.
        pipeline: String,
        /// Where steps run, for people: `docker 20.10.24 (unix:///var/run/docker.sock)`.
        backend: String,
        /// What is being run.
        source: SourceSummary,
        /// What the user should know first: a default that cannot be enforced, copies instead of layers.
        notes: Vec<String>,
    },
    /// A stage's first step started.
    StageStarted {
        /// Which.
        stage: StageId,
    },
    /// An image was not there and is being fetched.
    ImagePullStarted {
        /// Its reference, or the path that it is loaded from.
        image: String,
    },
    /// Some of it arrived.
    ImagePullProgressed {
        /// Its reference, or the path that it is loaded from.
        image: String,
        /// Bytes so far.
        current: u64,
        /// Bytes in all, as far as known.
        total: u64,
    },
    /// It is there.
    ImagePulled {
        /// Its reference, or the path that it is loaded from.
        image: String,
    },
    /// A step's turn came, and somebody is asked whether it may start.
    GateReached {
        /// Which step.
        step: StepId,
        /// What is asked.
        question: String,
    },
    /// Somebody answered.
    GateAnswered {
        /// Which step.
        step: StepId,
        /// Whether it may start.
        opened: bool,
        /// How the answer came, for people.
        message: String,
    },
    /// A step's turn came, and it waits for something that is no step.
    WaitStarted {
        /// Which step.
        step: StepId,
        /// What kind of thing it waits for.
        kind: Awaited,
        /// Which one.
        what: String,
    },
    /// It is there. What never comes is said by the step's end.
    WaitEnded {
        /// Which step.
        step: StepId,
    },
    /// A service's program was let go.
    ServiceStarted {
        /// The step that it was started with, the first of its scope.
        step: StepId,
        /// The attempt of that step.
        attempt: u32,
        /// Its name. Its log is kept as that of the step `STEP.SERVICE`.
        service: String,
    },
    /// It is ready.
    ServiceReady {
        /// As when it was started.
        step: StepId,
        /// As when it was started.
        attempt: u32,
        /// Its name.
        service: String,
    },
    /// It ended before the steps it is for did, was not ready in time, or could not be started.
    ServiceEnded {
        /// As when it was started.
        step: StepId,
        /// As when it was started.
        attempt: u32,
        /// Its name.
        service: String,
        /// Whether that fails the steps it is for.
        failed: bool,
        /// How, for people.
        message: String,
        /// The last lines that it printed. Masked already.
        last_lines: Vec<String>,
    },
    /// An attempt's program was let go.
    StepStarted {
        /// Which step.
        step: StepId,
        /// From 1.
        attempt: u32,
    },
    /// An attempt's program printed something. Masked already.
    Output(Output),
    /// An attempt wrote outputs for later steps. None of them holds a secret.
    OutputsWritten {
        /// Which step.
        step: StepId,
        /// From 1.
        attempt: u32,
        /// Values by key.
        outputs: BTreeMap<String, String>,
    },
    /// An attempt ended; all its output came before.
    AttemptEnded {
        /// Which step.
        step: StepId,
        /// From 1.
        attempt: u32,
        /// How.
        end: End,
        /// Whether another attempt follows.
        retry: bool,
    },
    /// A step ended for good: its last attempt did, or it will never start.
    StepEnded {
        /// Which.
        step: StepId,
        /// How.
        end: End,
        /// Its failure does not count (`allow_failure`).
        allowed: bool,
    },
    /// The last step of a stage ended.
    StageEnded {
        /// Which.
        stage: StageId,
        /// The fold of its steps.
        outcome: Outcome,
    },
    /// The user should know.
    Warned {
        /// The step it is about.
        step: Option<StepId>,
        /// In words.
        message: String,
    },
    /// Somebody asked for the end.
    CancelRequested {
        /// How urgently.
        level: CancelLevel,
        /// Why.
        reason: Reason,
    },
    /// Something could not be removed; `windlass clean` will.
    CleanupFailed {
        /// What, and why not.
        message: String,
    },
    /// The run ended; nothing follows.
    RunEnded {
        /// The fold of its stages.
        outcome: Outcome,
        /// Why, when it did not simply pass.
        reason: Option<Reason>,
        /// For people.
        message: Option<String>,
    },
}

/// A piece of an attempt's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Which step.
    pub step: StepId,
    /// From 1.
    pub attempt: u32,
    /// Where it came out.
    pub stream: Stream,
    /// Where it begins in the stored log.
    pub offset: u64,
    /// How long it is in the stored log.
    pub len: u64,
    /// The bytes; empty when a reader lags so far behind that it must take them from the log.
    #[serde(skip)]
    pub data: Bytes,
}

/// Where output came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How urgently a run is to end (language L10); each level includes those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelLevel {
    /// No new step; what runs may finish.
    Drain,
    /// TERM, and KILL after the grace; then `finally`.
    Stop,
    /// KILL now, `finally` too.
    Kill,
    /// Exit; leave the rest to `windlass clean`.
    Leave,
}

/// How an attempt or a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How.
    pub outcome: Outcome,
    /// Why; none when it passed.
    pub reason: Option<Reason>,
    /// The program's code, when it ended by itself.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// For people: what the daemon or the kernel said.
    pub message: Option<String>,
    /// From *go* to the end, in milliseconds; 0 when it never ran.
    pub duration_ms: u64,
    /// What it used, when the backend could tell.
    pub usage: Option<Usage>,
}

/// What an attempt used and printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Highest memory use of the container, in bytes.
    pub peak_memory: u64,
    /// Processor time of all its processes, in milliseconds.
    pub cpu_ms: u64,
    /// Bytes it printed, before any limit.
    pub log_bytes: u64,
    /// sha256 of what it printed up to the limit, in hex, before masking.
    pub log_sha256: String,
    /// Bytes beyond the log limit, which were dropped.
    pub dropped_bytes: u64,
    /// Lines beyond the log limit, which were dropped.
    pub dropped_lines: u64,
    /// Something held its output open after it had ended, and was killed.
    pub leaky: bool,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: u32,
}

/// What is being run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSummary {
    /// The directory or URL, without credentials.
    pub location: String,
    /// The commit; none where there is no repository or no commit yet.
    pub commit: Option<String>,
    /// The branch or tag, when there is one.
    pub reference: Option<String>,
    /// Tracked files with uncommitted changes, which are in.
    pub changed: u64,
    /// Untracked files, which are in.
    pub untracked: u64,
    /// Ignored files and directories, which are left out.
    pub ignored: u64,
    /// Where the run works on a directory itself (`--in-place`).
    pub in_place: Option<PathBuf>,
}

impl End {
    /// The end of something that never ran.
    pub fn skipped(reason: Reason, message: Option<String>) -> Self {
        Self::because(reason, message)
    }

    /// An end for a reason alone, without a program's own code.
    pub fn because(reason: Reason, message: Option<String>) -> Self {
        Self {
            outcome: reason.outcome(),
            reason: Some(reason),
            exit_code: None,
            signal: None,
            message,
            duration_ms: 0,
            usage: None,
        }
    }

    /// A program's exit with a code.
    pub fn exited(code: i32) -> Self {
        Self {
            outcome: if code == 0 { Outcome::Passed } else { Outcome::Failed },
            reason: (code != 0).then_some(Reason::ExitCode),
            exit_code: Some(code),
            signal: None,
            message: None,
            duration_ms: 0,
            usage: None,
        }
    }
}
