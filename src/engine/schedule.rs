//! Which step comes next: the order of language L4, the judgement of L5, the consequences of L6, and
//! the two last stages of L7.
//!
//! Pure: it is told what ended and answers with decisions, and knows no clock, task or container.
//! Every end costs as much as the step has dependents, never a look at the whole plan. The rules as
//! decided, where the language leaves room, are in `docs/adr/0004-engine.md`.

mod ahead;
mod held;
mod late;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::late::Late;
use crate::base::{Outcome, Reason};
use crate::event::{CancelLevel, End};
use crate::plan::graph::{Graph, StageKind, Waits};
use crate::plan::{After, Condition, OnStepFailure, Plan};

/// What is to happen now, by the positions of the [`Graph`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Let this step run.
    Start(usize),
    /// See to what holds this step although its turn has come.
    Hold(usize),
    /// This step ends without having run.
    End(usize, End),
    /// End this running step, for this reason.
    Stop(usize, Reason),
    /// The last step of this stage ended.
    StageEnded(usize),
}

/// The state of the order of a run.
pub(super) struct Schedule {
    graph: Graph,
    steps: Vec<StepSlot>,
    late: Late,
    stages: Vec<StageSlot>,
    jobs: usize,
    running: usize,
    /// Decided to run, held by nothing but the number of jobs; in the order of the file.
    ready: BTreeSet<usize>,
    /// Steps with `needs` that all run or have ended, not all ended.
    nearly: BTreeSet<usize>,
    /// The first stage that is not over.
    open: usize,
    /// Its steps have been told.
    opened: bool,
    /// Something in a stage before `open` is broken.
    broken_before_open: bool,
    /// A required step of an ordinary stage failed.
    failed: bool,
    /// A step ran, or tried to.
    begun: bool,
    cancel: Option<(CancelLevel, Reason)>,
    /// Steps whose waiting is over, to be judged.
    turns: VecDeque<usize>,
    /// Stages in which a step failed, whose other steps are to feel it.
    failures: VecDeque<usize>,
    decisions: VecDeque<Decision>,
}

struct StepSlot {
    status: Status,
    after: After,
    condition: Condition,
    /// A failure without an exit code of its own does not count.
    may_fail: bool,
    /// Something else than its turn has to come before it starts.
    to_hold: bool,
    /// What it sees is made of the files as they are when it starts.
    of_its_moment: bool,
    /// Needs that have not ended.
    unended: usize,
    /// Needs that neither run nor have ended.
    unstarted: usize,
    /// One of its needs is broken.
    broken: bool,
    /// One of its needs passed.
    passed: bool,
    /// It will not run, for this reason, which counts once what it waits for is over: no step ends
    /// before what it waits for has, or what waits for *it* would start too early.
    doomed: Option<Reason>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Waiting,
    /// Its turn has come, and something else has not.
    Held,
    Ready,
    Running,
    Ended,
}

struct StageSlot {
    kind: StageKind,
    on_step_failure: OnStepFailure,
    /// Steps that have not ended.
    left: usize,
    /// Steps that neither run nor have ended.
    waiting: usize,
    broken: bool,
    failing: bool,
}

impl Schedule {
    /// A schedule that has decided nothing yet.
    pub(super) fn new(plan: &Plan, jobs: usize) -> Self {
        let graph = Graph::new(plan);
        let stages = plan.all_stages().zip(graph.stages()).map(|(stage, node)| StageSlot {
            kind: node.kind,
            // The steps of the two last stages do not depend on one another's success.
            on_step_failure: match node.kind {
                StageKind::Ordinary => stage.on_step_failure,
                StageKind::OnFailure | StageKind::Finally => OnStepFailure::GoOn,
            },
            left: stage.steps.len(),
            waiting: stage.steps.len(),
            broken: false,
            failing: false,
        });
        let steps = plan.all_steps().zip(graph.steps()).map(|((stage, step), node)| StepSlot {
            status: Status::Waiting,
            after: if step.after == After::Success { stage.after } else { step.after },
            condition: step.condition.clone(),
            may_fail: step.allow_failure.covers(None),
            to_hold: step.gate.is_some() || step.wait_for.is_some(),
            of_its_moment: !step.substitute.is_empty(),
            unended: node.waits.needs().len(),
            unstarted: node.waits.needs().len(),
            broken: false,
            passed: false,
            doomed: None,
        });
        Self {
            steps: steps.collect(),
            late: Late::new(plan),
            stages: stages.collect(),
            graph,
            jobs: jobs.max(1),
            running: 0,
            ready: BTreeSet::new(),
            nearly: BTreeSet::new(),
            open: 0,
            opened: false,
            broken_before_open: false,
            failed: false,
            begun: false,
            cancel: None,
            turns: VecDeque::new(),
            failures: VecDeque::new(),
            decisions: VecDeque::new(),
        }
    }

