//! The engine on the fake backend, on tokio's paused clock: no test sleeps, every test sees events.

mod cancelling;
mod conditions;
mod failures;
mod gates;
mod lookahead;
mod order;
mod output;
mod outputs;
mod services;
mod sizes;
mod waiting;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Gates, Job, Nobody, Nothing, Options, Outside, Unshared, cancel, run};
use crate::backend::fake::{Call, Fake};
use crate::backend::policy::{Policy, Trust};
use crate::base::masker::Masker;
use crate::base::{Bytes, Clock, Reason, RunId, Secret, StepId, Timestamp};
use crate::event::log::{LogWriter, Logs};
use crate::event::{CancelLevel, Event, EventKind, Phase, RunState, SourceSummary, Stream};
use crate::plan::sample::{needs, plan, script, stage, step};
use crate::plan::{After, AllowFailure, Condition, Needs, OnStepFailure, Plan, Retry, Step};

/// Tokio's paused clock as the engine's.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A step and its attempt.
type Key = (StepId, u32);

/// Logs in memory, on a disk that may be full.
#[derive(Clone, Default)]
struct MemoryLogs {
    logs: Arc<Mutex<HashMap<Key, Vec<u8>>>>,
    room: Option<usize>,
}

struct MemoryLog {
    logs: MemoryLogs,
    key: Key,
}

impl Logs for MemoryLogs {
    fn open(&self, step: &StepId, attempt: u32) -> io::Result<Box<dyn LogWriter>> {
        Ok(Box::new(MemoryLog { logs: self.clone(), key: (step.clone(), attempt) }))
    }
}

impl LogWriter for MemoryLog {
    fn append(&mut self, _stream: Stream, _at: Timestamp, bytes: &[u8]) -> io::Result<u64> {
        let mut logs = self.logs.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.entry(self.key.clone()).or_default();
        if self.logs.room.is_some_and(|room| log.len() + bytes.len() > room) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let offset = log.len();
        log.extend_from_slice(bytes);
        Ok(offset as u64)
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run to be made.
struct Setup {
    plan: Plan,
    fake: Fake,
    jobs: usize,
    lookahead: bool,
    masker: Masker,
    logs: MemoryLogs,
    secrets: BTreeMap<String, Secret>,
    cancels: Vec<(Duration, CancelLevel)>,
    gates: Arc<dyn Gates>,
    outside: Arc<dyn Outside>,
}

/// A run that was made.
struct Ran {
    events: Vec<Event>,
    state: RunState,
    fake: Fake,
    took: Duration,
    logs: MemoryLogs,
}

fn setup(plan: Plan) -> Setup {
    Setup {
        plan,
        fake: Fake::new(),
        jobs: 8,
        lookahead: true,
        masker: Masker::none(),
        logs: MemoryLogs::default(),
        secrets: BTreeMap::new(),
        cancels: vec![],
        gates: Arc::new(Nobody),
        outside: Arc::new(Nothing),
    }
}

impl Setup {
    fn jobs(self, jobs: usize) -> Self {
        Self { jobs, ..self }
    }

    fn fake(self, fake: Fake) -> Self {
        Self { fake, ..self }
    }

    /// Asks for the end by the user, so many seconds after the start.
    fn cancel(mut self, seconds: f64, level: CancelLevel) -> Self {
        self.cancels.push((Duration::from_secs_f64(seconds), level));
        self
    }

    async fn run(self) -> Ran {
        let plan = Arc::new(self.plan);
        let (handle, cancel) = cancel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&events);
        let job = Job {
            run: RunId::new("run-1"),
            plan: Arc::clone(&plan),
            session: self.fake.session(),
            backend: "fake (in memory)".to_owned(),
            source: SourceSummary::default(),
            notes: vec![],
            env: BTreeMap::new(),
            overrides: BTreeMap::new(),
            options: Options { jobs: self.jobs, log_limit: Bytes(1 << 20), lookahead: self.lookahead },
            secrets: self.secrets,
            policy: Arc::new(Policy { trust: Trust::Trusted, ..Policy::default() }),
            masker: self.masker,
            slots: Arc::new(Unshared),
            gates: self.gates,
            outside: self.outside,
            logs: Arc::new(self.logs.clone()),
            hint: Some(Box::new(|| Some("a hint".to_owned()))),
            clock: Arc::new(PausedClock(Instant::now())),
            cancel,
            emit: Box::new(move |event| taken.lock().expect("no test panics in here").push(event)),
        };
        for (at, level) in self.cancels {
            let handle = handle.clone();
            if at.is_zero() {
                handle.request(level, Reason::CancelledByUser);
                continue;
            }
            tokio::spawn(async move {
                tokio::time::sleep(at).await;
                handle.request(level, Reason::CancelledByUser);
            });
        }
        let start = Instant::now();
        let state = run(job).await;
        let took = start.elapsed();
        let events = std::mem::take(&mut *events.lock().expect("no test panics in here"));
        let ran = Ran { events, state, fake: self.fake, took, logs: self.logs };
        ran.hold_true(&plan);
        ran
    }
}

impl Ran {
    /// What is true of every run.
    fn hold_true(&self, plan: &Plan) {
        let mut replayed = RunState::new(plan);
        for (number, event) in self.events.iter().enumerate() {
            assert_eq!(event.seq, number as u64, "numbers have no gap");
            replayed.apply(event);
        }
        assert_eq!(replayed, self.state, "a replay arrives at the same state");
        assert!(matches!(self.events.first().map(|event| &event.kind), Some(EventKind::RunStarted { .. })));
        assert!(matches!(self.events.last().map(|event| &event.kind), Some(EventKind::RunEnded { .. })));
        let mut ended: BTreeMap<&StepId, usize> = BTreeMap::new();
        for event in &self.events {
            match &event.kind {
                EventKind::StepEnded { step, .. } => *ended.entry(step).or_default() += 1,
                EventKind::Output(output) => {
                    assert!(!ended.contains_key(&output.step), "output comes before");
                }
                _ => {}
            }
        }
        assert!(ended.values().all(|count| *count == 1), "a step ends once: {ended:?}");
        let left = self.state.cancel.is_some_and(|(level, _)| level == CancelLevel::Leave);
        assert!(left || self.state.steps.values().all(|step| step.phase == Phase::Ended), "every step ended");
        let calls = self.fake.calls();
        assert!(!calls.iter().any(|call| matches!(call, Call::Clashed(_))), "lanes are kept");
        let named = !self.state.cleanup_failures.is_empty();
        assert!(left || named || calls.contains(&Call::Closed), "the session was closed");
    }

