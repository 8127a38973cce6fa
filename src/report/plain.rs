//! The default output: a header, `step │ line` for every line of every step, and the result tree.
//!
//! Everything goes to one writer and never moves back; what is not the run's own output goes to
//! [`Notices`] on another writer, on another thread, so that a stop is on the screen at once even
//! when the output lags.

use std::collections::BTreeMap;
use std::io::Write;

use super::ansi::{cut, one_line, printable};
use super::beside::Beside;
use super::lines::Lines;
use super::sink::Sink;
use super::style::{Paint, pad, width};
use super::summary::{Summary, Tail};
use super::words::{count, how, show_size};
use super::{Notices, Reader, Style};
use crate::base::{Outcome, Reason, RunId, StepId};
use crate::event::{End, Event, EventKind, Output, RunState, SourceSummary, StepState, Stream, Usage};
use crate::plan::Plan;

/// Bytes of a line that are kept for the end of the screen.
const TAIL_LINE: usize = 1 << 10;

/// Both readers of the default output: step lines and result on `out`, all else on `err`.
pub fn readers(
    plan: &Plan,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    style: Style,
) -> [Box<dyn Reader>; 2] {
    [Box::new(Plain::new(plan, out, style)), Box::new(Notices::new(plan, err, style))]
}

/// Writes the run as lines for people.
pub struct Plain {
    style: Style,
    out: Sink,
    /// Columns of the longest step name.
    column: usize,
    names: BTreeMap<StepId, String>,
    open: BTreeMap<StepId, [Lines; 2]>,
    tails: BTreeMap<StepId, Tail>,
    beside: Beside,
}

impl Plain {
    /// A reader that writes to `out`, which is asked for nothing but writes.
    pub fn new(plan: &Plan, out: Box<dyn Write + Send>, style: Style) -> Self {
        let names: BTreeMap<_, _> =
            plan.all_steps().map(|(_, step)| (step.id.clone(), one_line(&step.name))).collect();
        Self {
            style,
            out: Sink::new(out),
            column: names.values().map(|name| width(name)).max().unwrap_or_default(),
            names,
            open: BTreeMap::new(),
            tails: BTreeMap::new(),
            beside: Beside::new(plan),
        }
    }

    fn header(
        &self,
        run: &RunId,
        pipeline: &str,
        backend: &str,
        source: &SourceSummary,
        notes: &[String],
    ) -> String {
        let mut lines = vec![format!("{}  run {run} on {}", one_line(pipeline), one_line(backend))];
        if !source.location.is_empty() {
            lines.push(self.style.paint(Paint::Quiet, &source_line(source)));
        }
        lines.extend(notes.iter().map(|note| format!("note: {}", one_line(note))));
        lines.join("\n") + "\n"
    }

    /// The start of a line of a step.
    fn prefix(&self, step: &StepId, bar: &str) -> String {
        let name = self.names.get(step).map_or_else(|| one_line(step.as_str()), Clone::clone);
        self.style.paint(Paint::Quiet, &format!("{} {bar}", pad(&name, self.column)))
    }

    /// A line about a step, not of it.
    fn about(&self, step: &StepId, text: &str) -> String {
        let bar = self.style.draw("├", "|");
        format!("{} {}\n", self.prefix(step, bar), self.style.paint(Paint::Quiet, text))
    }

    fn output(&mut self, output: &Output) -> String {
        if output.data.is_empty() && output.len > 0 {
            let lost =
                format!("{} not shown: they could not be read from the log", count(output.len, "byte"));
            return self.about(&output.step, &lost);
        }
        let mut text = String::new();
        let mut lines = self.open.remove(&output.step).unwrap_or_default();
        let [stdout, stderr] = &mut lines;
        let stream = match output.stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        stream.push(&output.data, |line| self.line(&output.step, line, &mut text));
        self.open.insert(output.step.clone(), lines);
        text
    }

    /// Writes the lines that an ended attempt left without an end.
    fn close(&mut self, step: &StepId) -> String {
        let mut text = String::new();
        for mut lines in self.open.remove(step).into_iter().flatten() {
            lines.finish(|line| self.line(step, line, &mut text));
        }
        text
    }

    fn line(&mut self, step: &StepId, line: &[u8], text: &mut String) {
        let shown = printable(line, self.style.color);
        let bar = self.style.draw("│", "|");
        *text += self.prefix(step, bar).as_str();
        if !shown.is_empty() {
            text.push(' ');
            *text += &shown;
        }
        text.push('\n');
        let kept = cut(line, TAIL_LINE);
        let kept = if kept < line.len() { printable(&line[..kept], self.style.color) } else { shown };
        self.tails.entry(step.clone()).or_default().push(kept);
    }

    fn attempt_ended(&mut self, step: &StepId, attempt: u32, end: &End, retry: bool) -> String {
        let mut text = self.close(step);
        for remark in end.usage.as_ref().map(remarks).unwrap_or_default() {
            text += &self.about(step, &remark);
        }
        if retry {
            let again = format!("attempt {attempt} {}; trying again", how(end, false));
            text += &self.about(step, &again);
        }
        text
    }

    /// The last lines of a service that failed; they also stand under every step that fails with it.
    fn service_lines(&mut self, step: &StepId, service: &str, lines: &[String]) -> String {
        let lines = lines.iter().map(|line| printable(line.as_bytes(), self.style.color));
        let bar = self.style.draw("│", "|");
        let lines: Vec<String> = lines.map(|line| format!("{} {bar} {line}", one_line(service))).collect();
        let text = lines.iter().map(|line| self.about(step, line)).collect();
        self.beside.failed(step, service, lines);
        text
    }

