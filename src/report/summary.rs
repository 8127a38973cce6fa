//! The end of the screen: the result tree, then the failed steps with their last lines, then one
//! line that says it all.
//!
//! The first step that failed comes last, so that what broke the run stands where the eye is.

use std::collections::{BTreeMap, VecDeque};

use super::Style;
use super::ansi::one_line;
use super::style::{clip, pad, width};
use super::words::{because, count, how, join_message, show_millis, words};
use crate::base::{Outcome, RunId, StepId};
use crate::event::{End, RunState, StageState, StepState};
use crate::plan::graph::StageKind;

/// Lines that are shown of the step that broke the run, and of each other failed step.
const LAST_LINES: usize = 20;
const OTHERS_LINES: usize = 10;
/// Failed steps that are shown with their lines.
const MOST_BLOCKS: usize = 10;

/// The last lines of an attempt, ready to print; blank lines in a row are one.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
}

impl Tail {
    pub(super) fn push(&mut self, line: String) {
        let blank = |line: &str| line.trim().is_empty();
        if blank(&line) && self.lines.back().is_none_or(|last| blank(last)) {
            return;
        }
        if self.lines.len() == LAST_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn last(&self, most: usize) -> impl Iterator<Item = &str> {
        let ends_blank = self.lines.back().is_some_and(|last| last.trim().is_empty());
        let end = self.lines.len() - usize::from(ends_blank);
        self.lines.range(end.saturating_sub(most)..end).map(String::as_str)
    }
}

/// What the end of the screen is made from: a state after the run's end.
pub(super) struct Summary<'a> {
    pub(super) run: &'a RunId,
    pub(super) state: &'a RunState,
    pub(super) outcome: Outcome,
    /// As shown, by id.
    pub(super) names: &'a BTreeMap<StepId, String>,
    pub(super) tails: &'a BTreeMap<StepId, Tail>,
    pub(super) style: Style,
}

struct Row {
    depth: usize,
    name: String,
    outcome: Option<Outcome>,
    allowed: bool,
    millis: Option<u64>,
    note: String,
}

