//! The output of `run --image`: the program's own bytes, both streams apart, and nothing else.

use std::io::Write;

use super::Reader;
use super::ansi::one_line;
use super::sink::Sink;
use super::words::{count, how, join_message, words};
use crate::base::Outcome;
use crate::event::{Event, EventKind, RunState, Stream};

/// Passes output through untouched; how the program ended, when it did not pass, goes to `err`.
pub struct Raw {
    out: Sink,
    err: Sink,
    told: bool,
}

impl Raw {
    /// A reader that writes the program's standard output to `out`, and its standard error to `err`.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self { out: Sink::new(out), err: Sink::new(err), told: false }
    }
}

impl Reader for Raw {
    fn read(&mut self, event: &Event, _state: &RunState) {
        match &event.kind {
            EventKind::Output(output) if output.data.is_empty() && output.len > 0 => {
                let lost =
                    format!("{} of output could not be read from the log\n", count(output.len, "byte"));
                self.err.write(lost.as_bytes());
            }
            EventKind::Output(output) => match output.stream {
                Stream::Stdout => self.out.write(&output.data),
                Stream::Stderr => self.err.write(&output.data),
            },
            EventKind::StepEnded { end, allowed, .. } if end.outcome != Outcome::Passed => {
                self.told = true;
                self.err.write(format!("{}\n", how(end, *allowed)).as_bytes());
            }
            EventKind::RunEnded { outcome, reason, message } if *outcome != Outcome::Passed && !self.told => {
                let because = join_message(reason.map(words).unwrap_or_default(), message.as_deref());
                let line = format!("{outcome}: {}\n", one_line(&because));
                self.err.write(line.as_bytes());
            }
            EventKind::StepEnded { .. }
            | EventKind::RunEnded { .. }
            | EventKind::RunStarted { .. }
            | EventKind::StageStarted { .. }
            | EventKind::ServiceStarted { .. }
            | EventKind::ServiceReady { .. }
            | EventKind::ServiceEnded { .. }
            | EventKind::ImagePullStarted { .. }
            | EventKind::ImagePullProgressed { .. }
            | EventKind::ImagePulled { .. }
            | EventKind::GateReached { .. }
            | EventKind::GateAnswered { .. }
            | EventKind::WaitStarted { .. }
            | EventKind::WaitEnded { .. }
            | EventKind::StepStarted { .. }
            | EventKind::OutputsWritten { .. }
            | EventKind::AttemptEnded { .. }
            | EventKind::StageEnded { .. }
            | EventKind::Warned { .. }
            | EventKind::CancelRequested { .. }
            | EventKind::CleanupFailed { .. } => {}
        }
    }

    fn name(&self) -> &'static str {
        "raw"
    }

    fn failure(&self) -> Option<String> {
        self.out.failure().or_else(|| self.err.failure())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::End;
    use crate::report::samples::{Recording, Screen};

    #[test]
    fn streams_stay_apart_and_untouched() {
        let mut run = Recording::start();
        run.step_started(10, "unit", 1);
        run.print(20, "unit", 1, Stream::Stdout, b"\x1b[2J\xff partial");
        run.print(20, "unit", 1, Stream::Stderr, b"oops\n");
        run.step_ended(30, "unit", End { duration_ms: 20, ..End::exited(3) });
        let (out, err) = (Screen::default(), Screen::default());
        run.show(&mut Raw::new(out.writer(), err.writer()));
        assert_eq!(out.bytes(), b"\x1b[2J\xff partial");
        assert_eq!(err.text(), "oops\nfailed: exit code 3 in 0.0s\n");
    }
}