    fn step_ended(&mut self, step: &StepId, end: &End, allowed: bool, state: &RunState) -> String {
        let text = self.close(step);
        let counted = state.steps.get(step).and_then(StepState::counted);
        let failed = matches!(counted, Some(Outcome::Failed | Outcome::Lost));
        if failed {
            let tail = self.tails.entry(step.clone()).or_default();
            self.beside.lines(step).for_each(|line| tail.push(line.clone()));
        } else {
            self.tails.remove(step);
        }
        // Whoever selects one step of a hundred knows that the others were not selected.
        if end.reason == Some(Reason::NotSelected) {
            return text;
        }
        let (_, paint) = self.style.mark(Some(end.outcome), allowed);
        let mut how = how(end, allowed);
        if state.steps.get(step).is_some_and(StepState::flaky) {
            how += " (flaky)";
        }
        let how = if failed { self.style.paint(paint, &how) } else { self.style.paint(Paint::Quiet, &how) };
        let end = self.prefix(step, self.style.draw("└", "|"));
        format!("{text}{end} {how}\n")
    }
}

impl Reader for Plain {
    fn read(&mut self, event: &Event, state: &RunState) {
        let text = match &event.kind {
            EventKind::RunStarted { pipeline, backend, source, notes, .. } => {
                self.header(&event.run, pipeline, backend, source, notes)
            }
            EventKind::GateReached { step, question } => {
                self.about(step, &format!("gate: {}", one_line(question)))
            }
            EventKind::GateAnswered { step, opened: true, message } => {
                self.about(step, &format!("gate opened {}", one_line(message)))
            }
            EventKind::WaitStarted { step, kind, what } => {
                self.about(step, &format!("waits for {} {}", kind.noun(), one_line(what)))
            }
            EventKind::WaitEnded { step } => self.about(step, "it is there"),
            EventKind::StepStarted { step, attempt } => {
                self.tails.insert(step.clone(), Tail::default());
                match attempt {
                    1 => self.about(step, "started"),
                    _ => self.about(step, &format!("started, attempt {attempt}")),
                }
            }
            EventKind::ServiceStarted { step, service, .. } => {
                self.about(step, &format!("service {} started", one_line(service)))
            }
            EventKind::ServiceReady { step, service, .. } => {
                self.about(step, &format!("service {} is ready", one_line(service)))
            }
            EventKind::ServiceEnded { step, service, failed, message, last_lines, .. } => {
                let text = self.about(step, &format!("service {} {}", one_line(service), one_line(message)));
                if *failed { text + &self.service_lines(step, service, last_lines) } else { text }
            }
            EventKind::Output(output) => self.output(output),
            EventKind::AttemptEnded { step, attempt, end, retry } => {
                self.attempt_ended(step, *attempt, end, *retry)
            }
            EventKind::StepEnded { step, end, allowed } => self.step_ended(step, end, *allowed, state),
            EventKind::RunEnded { outcome, .. } => {
                let (names, tails, style) = (&self.names, &self.tails, self.style);
                Summary { run: &event.run, state, outcome: *outcome, names, tails, style }.render()
            }
            EventKind::StageStarted { .. }
            | EventKind::StageEnded { .. }
            | EventKind::ImagePullStarted { .. }
            | EventKind::ImagePullProgressed { .. }
            | EventKind::ImagePulled { .. }
            // The step's end says so.
            | EventKind::GateAnswered { opened: false, .. }
            | EventKind::OutputsWritten { .. }
            | EventKind::Warned { .. }
            | EventKind::CancelRequested { .. }
            | EventKind::CleanupFailed { .. } => String::new(),
        };
        self.out.write(text.as_bytes());
    }

    fn finish(&mut self) {
        let left: Vec<_> = self.open.keys().cloned().collect();
        let text: String = left.iter().map(|step| self.close(step)).collect();
        self.out.write(text.as_bytes());
    }

    fn name(&self) -> &'static str {
        "plain"
    }

    fn failure(&self) -> Option<String> {
        self.out.failure()
    }
}

/// `source  /home/me/shop at 1a2b3c4d5e6f (main): 3 changed, 1 untracked in, 2 ignored left out`
fn source_line(source: &SourceSummary) -> String {
    let location = one_line(&source.location);
    let commit: Option<String> =
        source.commit.as_deref().map(|commit| one_line(commit).chars().take(12).collect());
    let at = match (commit, source.reference.as_deref().map(one_line)) {
        (Some(commit), Some(reference)) => format!(" at {commit} ({reference})"),
        (Some(commit), None) => format!(" at {commit}"),
        (None, Some(reference)) => format!(" ({reference}, no commit)"),
        (None, None) => String::new(),
    };
    let SourceSummary { changed, untracked, ignored, .. } = source;
    let place = match &source.in_place {
        Some(directory) => format!("; works in place on {}", one_line(&directory.to_string_lossy())),
        None => String::new(),
    };
    format!(
        "source  {location}{at}: {changed} changed, {untracked} untracked in, {ignored} ignored left out{place}"
    )
}

/// What the user should know of a program that ended.
fn remarks(usage: &Usage) -> Vec<String> {
    let mut remarks = Vec::new();
    if usage.dropped_bytes > 0 {
        let (size, lines) = (show_size(usage.dropped_bytes), count(usage.dropped_lines, "line"));
        remarks.push(format!("log limit reached: {size} in {lines} dropped"));
    }
    if usage.oom_kills > 0 {
        remarks.push(format!("out of memory: the kernel killed {} of its processes", usage.oom_kills));
    }
    if usage.leaky {
        remarks.push("something held its output open after its end, and was killed".to_owned());
    }
    remarks
}

#[cfg(test)]
mod tests;
