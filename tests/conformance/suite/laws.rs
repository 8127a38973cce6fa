//! What is true of every run, whatever the case: the order of events, what may run at the same time, how
//! outcomes fold, and that the log is what was printed.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use windlass::base::{Outcome, StepId};
use windlass::event::{EventKind, StageState};
use windlass::plan::graph::{Graph, StageKind};

use super::outline::Seen;

/// The laws that a run has broken.
pub fn broken(seen: &Seen<'_>, jobs: Option<usize>) -> Vec<String> {
    let mut broken = order(seen);
    broken.extend(places(seen, jobs));
    broken.extend(folds(seen));
    broken.extend(output(seen));
    broken
}

/// Every step ends once, after all of its output, and starts only after all that comes before it.
fn order(seen: &Seen<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut ended: BTreeMap<&StepId, usize> = BTreeMap::new();
    let mut attempts: BTreeMap<&StepId, u32> = BTreeMap::new();
    let graph = Graph::new(seen.plan);
    let kinds: Vec<&EventKind> = seen.events.iter().map(|event| &event.kind).collect();
    if !matches!(kinds.first(), Some(EventKind::RunStarted { .. })) {
        broken.push("the first event is not the run's start".to_owned());
    }
    if !matches!(kinds.last(), Some(EventKind::RunEnded { .. })) {
        broken.push("the last event is not the run's end".to_owned());
    }
    if !seen.events.is_sorted_by_key(|event| event.seq) {
        broken.push("the numbers of events go back".to_owned());
    }
    for (at, kind) in kinds.iter().enumerate() {
        match kind {
            EventKind::StepStarted { step, attempt } => {
                if attempts.insert(step, *attempt).unwrap_or(0) >= *attempt {
                    broken.push(format!("attempt {attempt} of {step} comes late"));
                }
                let Some(later) = graph.position(step) else { continue };
                for (earlier, node) in graph.steps().iter().enumerate() {
                    if graph.happens_before(earlier, later) && !ended.contains_key(&node.id) {
                        broken.push(format!("{step} started before {} had ended", node.id));
                    }
                }
            }
            EventKind::Output(output) if ended.contains_key(&output.step) => {
                broken.push(format!("{} prints after its end", output.step));
            }
            EventKind::StepEnded { step, end, .. } => {
                // A real machine may be too slow for a kill; a timeless one is not.
                if seen.timeless && end.message.as_deref() == Some("its end was not waited for") {
                    broken.push(format!("{step} was left to run"));
                }
                if ended.insert(step, at).is_some() {
                    broken.push(format!("{step} ends twice"));
                }
            }
            _ => {}
        }
    }
    broken.extend(
        seen.state
            .steps
            .keys()
            .filter(|step| !ended.contains_key(step))
            .map(|step| format!("{step} has no end")),
    );
    broken
}

/// No more steps run than may.
fn places(seen: &Seen<'_>, jobs: Option<usize>) -> Option<String> {
    let (mut running, mut most) = (0usize, 0);
    for event in seen.events {
        match &event.kind {
            EventKind::StepStarted { .. } => running += 1,
            EventKind::AttemptEnded { step, attempt, .. } => {
                let started = |kind: &EventKind| matches!(kind, EventKind::StepStarted { step: s, attempt: a } if s == step && a == attempt);
                // One that could not be started never ran.
                if seen.events.iter().any(|event| started(&event.kind)) {
                    running = running.saturating_sub(1);
                }
            }
            _ => {}
        }
        most = most.max(running);
    }
    jobs.filter(|jobs| most > *jobs).map(|jobs| format!("{most} steps run where {jobs} may"))
}

/// A stage is the fold of its steps, and the run that of its stages (L6).
fn folds(seen: &Seen<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    let counted = |stage: &StageState| {
        let steps = stage.steps.iter().map(|id| &seen.state.steps[id]);
        worst(steps.filter_map(|step| {
            let outcome = step.end.as_ref()?.outcome;
            Some(if step.allowed { Outcome::Passed } else { outcome })
        }))
    };
    for stage in &seen.state.stages {
        if stage.outcome.is_some_and(|outcome| outcome != counted(stage)) {
            broken.push(format!("stage {} is not the fold of its steps", stage.id));
        }
    }
    let counts = seen.state.stages.iter().filter(|stage| stage.kind != StageKind::OnFailure);
    let all = worst(counts.map(counted));
    let all = if all == Outcome::Skipped { Outcome::Passed } else { all };
    if seen.state.outcome != Some(all) && seen.state.cancel.is_none() {
        broken.push("the run is not the fold of its stages".to_owned());
    }
    broken
}

fn worst(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let all: Vec<Outcome> = outcomes.collect();
    let order = [Outcome::Failed, Outcome::Lost, Outcome::Cancelled, Outcome::Passed];
    order.into_iter().find(|outcome| all.contains(outcome)).unwrap_or(Outcome::Skipped)
}

/// What an attempt printed is what its container says it printed.
fn output(seen: &Seen<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for event in seen.events {
        let EventKind::AttemptEnded { step, attempt, end, .. } = &event.kind else { continue };
        let Some(usage) = end.usage.as_ref() else { continue };
        let of_step = seen.plan.all_steps().find(|(_, of)| of.id == *step);
        if of_step.is_some_and(|(_, step)| step.secrets.iter().any(|secret| !secret.unmasked)) {
            // What is hidden was printed otherwise.
            continue;
        }
        let log = seen.logs.get(&(step.clone(), *attempt)).map(Vec::as_slice).unwrap_or_default();
        let bytes: Vec<u8> = log.iter().map(|(_, byte)| *byte).collect();
        let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if sum != usage.log_sha256 {
            broken.push(format!("the log of {step} is not what it printed"));
        }
        if bytes.len() as u64 + usage.dropped_bytes != usage.log_bytes {
            broken.push(format!("{step} printed {} bytes, and {} are there", usage.log_bytes, bytes.len()));
        }
    }
    broken
}
