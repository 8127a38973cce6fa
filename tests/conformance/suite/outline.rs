//! What came of a run, in the words of the cases: the tree of stages and steps in the order of the
//! file, so that it is the same whatever ran at the same time, and of the order what a case asks for.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use windlass::base::{Outcome, Reason, StepId};
use windlass::event::{End, Event, EventKind, RunState, Stream};
use windlass::plan::Plan;
use windlass::runner::RunError;

/// A run that ended, as its events tell it.
pub struct Seen<'a> {
    pub plan: &'a Plan,
    pub events: &'a [Event],
    pub state: &'a RunState,
    pub logs: &'a Logs,
    pub exit: u8,
    /// Whether its programs lived by tokio's clock.
    pub timeless: bool,
}

/// What each attempt printed, in order.
pub type Logs = BTreeMap<(StepId, u32), Vec<(Stream, u8)>>;

/// What the attempts printed, by the events.
pub fn logs(events: &[Event]) -> Logs {
    let mut logs = Logs::new();
    for event in events {
        if let EventKind::Output(output) = &event.kind {
            let log = logs.entry((output.step.clone(), output.attempt)).or_default();
            log.extend(output.data.iter().map(|byte| (output.stream, *byte)));
        }
    }
    logs
}

/// What the events say in words for people, each with its time: what to read when an outline is wrong.
pub fn said(events: &[Event]) -> Vec<String> {
    let said = |event: &Event| {
        let (of, message) = match &event.kind {
            EventKind::AttemptEnded { step, end, retry: true, .. }
            | EventKind::StepEnded { step, end, .. } => (step.as_str(), end.message.as_ref()?),
            EventKind::Warned { step, message } => (step.as_ref().map_or("run", StepId::as_str), message),
            EventKind::CleanupFailed { message } | EventKind::RunEnded { message: Some(message), .. } => {
                ("run", message)
            }
            _ => return None,
        };
        Some(format!("  {} ms, {of}: {message}", event.elapsed_ms))
    };
    events.iter().filter_map(said).collect()
}

/// The outline of a run that did not begin.
pub fn refused(error: &RunError, exit: u8) -> String {
    let mut outline = format!("refused, exit {exit}\n");
    match error {
        RunError::Invalid(invalid) => {
            for diagnostic in &invalid.diagnostics {
                let place = diagnostic.span.map_or(0, |span| invalid.text.position(span.start).0);
                line(&mut outline, format_args!("  {} in line {place}", diagnostic.code));
            }
        }
        error => line(&mut outline, format_args!("  {error}")),
    }
    outline
}

/// The outline of a run; `asked` is the one that is expected, for what it says about the order.
pub fn outline(seen: &Seen<'_>, asked: &str) -> String {
    let state = seen.state;
    let mut outline = format!("run {}, exit {}\n", words(state.outcome, state.reason), seen.exit);
    for stage in &state.stages {
        line(&mut outline, format_args!("  stage {} {}", stage.id, words(stage.outcome, None)));
        for step in &stage.steps {
            outline += &told(seen, step);
        }
    }
    for claim in asked.lines() {
        if let Some((word, steps)) =
            claim.split_once(": ").filter(|(word, _)| ["order", "together"].contains(word))
        {
            let steps: Vec<&str> = steps.split(", ").collect();
            let holds = steps.windows(2).all(|pair| match (word, pair) {
                ("order", [one, next]) => ended(seen, one) < started(seen, next),
                // By a real clock a start can take longer than any sleep; cases whose steps wait for each
                // other's files show it there.
                _ if !seen.timeless => true,
                (_, [one, next]) => {
                    started(seen, one) < ended(seen, next) && started(seen, next) < ended(seen, one)
                }
                _ => false,
            });
            line(&mut outline, format_args!("{}{claim}", if holds { "" } else { "not " }));
        }
    }
    outline
}

/// Writes a line.
fn line(outline: &mut String, words: fmt::Arguments<'_>) {
    // A string takes whatever it is given.
    let _ = writeln!(outline, "{words}");
}

/// A step: how it ended, and what each attempt printed.
fn told(seen: &Seen<'_>, id: &StepId) -> String {
    let name =
        seen.plan.all_steps().find(|(_, step)| step.id == *id).map_or(id.as_str(), |(_, step)| &step.name);
    let step = &seen.state.steps[id];
    let end = step.end.as_ref().map_or("nothing".to_owned(), ending);
    let allowed = if step.allowed { ", allowed" } else { "" };
    let flaky = if step.flaky() { ", flaky" } else { "" };
    let mut told = format!("    {name} {end}{allowed}{flaky}\n");
    let several = step.attempts.len() > 1;
    for (attempt, number) in step.attempts.iter().zip(1..) {
        if several {
            let end = attempt.end.as_ref().map_or("nothing".to_owned(), ending);
            line(&mut told, format_args!("      attempt {number} {end}"));
        }
        let log = seen.logs.get(&(id.clone(), number)).map(Vec::as_slice).unwrap_or_default();
        let margin = if several { "        " } else { "      " };
        // The two streams have no order between them.
        for (stream, mark) in [(Stream::Stdout, '|'), (Stream::Stderr, '!')] {
            let bytes: Vec<u8> = log.iter().filter(|(of, _)| *of == stream).map(|(_, byte)| *byte).collect();
            for line in String::from_utf8_lossy(&bytes).split_inclusive('\n') {
                let text = line.strip_suffix('\n').map_or(format!("{line} (no end of line)"), str::to_owned);
                told += format!("{margin}{mark} {text}").trim_end();
                told.push('\n');
            }
        }
    }
    for (key, value) in &step.outputs {
        let _ = writeln!(told, "      wrote {key} {value:?}");
    }
    told
}

fn words(outcome: Option<Outcome>, reason: Option<Reason>) -> String {
    let outcome = outcome.map_or("nothing", Outcome::word);
    reason.map_or(outcome.to_owned(), |reason| format!("{outcome} {reason}"))
}

fn ending(end: &End) -> String {
    let words = words(Some(end.outcome), end.reason);
    match end {
        End { reason: Some(Reason::ExitCode), exit_code: Some(code), .. } => format!("{words} {code}"),
        End { reason: Some(Reason::Signal), signal: Some(signal), .. } => format!("{words} {signal}"),
        _ => words,
    }
}

/// The place of an event in the run; the last of its kind, and beyond all when there is none.
fn place(seen: &Seen<'_>, is: impl Fn(&EventKind) -> bool) -> usize {
    seen.events.iter().position(|event| is(&event.kind)).unwrap_or(usize::MAX)
}

fn started(seen: &Seen<'_>, name: &str) -> usize {
    place(seen, |kind| matches!(kind, EventKind::StepStarted { step, .. } if step.as_str() == name))
}

fn ended(seen: &Seen<'_>, name: &str) -> usize {
    place(seen, |kind| matches!(kind, EventKind::StepEnded { step, .. } if step.as_str() == name))
}
