//! The state of a run, made from its events alone: what the engine decides by, displays draw, the
//! store keeps and a replay arrives at.
//!
//! Pure: no clock, no input, no output. It folds outcomes (language L6) and never decides what
//! happens next.

use std::collections::BTreeMap;

use super::{CancelLevel, End, Event, EventKind, SourceSummary};
use crate::base::{Outcome, Reason, StageId, StepId};
use crate::plan::Plan;
use crate::plan::graph::{Graph, StageKind};

/// A run as its events tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunState {
    /// The stages in the order of the run's tree, with `on_failure` and `finally`.
    pub stages: Vec<StageState>,
    /// Every step of the plan.
    pub steps: BTreeMap<StepId, StepState>,
    /// Images that had to be fetched, by reference.
    pub pulls: BTreeMap<String, PullState>,
    /// Required steps that failed or were lost, in the order in which they ended.
    pub failed: Vec<StepId>,
    /// The highest level of cancel so far, with the reason of the first.
    pub cancel: Option<(CancelLevel, Reason)>,
    /// What the user should know, in the order it came.
    pub warnings: Vec<String>,
    /// What could not be removed.
    pub cleanup_failures: Vec<String>,
    /// Where steps run, and what is run; none before the run began.
    pub header: Option<Header>,
    /// How the run ended; none while it goes on.
    pub outcome: Option<Outcome>,
    /// Why, when it did not simply pass.
    pub reason: Option<Reason>,
    /// The last words about the run, for people.
    pub message: Option<String>,
    /// Milliseconds from the run's start to the latest event.
    pub elapsed_ms: u64,
    /// How many events there were: the sequence number of the next one.
    pub events: u64,
    stage_positions: BTreeMap<StageId, usize>,
}

/// What a run says of itself when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The pipeline's name.
    pub pipeline: String,
    /// Where steps run.
    pub backend: String,
    /// What is being run.
    pub source: SourceSummary,
    /// What the user should know first.
    pub notes: Vec<String>,
}

/// A stage as its events tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageState {
    /// Its id.
    pub id: StageId,
    /// Which part of the run's tree it is.
    pub kind: StageKind,
    /// Its steps, in the order of the file.
    pub steps: Vec<StepId>,
    /// When its first step started, in milliseconds since the run's start.
    pub started_ms: Option<u64>,
    /// When its last step ended.
    pub ended_ms: Option<u64>,
    /// How it ended; none while it goes on.
    pub outcome: Option<Outcome>,
}

/// A step as its events tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepState {
    /// The position of its stage in [`RunState::stages`].
    pub stage: usize,
    /// How far it is.
    pub phase: Phase,
    /// Its attempts, the first first.
    pub attempts: Vec<AttemptState>,
    /// What its last attempt wrote for later steps, by key.
    pub outputs: BTreeMap<String, String>,
    /// How it ended.
    pub end: Option<End>,
    /// Its failure does not count.
    pub allowed: bool,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It has not started.
    #[default]
    Waiting,
    /// An attempt started, and it has not ended for good.
    Running,
    /// It ended for good.
    Ended,
}

/// An attempt as its events tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptState {
    /// When its program was let go, in milliseconds since the run's start; none when that never came.
    pub started_ms: Option<u64>,
    /// How long its log is.
    pub log_bytes: u64,
    /// How it ended.
    pub end: Option<End>,
}

/// An image on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullState {
    /// Bytes so far.
    pub current: u64,
    /// Bytes in all, as far as known.
    pub total: u64,
    /// It is there.
    pub done: bool,
}

impl RunState {
    /// The state before the first event.
    pub fn new(plan: &Plan) -> Self {
        let graph = Graph::new(plan);
        let mut state = Self::default();
        for (position, node) in graph.stages().iter().enumerate() {
            let steps = graph.steps().get(node.steps.clone()).unwrap_or_default();
            let ids: Vec<StepId> = steps.iter().map(|step| step.id.clone()).collect();
            let waiting = |id: &StepId| (id.clone(), StepState { stage: position, ..StepState::default() });
            state.steps.extend(ids.iter().map(waiting));
            state.stage_positions.insert(node.id.clone(), position);
            state.stages.push(StageState {
                id: node.id.clone(),
                kind: node.kind,
                steps: ids,
                started_ms: None,
                ended_ms: None,
                outcome: None,
            });
        }
        state
    }

