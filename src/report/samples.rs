//! What tests of readers and of the store run on: a plan, a recorded stream, a screen.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::{LogSource, Reader, replay};
use crate::base::{Outcome, Reason, RunId, StageId, StepId, Timestamp};
use crate::event::{End, Event, EventKind, Output, RunState, SourceSummary, Stream, VERSION};
use crate::plan::{Plan, Step, sample};

pub(crate) const RUN: &str = "01jd9h2k3m4n5p6q7r8s9t0vwx";

/// The plan that most tests use.
pub(crate) fn shop() -> Plan {
    let unit = Step { name: "unit (features=tls)".to_owned(), ..sample::step("unit-1") };
    let stages = [
        sample::stage("build", [sample::step("compile")]),
        sample::stage("test", [unit, sample::step("lint")]),
        sample::stage("deploy", [sample::step("push")]),
    ];
    Plan { name: "shop".to_owned(), ..sample::plan(stages) }
}

/// A stream as it is made, with the logs it points into.
pub(crate) struct Recording {
    pub(crate) plan: Plan,
    pub(crate) events: Vec<Event>,
    pub(crate) logs: Arc<MemoryLogs>,
}

impl Recording {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, events: Vec::new(), logs: Arc::default() }
    }

    /// A stream that has begun, of [`shop`].
    pub(crate) fn start() -> Self {
        let mut run = Self::new(shop());
        run.run_started();
        run
    }

    pub(crate) fn run_started(&mut self) {
        let source = SourceSummary {
            location: "/home/me/shop".into(),
            commit: Some("1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b".into()),
            reference: Some("main".into()),
            changed: 3,
            untracked: 1,
            ignored: 2,
            in_place: None,
        };
        self.push(
            0,
            EventKind::RunStarted {
                version: VERSION,
                pipeline: self.plan.name.clone(),
                backend: "docker 20.10.24 (unix:///var/run/docker.sock)".into(),
                source,
                notes: vec!["memory limits are not enforced here".into()],
            },
        );
    }

    pub(crate) fn push(&mut self, elapsed_ms: u64, kind: EventKind) {
        let event = Event {
            run: RunId::new(RUN),
            seq: self.events.len() as u64,
            at: Timestamp(1_700_000_000_000 + elapsed_ms),
            elapsed_ms,
            kind,
        };
        self.events.push(event);
    }

    pub(crate) fn stage_started(&mut self, ms: u64, stage: &str) {
        self.push(ms, EventKind::StageStarted { stage: StageId::new(stage) });
    }

    pub(crate) fn stage_ended(&mut self, ms: u64, stage: &str, outcome: Outcome) {
        self.push(ms, EventKind::StageEnded { stage: StageId::new(stage), outcome });
    }

    pub(crate) fn step_started(&mut self, ms: u64, step: &str, attempt: u32) {
        self.push(ms, EventKind::StepStarted { step: StepId::new(step), attempt });
    }

    pub(crate) fn print(&mut self, ms: u64, step: &str, attempt: u32, stream: Stream, bytes: &[u8]) {
        let step = StepId::new(step);
        let offset = self.logs.append(&step, attempt, stream, bytes);
        let data = Bytes::copy_from_slice(bytes);
        let output = Output { step, attempt, stream, offset, len: bytes.len() as u64, data };
        self.push(ms, EventKind::Output(output));
    }

    pub(crate) fn attempt_ended(&mut self, ms: u64, step: &str, attempt: u32, end: &End, retry: bool) {
        self.push(ms, EventKind::AttemptEnded { step: StepId::new(step), attempt, end: end.clone(), retry });
    }

    /// The end of a step's first and last attempt, or of a step that never ran.
    pub(crate) fn step_ended(&mut self, ms: u64, step: &str, end: End) {
        if end.outcome != Outcome::Skipped {
            self.attempt_ended(ms, step, 1, &end, false);
        }
        self.push(ms, EventKind::StepEnded { step: StepId::new(step), end, allowed: false });
    }

    pub(crate) fn run_ended(&mut self, ms: u64, outcome: Outcome, reason: Option<Reason>) {
        self.push(ms, EventKind::RunEnded { outcome, reason, message: None });
    }

    /// Shows the stream as it came, with its bytes.
    pub(crate) fn show(&self, reader: &mut dyn Reader) {
        let mut state = RunState::new(&self.plan);
        for event in &self.events {
            state.apply(event);
            reader.read(event, &state);
        }
        reader.finish();
    }

    /// Shows the stream as it is after it was stored: without bytes.
    pub(crate) fn show_again(&self, reader: &mut dyn Reader) {
        replay(&self.plan, self.without_bytes(), self.logs.as_ref(), reader);
    }

    pub(crate) fn without_bytes(&self) -> Vec<Event> {
        let mut events = self.events.clone();
        for event in &mut events {
            if let EventKind::Output(output) = &mut event.kind {
                output.data = Bytes::new();
            }
        }
        events
    }
}