    /// Makes the first decisions of a run.
    pub(super) fn begin(&mut self) {
        for step in 0..self.steps.len() {
            if *self.waits(step) != Waits::Stages {
                self.take_turn(step);
            }
        }
        self.settle();
    }

    /// The graph whose positions the decisions use.
    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// How many steps run at the same time, at most.
    pub(super) fn jobs(&self) -> usize {
        self.jobs
    }

    /// The next decision; the order matters.
    pub(super) fn next(&mut self) -> Option<Decision> {
        self.decisions.pop_front()
    }

    /// Whether every step has ended.
    pub(super) fn is_over(&self) -> bool {
        self.open == self.stages.len() && self.decisions.is_empty()
    }

    /// Takes in what a running step wrote that is about to end.
    pub(super) fn wrote(&mut self, step: usize, outputs: &BTreeMap<String, String>) {
        self.late.wrote(step, outputs);
    }

    /// Takes in how a running step ended.
    pub(super) fn ended(&mut self, step: usize, end: &End, allowed: bool) {
        self.begun |= !matches!(end.outcome, Outcome::Cancelled | Outcome::Skipped);
        self.record(step, end, allowed);
        self.settle();
    }

    /// Whether a step ran, or tried to.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Takes in that a step's program was let go.
    pub(super) fn started(&mut self) {
        self.begun = true;
    }

    /// Takes in that the run is to end; a lower level than before changes nothing.
    pub(super) fn cancel(&mut self, level: CancelLevel, reason: Reason) {
        if self.cancel.is_some_and(|(before, _)| before >= level) {
            return;
        }
        let reason = self.cancel.map_or(reason, |(_, first)| first);
        self.cancel = Some((level, reason));
        for stage in 0..self.stages.len() {
            if self.stages[stage].kind != StageKind::Finally || level >= CancelLevel::Kill {
                self.call_off(stage, reason, level >= CancelLevel::Stop);
            }
        }
        self.settle();
    }

    /// Takes in that a stage ran into its time limit.
    pub(super) fn expire(&mut self, stage: usize) {
        if let Some(slot) = self.stages.get_mut(stage) {
            slot.failing = true;
            self.doom(stage, Reason::Timeout, true, |_| true);
        }
        self.settle();
    }

    /// Draws all consequences, then fills the free jobs.
    fn settle(&mut self) {
        loop {
            if let Some(step) = self.turns.pop_front() {
                self.judge(step);
            } else if let Some(stage) = self.failures.pop_front() {
                self.spread_failure(stage);
            } else if !self.pass_barrier() {
                break;
            }
        }
        while self.running < self.jobs
            && let Some(step) = self.ready.pop_first()
        {
            self.running += 1;
            self.leave_waiting(step, Status::Running);
            self.decisions.push_back(Decision::Start(step));
        }
    }

    /// Queues a waiting step for judgement if what it waits for is over.
    fn take_turn(&mut self, step: usize) {
        let (slot, node) = (&self.steps[step], &self.graph.steps()[step]);
        let open = self.open > node.stage || (self.open == node.stage && self.opened);
        let reached = open || self.stages[node.stage].kind == StageKind::Ordinary;
        let over = match &node.waits {
            Waits::Stages => open,
            Waits::All(_) => slot.unended == 0,
            Waits::Any(_) => slot.unended == 0 || (slot.after == After::Success && slot.passed),
        };
        if slot.status == Status::Waiting && reached && over {
            self.turns.push_back(step);
        }
    }

