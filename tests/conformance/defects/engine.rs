//! An engine that does not do what it decided, or does not tell what it did.

use windlass::base::{Outcome, Reason};
use windlass::event::{CancelLevel, End, Event, EventKind};

use super::{Defect, all_noticed};
use crate::suite::Faults;

const SOUND: Faults =
    Faults { spec: None, progress: None, deaf: None, event: None, request: None, level: None };

const fn tells(
    what: &'static str,
    noticed_by: &'static [&'static str],
    event: fn(Event) -> Vec<Event>,
) -> Defect {
    Defect { what, noticed_by, faults: Faults { event: Some(event), ..SOUND } }
}

/// Changes how steps end.
fn end(mut event: Event, change: impl Fn(&mut End)) -> Vec<Event> {
    if let EventKind::StepEnded { end, .. } = &mut event.kind {
        change(end);
    }
    vec![event]
}

/// Leaves events out.
fn without(event: Event, which: impl Fn(&EventKind) -> bool) -> Vec<Event> {
    if which(&event.kind) { Vec::new() } else { vec![event] }
}

fn because(end: &mut End, from: Reason, to: Reason) {
    if end.reason == Some(from) {
        *end = End { reason: Some(to), outcome: to.outcome(), ..end.clone() };
    }
}

pub const DEFECTS: &[Defect] = &[
    tells(
        "who failed is not told from who was cancelled",
        &["failure/siblings", "matrix/sibling"],
        |event| end(event, |end| because(end, Reason::CancelledBySibling, Reason::CancelledByUser)),
    ),
    tells("a run's time limit is told as the user's wish", &["ends/run-timeout"], |event| {
        end(event, |end| because(end, Reason::RunTimeout, Reason::CancelledByUser))
    }),
    tells(
        "what is broken is told as a false condition",
        &["order/broken-travels", "order/any-none-passed"],
        |event| end(event, |end| because(end, Reason::DependencyFailed, Reason::ConditionFalse)),
    ),
    tells(
        "steps that did not run are told to have passed",
        &["failure/all-skipped", "order/after-failure"],
        |event| {
            end(event, |end| {
                if end.outcome == Outcome::Skipped {
                    *end = End::exited(0);
                }
            })
        },
    ),
    tells("an allowed failure is not marked", &["failure/allowed", "matrix/allow-failure"], |mut event| {
        if let EventKind::StepEnded { allowed, .. } = &mut event.kind {
            *allowed = false;
        }
        vec![event]
    }),
    tells("only the last attempt is told", &["retry/flaky", "retry/exhausted"], |mut event| {
        match &mut event.kind {
            EventKind::AttemptEnded { retry: true, .. } => return Vec::new(),
            EventKind::StepStarted { attempt, .. } | EventKind::AttemptEnded { attempt, .. } => *attempt = 1,
            EventKind::Output(output) => output.attempt = 1,
            _ => {}
        }
        vec![event]
    }),
    tells("a step has no end", &["order/stages", "failure/finally"], |event| {
        without(event, |kind| matches!(kind, EventKind::StepEnded { step, .. } if step.as_str() != "slow"))
    }),
    tells("a step ends twice", &["order/stages"], |event| {
        let twice = matches!(event.kind, EventKind::StepEnded { .. });
        vec![event; if twice { 2 } else { 1 }]
    }),
    tells("a stage has no end", &["order/stages"], |event| {
        without(event, |kind| matches!(kind, EventKind::StageEnded { .. }))
    }),
    tells(
        "a stage that failed is told to have passed",
        &["failure/fail-fast-off", "failure/finally-fails"],
        |mut event| {
            if let EventKind::StageEnded { outcome, .. } = &mut event.kind {
                *outcome = Outcome::Passed;
            }
            vec![event]
        },
    ),
    tells(
        "the run's outcome is that of its last stage",
        &["failure/on-failure", "failure/finally-after-failure"],
        |mut event| {
            if let EventKind::RunEnded { outcome, .. } = &mut event.kind {
                *outcome = Outcome::Passed;
            }
            vec![event]
        },
    ),
    tells("the run has no end", &["order/stages"], |event| {
        without(event, |kind| matches!(kind, EventKind::RunEnded { .. }))
    }),
    Defect {
        what: "more steps run than may",
        noticed_by: &["order/jobs", "order/jobs-two"],
        faults: Faults { request: Some(|request| request.jobs = std::num::NonZero::new(64)), ..SOUND },
    },
    Defect {
        what: "what the command line says is forgotten",
        noticed_by: &["values/precedence", "values/built-in-can-be-set"],
        faults: Faults { request: Some(|request| request.choice.env.clear()), ..SOUND },
    },
    Defect {
        what: "`--keep-going` is forgotten",
        noticed_by: &["failure/keep-going"],
        faults: Faults { request: Some(|request| request.keep_going = false), ..SOUND },
    },
    Defect {
        what: "every cancel is a drain",
        noticed_by: &["cancel/stop", "cancel/kill", "cancel/retry"],
        faults: Faults { level: Some(|_| CancelLevel::Drain), ..SOUND },
    },
    Defect {
        what: "every cancel is a kill",
        noticed_by: &["cancel/stop", "cancel/drain", "cancel/in-finally"],
        faults: Faults { level: Some(|_| CancelLevel::Kill), ..SOUND },
    },
];

#[test]
fn an_engine_that_lies_is_noticed() {
    all_noticed(DEFECTS);
}