pub(crate) fn took(duration_ms: u64, end: End) -> End {
    End { duration_ms, ..end }
}

/// A run with a failed test, a retry, an allowed failure and a step that is skipped for it.
pub(crate) fn failed_run() -> Recording {
    let mut run = Recording::start();
    run.stage_started(100, "build");
    run.step_started(100, "compile", 1);
    run.print(200, "compile", 1, Stream::Stderr, b"\x1b[32m   Compiling\x1b[0m shop v0.1.0\n");
    run.step_ended(2100, "compile", took(2000, End::exited(0)));
    run.stage_ended(2100, "build", Outcome::Passed);
    run.stage_started(2200, "test");
    run.step_started(2200, "unit-1", 1);
    run.step_started(2200, "lint", 1);
    run.print(2300, "unit-1", 1, Stream::Stdout, b"running 2 tests\ntest a ... ok\ntest b ...");
    run.print(2300, "lint", 1, Stream::Stdout, b"10%\r50%\r100%\r\n");
    let lost = took(100, End::because(Reason::DaemonLost, Some("connection reset".into())));
    run.attempt_ended(2400, "lint", 1, &lost, true);
    run.step_started(2500, "lint", 2);
    let passed = took(500, End::exited(0));
    run.attempt_ended(3000, "lint", 2, &passed, false);
    run.push(3000, EventKind::StepEnded { step: StepId::new("lint"), end: passed, allowed: false });
    run.print(5300, "unit-1", 1, Stream::Stdout, b" FAILED\n\nassertion failed: 1 == 2\n");
    run.print(5300, "unit-1", 1, Stream::Stderr, b"error: test failed");
    run.step_ended(5400, "unit-1", took(3200, End::exited(101)));
    run.stage_ended(5400, "test", Outcome::Failed);
    run.step_ended(5400, "push", End::skipped(Reason::DependencyFailed, Some("unit-1 failed".into())));
    run.stage_ended(5400, "deploy", Outcome::Skipped);
    run.run_ended(5500, Outcome::Failed, Some(Reason::ExitCode));
    run
}

/// A log with the stream of each byte.
type Log = Vec<(Stream, u8)>;

/// Logs in memory.
#[derive(Default)]
pub(crate) struct MemoryLogs {
    logs: Mutex<BTreeMap<(StepId, u32), Log>>,
}

impl MemoryLogs {
    pub(crate) fn append(&self, step: &StepId, attempt: u32, stream: Stream, bytes: &[u8]) -> u64 {
        let mut logs = self.logs.lock().expect("no test panics here");
        let log = logs.entry((step.clone(), attempt)).or_default();
        let offset = log.len() as u64;
        log.extend(bytes.iter().map(|byte| (stream, *byte)));
        offset
    }
}

impl LogSource for MemoryLogs {
    fn read(&self, step: &StepId, attempt: u32, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let logs = self.logs.lock().expect("no test panics here");
        let log = logs.get(&(step.clone(), attempt)).ok_or(io::ErrorKind::NotFound)?;
        let (skip, take) = (place(offset), place(len));
        Ok(log.iter().skip(skip).take(take).map(|(_, byte)| *byte).collect())
    }

    fn stream_at(&self, step: &StepId, attempt: u32, offset: u64) -> io::Result<(Stream, u64)> {
        let logs = self.logs.lock().expect("no test panics here");
        let log = logs.get(&(step.clone(), attempt)).ok_or(io::ErrorKind::NotFound)?;
        let rest = &log[place(offset)..];
        let stream = rest.first().ok_or(io::ErrorKind::UnexpectedEof)?.0;
        let same = rest.iter().take_while(|(other, _)| *other == stream).count();
        Ok((stream, offset + same as u64))
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("logs in memory are small")
}

/// A writer that keeps what is written.
#[derive(Clone, Default)]
pub(crate) struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    pub(crate) fn writer(&self) -> Box<dyn Write + Send> {
        Box::new(self.clone())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no test panics here").clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes()).expect("displays write UTF-8")
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics here").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