    /// Decides about a step whose waiting is over.
    fn judge(&mut self, step: usize) {
        if self.steps[step].status != Status::Waiting {
            return;
        }
        if let Some(end) = self.why_not(step) {
            self.end(step, end);
            return;
        }
        self.nearly.remove(&step);
        self.steps[step].condition = Condition::True;
        if self.steps[step].to_hold {
            self.hold(step);
        } else {
            self.make_ready(step);
        }
    }

    fn make_ready(&mut self, step: usize) {
        self.steps[step].status = Status::Ready;
        self.ready.insert(step);
    }

    /// Why a step whose waiting is over does not run; none when it does.
    fn why_not(&self, step: usize) -> Option<End> {
        let (slot, node) = (&self.steps[step], &self.graph.steps()[step]);
        if let Condition::False(why) = &slot.condition {
            return Some(End::skipped(Reason::ConditionFalse, Some(why.clone())));
        }
        let last = self.stages[node.stage].kind != StageKind::Ordinary;
        let met = match (&node.waits, slot.after) {
            (Waits::Stages, _) if last => true,
            (Waits::Stages, After::Success) => !self.broken_before(node.stage),
            (Waits::Stages, After::Failure) => self.broken_before(node.stage),
            (Waits::All(_), After::Success) => !slot.broken,
            (Waits::Any(needs), After::Success) => slot.passed || needs.is_empty(),
            (Waits::All(_) | Waits::Any(_), After::Failure) => slot.broken,
            (_, After::Always) => true,
        };
        match (&slot.condition, slot.after) {
            (_, After::Failure) if !met => {
                let why = "it runs after a failure, and there was none".to_owned();
                Some(End::skipped(Reason::ConditionFalse, Some(why)))
            }
            _ if !met => Some(End::skipped(Reason::DependencyFailed, None)),
            _ if slot.doomed.is_some() => slot.doomed.map(|reason| End::because(reason, None)),
            (Condition::Late(_), _) => self.late.why_not(step),
            _ => None,
        }
    }

    /// A failed step's effect on the others of its stage (L6). Steps that are there for failures run on.
    fn spread_failure(&mut self, stage: usize) {
        let stop = match self.stages[stage].on_step_failure {
            OnStepFailure::CancelSiblings => true,
            OnStepFailure::StartNothingNew => false,
            OnStepFailure::GoOn => return,
        };
        self.doom(stage, Reason::CancelledBySibling, stop, |slot| match slot.status {
            Status::Running => slot.after != After::Always,
            Status::Waiting | Status::Held | Status::Ready | Status::Ended => slot.after == After::Success,
        });
    }

    /// Lets no more steps of a stage start that `which` picks, and stops the running ones if asked to.
    fn doom(&mut self, stage: usize, reason: Reason, stop: bool, which: impl Fn(&StepSlot) -> bool) {
        for step in self.graph.stages()[stage].steps.clone() {
            let slot = &mut self.steps[step];
            match slot.status {
                _ if !which(slot) => {}
                Status::Waiting => _ = slot.doomed.get_or_insert(reason),
                Status::Held | Status::Ready => self.end(step, End::because(reason, None)),
                Status::Running if stop => self.decisions.push_back(Decision::Stop(step, reason)),
                Status::Running | Status::Ended => {}
            }
        }
    }

    /// Ends all waiting steps of a stage at once, and stops the running ones if asked to: nothing will
    /// start that could come too early.
    fn call_off(&mut self, stage: usize, reason: Reason, stop: bool) {
        for step in self.graph.stages()[stage].steps.clone() {
            let slot = &self.steps[step];
            match slot.status {
                Status::Waiting | Status::Held | Status::Ready => {
                    let end = match &slot.condition {
                        Condition::False(why) => End::skipped(Reason::ConditionFalse, Some(why.clone())),
                        Condition::True | Condition::Late(_) => End::because(reason, None),
                    };
                    self.end(step, end);
                }
                Status::Running if stop => self.decisions.push_back(Decision::Stop(step, reason)),
                Status::Running | Status::Ended => {}
            }
        }
    }

    /// Ends a step that never ran.
    fn end(&mut self, step: usize, end: End) {
        let allowed = end.outcome == Outcome::Failed && self.steps[step].may_fail;
        self.decisions.push_back(Decision::End(step, end.clone()));
        self.record(step, &end, allowed);
    }

