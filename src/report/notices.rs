//! What is not the run's own output: pulls, warnings, cancels, and what clean-up left behind.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use super::ansi::one_line;
use super::sink::Sink;
use super::style::Paint;
use super::words::{show_millis, show_size, words};
use super::{OutputNeed, Reader, Style};
use crate::base::units::show_duration;
use crate::base::{Reason, StepId};
use crate::event::{CancelLevel, Event, EventKind, Phase, RunState};
use crate::plan::Plan;

/// Between two lines about one pull.
const PULL_EVERY_MS: u64 = 5_000;

/// Writes notices for people, next to any other reader.
pub struct Notices {
    err: Sink,
    style: Style,
    graces: BTreeMap<StepId, Duration>,
    pulls: BTreeMap<String, Pull>,
}

struct Pull {
    started_ms: u64,
    told_ms: u64,
}

impl Notices {
    /// A reader that writes to `err`.
    pub fn new(plan: &Plan, err: Box<dyn Write + Send>, style: Style) -> Self {
        let graces = plan.all_steps().map(|(_, step)| (step.id.clone(), step.grace)).collect();
        Self { err: Sink::new(err), style, graces, pulls: BTreeMap::new() }
    }

    fn pulling(&mut self, image: &str, current: u64, total: u64, elapsed_ms: u64) -> Option<String> {
        let pull = self.pulls.get_mut(image)?;
        if elapsed_ms.saturating_sub(pull.told_ms) < PULL_EVERY_MS {
            return None;
        }
        pull.told_ms = elapsed_ms;
        let of = if total > 0 { format!(" of {}", show_size(total)) } else { String::new() };
        Some(format!("{}ing {}: {}{of}", verb(image), one_line(image), show_size(current)))
    }

    fn pulled(&mut self, image: &str, elapsed_ms: u64) -> String {
        let took = self.pulls.remove(image).map(|pull| elapsed_ms.saturating_sub(pull.started_ms));
        let took = took.map(|millis| format!(" in {}", show_millis(millis))).unwrap_or_default();
        format!("{}ed {}{took}", verb(image), one_line(image))
    }

    fn cancel(&self, level: CancelLevel, reason: Reason, state: &RunState) -> String {
        let by_user = reason == Reason::CancelledByUser;
        let next = |text: &'static str| if by_user { text } else { "" };
        let text = match level {
            CancelLevel::Drain => "stopping: no new step starts, what runs may finish".to_owned(),
            CancelLevel::Stop => {
                let running = state.steps.iter().filter(|(_, step)| step.phase == Phase::Running);
                let grace = running.filter_map(|(id, _)| self.graces.get(id)).max();
                let sent = match grace {
                    Some(grace) => format!("TERM sent, KILL in {}", show_grace(*grace)),
                    None => "no new step starts".to_owned(),
                };
                format!("stopping: {sent}{}", next("; Ctrl-C again kills now"))
            }
            CancelLevel::Kill => format!("stopping: KILL sent{}", next("; Ctrl-C again leaves at once")),
            CancelLevel::Leave => "leaving: containers may remain, `windlass clean` removes them".to_owned(),
        };
        let because = if by_user { String::new() } else { format!("{}: ", words(reason)) };
        self.style.paint(Paint::Warn, &format!("{because}{text}"))
    }
}

impl Reader for Notices {
    fn read(&mut self, event: &Event, state: &RunState) {
        let line = match &event.kind {
            EventKind::ImagePullStarted { image } => {
                let now = event.elapsed_ms;
                self.pulls.insert(image.clone(), Pull { started_ms: now, told_ms: now });
                Some(format!("{}ing {}", verb(image), one_line(image)))
            }
            EventKind::ImagePullProgressed { image, current, total } => {
                self.pulling(image, *current, *total, event.elapsed_ms)
            }
            EventKind::ImagePulled { image } => Some(self.pulled(image, event.elapsed_ms)),
            EventKind::Warned { step, message } => {
                let of =
                    step.as_ref().map(|step| format!("{}: ", one_line(step.as_str()))).unwrap_or_default();
                let warning = self.style.paint(Paint::Warn, "warning:");
                Some(format!("{warning} {of}{}", one_line(message)))
            }
            EventKind::CancelRequested { level, reason } => Some(self.cancel(*level, *reason, state)),
            EventKind::CleanupFailed { message } => {
                let warning = self.style.paint(Paint::Warn, "warning:");
                let message = one_line(message);
                Some(format!("{warning} could not remove {message}; `windlass clean` tries again"))
            }
            EventKind::RunStarted { .. }
            | EventKind::StageStarted { .. }
            | EventKind::GateReached { .. }
            | EventKind::GateAnswered { .. }
            | EventKind::WaitStarted { .. }
            | EventKind::WaitEnded { .. }
            | EventKind::ServiceStarted { .. }
            | EventKind::ServiceReady { .. }
            | EventKind::ServiceEnded { .. }
            | EventKind::StepStarted { .. }
            | EventKind::Output(_)
            | EventKind::OutputsWritten { .. }
            | EventKind::AttemptEnded { .. }
            | EventKind::StepEnded { .. }
            | EventKind::StageEnded { .. }
            | EventKind::RunEnded { .. } => None,
        };
        if let Some(line) = line {
            self.err.write(format!("{line}\n").as_bytes());
        }
    }

    fn output(&self) -> OutputNeed {
        OutputNeed::Nothing
    }

    fn name(&self) -> &'static str {
        "notices"
    }
}

/// What is done to an image that is missing: one in a file comes from no registry.
fn verb(image: &str) -> &'static str {
    if image.starts_with(['.', '/']) { "load" } else { "pull" }
}

fn show_grace(grace: Duration) -> String {
    if grace.subsec_millis() == 0 && grace.as_secs() < 60 {
        format!("{} s", grace.as_secs())
    } else {
        show_duration(grace)
    }
}

#[cfg(test)]
mod tests;