    /// The events in short, without output and progress.
    fn story(&self) -> Vec<String> {
        self.events.iter().filter_map(|event| tell(&event.kind)).collect()
    }

    /// How each step ended, in the order of the file: `a passed, b skipped dependency_failed`.
    fn ends(&self) -> String {
        let steps = self.state.stages.iter().flat_map(|stage| &stage.steps);
        let ends = steps.map(|id| {
            let end = self.state.steps[id].end.as_ref();
            let word = end.map_or("nothing".to_owned(), |end| ending(end.outcome.word(), end.reason));
            format!("{id} {word}")
        });
        ends.collect::<Vec<_>>().join(", ")
    }

    /// How the run ended.
    fn verdict(&self) -> String {
        ending(self.state.outcome.map_or("nothing", |outcome| outcome.word()), self.state.reason)
    }

    /// Everything a step printed, as events.
    fn printed(&self, step: &str) -> String {
        let outputs = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Output(output) if output.step.as_str() == step => Some(&output.data),
            _ => None,
        });
        String::from_utf8_lossy(&outputs.flatten().copied().collect::<Vec<u8>>()).into_owned()
    }
}

fn ending(word: &str, reason: Option<Reason>) -> String {
    reason.map_or(word.to_owned(), |reason| format!("{word} {reason}"))
}

fn tell(kind: &EventKind) -> Option<String> {
    Some(match kind {
        EventKind::RunStarted { .. } => "run started".to_owned(),
        EventKind::StageStarted { stage } => format!("stage {stage} started"),
        EventKind::ImagePullStarted { image } => format!("pull {image}"),
        EventKind::ImagePulled { image } => format!("pulled {image}"),
        EventKind::GateReached { step, question } => format!("{step} asks: {question}"),
        EventKind::GateAnswered { step, opened, message } => {
            format!("{step} {}: {message}", if *opened { "opened" } else { "declined" })
        }
        EventKind::WaitStarted { step, kind, what } => format!("{step} waits for {} {what}", kind.noun()),
        EventKind::WaitEnded { step } => format!("{step} has it"),
        EventKind::ServiceStarted { step, service, .. } => format!("{step}.{service} started"),
        EventKind::ServiceReady { step, service, .. } => format!("{step}.{service} ready"),
        EventKind::ServiceEnded { step, service, failed, message, last_lines, .. } => {
            let failed = if *failed { "failed" } else { "over" };
            format!("{step}.{service} {failed}: {message} {last_lines:?}")
        }
        EventKind::StepStarted { step, attempt: 1 } => format!("{step} started"),
        EventKind::StepStarted { step, attempt } => format!("{step} started, attempt {attempt}"),
        EventKind::AttemptEnded { step, attempt, end, retry: true } => {
            format!("{step} attempt {attempt} {}", ending(end.outcome.word(), end.reason))
        }
        EventKind::StepEnded { step, end, allowed } => {
            let allowed = if *allowed { ", allowed" } else { "" };
            format!("{step} {}{allowed}", ending(end.outcome.word(), end.reason))
        }
        EventKind::StageEnded { stage, outcome } => format!("stage {stage} {outcome}"),
        EventKind::Warned { message, .. } => format!("warned: {message}"),
        EventKind::CancelRequested { level, reason } => format!("cancel {level:?} {reason}").to_lowercase(),
        EventKind::CleanupFailed { message } => format!("left: {message}"),
        EventKind::RunEnded { outcome, reason, .. } => format!("run {}", ending(outcome.word(), *reason)),
        EventKind::OutputsWritten { step, outputs, .. } => format!("{step} wrote {outputs:?}"),
        EventKind::ImagePullProgressed { .. } | EventKind::Output(_) | EventKind::AttemptEnded { .. } => {
            return None;
        }
    })
}

fn id(text: &str) -> StepId {
    StepId::new(text)
}

/// The step, judged like this.
fn after(step: Step, after: After) -> Step {
    Step { after, ..step }
}

#[track_caller]
fn position(story: &[String], line: &str) -> usize {
    story.iter().position(|told| told == line).unwrap_or_else(|| panic!("`{line}` is not in {story:#?}"))
}