    fn record(&mut self, step: usize, end: &End, allowed: bool) {
        let node = &self.graph.steps()[step];
        let (stage, dependents) = (node.stage, node.dependents.clone());
        match self.steps[step].status {
            Status::Ended => return,
            Status::Running => {
                self.running -= 1;
                self.steps[step].status = Status::Ended;
            }
            Status::Waiting | Status::Held | Status::Ready => self.leave_waiting(step, Status::Ended),
        }
        self.late.record(step, end, allowed);
        let broken = is_broken(end, allowed);
        for dependent in dependents {
            let slot = &mut self.steps[dependent];
            slot.unended -= 1;
            slot.broken |= broken;
            slot.passed |= end.outcome == Outcome::Passed;
            if slot.unended == 0 {
                self.nearly.remove(&dependent);
            }
            self.take_turn(dependent);
        }
        let slot = &mut self.stages[stage];
        slot.left -= 1;
        slot.broken |= broken;
        if end.outcome == Outcome::Failed && !allowed {
            self.failed |= slot.kind == StageKind::Ordinary;
            if !std::mem::replace(&mut slot.failing, true) {
                self.failures.push_back(stage);
            }
        }
        if slot.left == 0 {
            self.decisions.push_back(Decision::StageEnded(stage));
        }
    }

    /// Takes a step out of those that wait.
    fn leave_waiting(&mut self, step: usize, status: Status) {
        let node = &self.graph.steps()[step];
        self.steps[step].status = status;
        self.stages[node.stage].waiting -= 1;
        self.ready.remove(&step);
        self.nearly.remove(&step);
        for dependent in &node.dependents {
            let slot = &mut self.steps[*dependent];
            slot.unstarted -= 1;
            let all = matches!(self.graph.steps()[*dependent].waits, Waits::All(_));
            if slot.unstarted == 0 && all && slot.status == Status::Waiting {
                self.nearly.insert(*dependent);
            }
        }
    }

    /// Opens the next stage, or goes past it if it is over; false when there is nothing to do.
    fn pass_barrier(&mut self) -> bool {
        let Some(stage) = self.stages.get(self.open) else { return false };
        if !self.opened {
            self.opened = true;
            self.open_stage();
            return true;
        }
        if stage.left > 0 {
            return false;
        }
        if stage.kind == StageKind::Ordinary {
            self.broken_before_open |= stage.broken;
        }
        self.open += 1;
        self.opened = false;
        true
    }

    /// Lets the steps of the stage that has just been reached take their turn.
    fn open_stage(&mut self) {
        let Some(stage) = self.stages.get(self.open) else { return };
        let node = &self.graph.stages()[self.open];
        let (kind, steps) = (stage.kind, node.steps.clone());
        if steps.is_empty() {
            self.decisions.push_back(Decision::StageEnded(self.open));
        }
        let unwanted = match (kind, self.cancel) {
            (StageKind::OnFailure, None) if !self.failed => {
                Some(End::skipped(Reason::ConditionFalse, Some("the run did not fail".to_owned())))
            }
            // Nothing has been done that would have to be undone.
            (StageKind::Finally, Some((_, reason))) if !self.begun => Some(End::because(reason, None)),
            _ => None,
        };
        for step in steps {
            match &unwanted {
                Some(end) if self.steps[step].status == Status::Waiting => self.end(step, end.clone()),
                Some(_) => {}
                None => self.take_turn(step),
            }
        }
    }

    fn waits(&self, step: usize) -> &Waits {
        self.graph.steps().get(step).map_or(&Waits::Stages, |node| &node.waits)
    }

    fn broken_before(&self, stage: usize) -> bool {
        let between = self.stages.get(self.open..stage).unwrap_or_default();
        self.broken_before_open || between.iter().any(|stage| stage.broken)
    }
}

/// Whether what depends on a step that ended like this counts it as broken (L5).
fn is_broken(end: &End, allowed: bool) -> bool {
    match end.outcome {
        Outcome::Passed => false,
        Outcome::Failed => !allowed,
        Outcome::Lost | Outcome::Cancelled => true,
        Outcome::Skipped => !matches!(end.reason, Some(Reason::ConditionFalse | Reason::NotSelected)),
    }
}

#[cfg(test)]
mod tests;