impl Summary<'_> {
    /// Draws it all.
    pub(super) fn render(&self) -> String {
        format!("\n{}\n{}{}", self.tree(), self.failed_steps(), self.last_line())
    }

    fn tree(&self) -> String {
        // That nothing had to be cleared up is no news.
        let is_news = |stage: &&StageState| {
            stage.kind != StageKind::OnFailure || stage.outcome != Some(Outcome::Skipped)
        };
        let mut rows = Vec::new();
        for stage in self.state.stages.iter().filter(is_news) {
            rows.push(stage_row(stage));
            rows.extend(stage.steps.iter().map(|step| self.step_row(step)));
        }
        let column = rows.iter().map(|row| 2 * row.depth + width(&row.name)).max().unwrap_or_default();
        rows.iter().map(|row| self.draw(row, column)).collect()
    }

    fn step_row(&self, id: &StepId) -> Row {
        let state = self.state.steps.get(id);
        let end = state.and_then(|state| state.end.as_ref());
        let allowed = state.is_some_and(is_allowed_failure);
        let mut notes: Vec<_> = end.map(because).filter(|because| !because.is_empty()).into_iter().collect();
        if allowed {
            notes.push("allowed".to_owned());
        }
        if let Some(state) = state.filter(|state| state.attempts.len() > 1) {
            let flaky = if state.flaky() { "flaky, " } else { "" };
            notes.push(format!("{flaky}{}", count(state.attempts.len() as u64, "attempt")));
        }
        Row {
            depth: 1,
            name: self.name_of(id),
            outcome: end.map(|end| end.outcome),
            allowed,
            millis: end.filter(|end| end.outcome != Outcome::Skipped).map(|end| end.duration_ms),
            note: notes.join(", "),
        }
    }

    fn draw(&self, row: &Row, column: usize) -> String {
        let (mark, paint) = self.style.mark(row.outcome, row.allowed);
        let indent = "  ".repeat(row.depth);
        let name = pad(&row.name, column - indent.len());
        let word = pad(row.outcome.map_or("not ended", Outcome::word), 9);
        let time = format!("{:>7}", row.millis.map(show_millis).unwrap_or_default());
        let mut note = row.note.clone();
        if let Some(columns) = self.style.width {
            let taken = column + width(&word) + time.len() + 8;
            note = clip(&note, columns.saturating_sub(taken).max(20), self.style);
        }
        let (mark, word) = (self.style.paint(paint, mark), self.style.paint(paint, &word));
        let line = format!("{indent}{mark} {name}  {word}  {time}  {note}");
        format!("{}\n", line.trim_end())
    }

    fn failed_steps(&self) -> String {
        let failed = &self.state.failed;
        let mut text = match failed.len().saturating_sub(MOST_BLOCKS) {
            0 => String::new(),
            hidden => format!("{} more failed, named above\n\n", count(hidden as u64, "step")),
        };
        for (place, step) in failed.iter().take(MOST_BLOCKS).enumerate().rev() {
            let Some(end) = self.end_of(step) else { continue };
            let (mark, paint) = self.style.mark(Some(end.outcome), false);
            let title = format!("{mark} {} {}", self.name_of(step), how(end, false));
            text += &self.style.paint(paint, &title);
            text.push('\n');
            let most = if place == 0 { LAST_LINES } else { OTHERS_LINES };
            for line in self.tails.get(step).into_iter().flat_map(|tail| tail.last(most)) {
                text += format!("    {line}").trim_end();
                text.push('\n');
            }
            text.push('\n');
        }
        text
    }

    fn last_line(&self) -> String {
        let (_, paint) = self.style.mark(Some(self.outcome), false);
        let mut parts = vec![self.headline()];
        parts.extend(self.counts());
        parts.push(format!("{} in all", show_millis(self.state.elapsed_ms)));
        parts.push(format!("run {}", self.run));
        parts.retain(|part| !part.is_empty());
        let dot = self.style.draw(" · ", " - ");
        format!("{}  {}\n", self.style.paint(paint, self.outcome.word()), parts.join(dot))
    }

    /// What decided the outcome; empty for a plain pass.
    fn headline(&self) -> String {
        let is_broken = matches!(self.outcome, Outcome::Failed | Outcome::Lost);
        if let Some(first) = self.state.failed.first().filter(|_| is_broken) {
            let why = self.end_of(first).map(why_and_when).unwrap_or_default();
            return format!("{}: {why}", self.name_of(first));
        }
        if self.outcome == Outcome::Passed && self.state.all_skipped() {
            return "every step was skipped, nothing ran".to_owned();
        }
        let reason = self.state.reason.map(words).unwrap_or_default();
        join_message(reason, self.state.message.as_deref())
    }

    fn counts(&self) -> impl Iterator<Item = String> {
        let number = |test: &dyn Fn(&StepState, &End) -> bool| {
            let ends = self.state.steps.values().filter_map(|step| Some((step, step.end.as_ref()?)));
            ends.filter(|(step, end)| test(step, end)).count()
        };
        let ended = |outcome: Outcome| number(&|_, end| end.outcome == outcome);
        let allowed = number(&|step, _| is_allowed_failure(step));
        let flaky = match number(&|step, _| step.flaky()) {
            0 => String::new(),
            flaky => format!(" ({flaky} flaky)"),
        };
        [
            (ended(Outcome::Passed), format!("passed{flaky}")),
            (ended(Outcome::Failed) - allowed, "failed".to_owned()),
            (allowed, "failed but allowed".to_owned()),
            (ended(Outcome::Lost), "lost".to_owned()),
            (ended(Outcome::Cancelled), "cancelled".to_owned()),
            (ended(Outcome::Skipped), "skipped".to_owned()),
        ]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .enumerate()
        .map(|(place, (number, word))| match place {
            0 => format!("{} {word}", count(number as u64, "step")),
            _ => format!("{number} {word}"),
        })
    }

    fn end_of(&self, step: &StepId) -> Option<&End> {
        self.state.steps.get(step)?.end.as_ref()
    }

    fn name_of(&self, step: &StepId) -> String {
        self.names.get(step).cloned().unwrap_or_else(|| one_line(step.as_str()))
    }
}

fn stage_row(stage: &StageState) -> Row {
    let times = stage.started_ms.zip(stage.ended_ms);
    Row {
        depth: 0,
        name: one_line(stage.id.as_str()),
        outcome: stage.outcome,
        allowed: false,
        millis: times.map(|(started, ended)| ended.saturating_sub(started)),
        note: String::new(),
    }
}

fn is_allowed_failure(step: &StepState) -> bool {
    step.allowed && step.end.as_ref().is_some_and(|end| end.outcome == Outcome::Failed)
}

/// `exit code 101 in 3.2s`
fn why_and_when(end: &End) -> String {
    match end.duration_ms {
        0 => because(end),
        millis => format!("{} in {}", because(end), show_millis(millis)),
    }
}