    /// Takes one event in. Events that name what the plan does not have change nothing but the count.
    pub fn apply(&mut self, event: &Event) {
        self.events = event.seq + 1;
        self.elapsed_ms = event.elapsed_ms;
        let now = event.elapsed_ms;
        match &event.kind {
            EventKind::RunStarted { pipeline, backend, source, notes, version: _ } => {
                self.header = Some(Header {
                    pipeline: pipeline.clone(),
                    backend: backend.clone(),
                    source: source.clone(),
                    notes: notes.clone(),
                });
            }
            EventKind::StageStarted { stage } => {
                if let Some(stage) = self.stage_mut(stage) {
                    stage.started_ms = Some(now);
                }
            }
            EventKind::ImagePullStarted { image } => {
                self.pulls.insert(image.clone(), PullState::default());
            }
            EventKind::ImagePullProgressed { image, current, total } => {
                let pull = PullState { current: *current, total: *total, done: false };
                self.pulls.insert(image.clone(), pull);
            }
            EventKind::ImagePulled { image } => self.pulls.entry(image.clone()).or_default().done = true,
            EventKind::StepStarted { step, attempt } => {
                if let Some(step) = self.steps.get_mut(step) {
                    step.phase = Phase::Running;
                    step.outputs.clear();
                    step.attempt_mut(*attempt).started_ms = Some(now);
                }
            }
            EventKind::Output(output) => {
                if let Some(step) = self.steps.get_mut(&output.step) {
                    let attempt = step.attempt_mut(output.attempt);
                    attempt.log_bytes = attempt.log_bytes.max(output.offset + output.len);
                }
            }
            EventKind::OutputsWritten { step, outputs, attempt: _ } => {
                if let Some(step) = self.steps.get_mut(step) {
                    step.outputs.clone_from(outputs);
                }
            }
            EventKind::AttemptEnded { step, attempt, end, retry } => {
                if let Some(step) = self.steps.get_mut(step) {
                    step.attempt_mut(*attempt).end = Some(end.clone());
                    if *retry {
                        step.phase = Phase::Running;
                    }
                }
            }
            EventKind::StepEnded { step, end, allowed } => self.step_ended(step, end, *allowed),
            EventKind::StageEnded { stage, outcome } => {
                if let Some(stage) = self.stage_mut(stage) {
                    stage.ended_ms = Some(now);
                    stage.outcome = Some(*outcome);
                }
            }
            // Shown as they come; what comes of them follows, as a step's start or end.
            EventKind::GateReached { .. }
            | EventKind::GateAnswered { .. }
            | EventKind::WaitStarted { .. }
            | EventKind::WaitEnded { .. }
            | EventKind::ServiceStarted { .. }
            | EventKind::ServiceReady { .. }
            | EventKind::ServiceEnded { .. } => {}
            EventKind::Warned { message, step: _ } => self.warnings.push(message.clone()),
            EventKind::CancelRequested { level, reason } => {
                let (highest, first) = self.cancel.unwrap_or((*level, *reason));
                self.cancel = Some((highest.max(*level), first));
            }
            EventKind::CleanupFailed { message } => self.cleanup_failures.push(message.clone()),
            EventKind::RunEnded { outcome, reason, message } => {
                self.outcome = Some(*outcome);
                self.reason = *reason;
                self.message.clone_from(message);
            }
        }
    }

    fn step_ended(&mut self, id: &StepId, end: &End, allowed: bool) {
        let Some(step) = self.steps.get_mut(id) else { return };
        step.phase = Phase::Ended;
        step.end = Some(end.clone());
        step.allowed = allowed;
        let counts = matches!(step.counted(), Some(Outcome::Failed | Outcome::Lost));
        let kind = self.stages.get(step.stage).map(|stage| stage.kind);
        if counts && kind != Some(StageKind::OnFailure) {
            self.failed.push(id.clone());
        }
    }

    /// The stage with this id.
    pub fn stage(&self, id: &StageId) -> Option<&StageState> {
        self.stages.get(*self.stage_positions.get(id)?)
    }

    fn stage_mut(&mut self, id: &StageId) -> Option<&mut StageState> {
        self.stages.get_mut(*self.stage_positions.get(id)?)
    }

    /// The outcome of a stage by what has ended so far, whatever the order in which it ended.
    pub fn stage_outcome(&self, stage: &StageState) -> Outcome {
        fold(stage.steps.iter().filter_map(|step| self.steps.get(step)?.counted()))
    }

    /// The outcome of the run by what has ended so far, and why. `on_failure` has no say; a cancel by
    /// the run's own user wins; a run in which every step was skipped passed.
    pub fn verdict(&self) -> (Outcome, Option<Reason>) {
        if let Some((_, reason @ Reason::CancelledByUser)) = self.cancel {
            return (Outcome::Cancelled, Some(reason));
        }
        let stages = self.stages.iter().filter(|stage| stage.kind != StageKind::OnFailure);
        let steps = || stages.clone().flat_map(|stage| &stage.steps).filter_map(|step| self.steps.get(step));
        match fold(steps().filter_map(StepState::counted)) {
            Outcome::Passed | Outcome::Skipped => (Outcome::Passed, None),
            Outcome::Cancelled if self.cancel.is_some() => {
                (Outcome::Cancelled, self.cancel.map(|(_, reason)| reason))
            }
            outcome => {
                let guilty = steps().find(|step| step.counted() == Some(outcome));
                (outcome, guilty.and_then(|step| step.end.as_ref()?.reason))
            }
        }
    }

    /// Whether every step that counts was skipped.
    pub fn all_skipped(&self) -> bool {
        self.steps.values().all(|step| step.counted() == Some(Outcome::Skipped))
    }
}

impl StepState {
    /// Whether it passed only after an attempt that did not.
    pub fn flaky(&self) -> bool {
        self.attempts.len() > 1 && self.end.as_ref().is_some_and(|end| end.outcome == Outcome::Passed)
    }

    /// Its outcome as its stage counts it: a failure that is allowed is as good as a pass.
    pub fn counted(&self) -> Option<Outcome> {
        let outcome = self.end.as_ref()?.outcome;
        Some(if self.allowed && outcome == Outcome::Failed { Outcome::Passed } else { outcome })
    }

    fn attempt_mut(&mut self, attempt: u32) -> &mut AttemptState {
        let position = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        // Attempts come one by one; a stored stream that says otherwise must not fill the memory.
        let position = position.min(self.attempts.len());
        if position == self.attempts.len() {
            self.attempts.push(AttemptState::default());
        }
        &mut self.attempts[position]
    }
}

/// Folds the outcomes of parts into that of the whole (L6): failed, else lost, else cancelled, else
/// passed, else skipped.
pub fn fold(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    let weight = |outcome: &Outcome| match outcome {
        Outcome::Failed => 4,
        Outcome::Lost => 3,
        Outcome::Cancelled => 2,
        Outcome::Passed => 1,
        Outcome::Skipped => 0,
    };
    outcomes.into_iter().max_by_key(weight).unwrap_or(Outcome::Skipped)
}

#[cfg(test)]
mod tests;
