//! Which steps are worth starting one step ahead. A guess, which changes nothing when it is wrong.

use super::{Schedule, Status};
use crate::plan::graph::{StageKind, Waits};
use crate::plan::{After, Condition};

impl Schedule {
    /// Steps that are worth starting ahead: nothing but running steps, or the number of jobs, is in
    /// their way, and unless something fails they will run. At most as many as there are jobs, in the
    /// order of the file.
    pub(in crate::engine) fn ahead(&self) -> Vec<usize> {
        let ready = self.ready.iter().copied().filter(|step| self.hopeful(*step)).take(self.jobs);
        let nearly = self.nearly.iter().copied().filter(|step| self.hopeful(*step)).take(self.jobs);
        let mut steps: Vec<usize> = ready.chain(nearly).chain(self.behind_barrier()).collect();
        steps.sort_unstable();
        steps.truncate(self.jobs);
        steps
    }

    /// Whether a step that has not started will run unless something fails.
    pub(in crate::engine) fn hopeful(&self, step: usize) -> bool {
        let (Some(slot), Some(node)) = (self.steps.get(step), self.graph.steps().get(step)) else {
            return false;
        };
        // What the last two stages are told about the outcome is not known ahead.
        let ordinary = self.stages.get(node.stage).is_some_and(|stage| stage.kind == StageKind::Ordinary);
        let decided = slot.condition == Condition::True && ordinary && self.cancel.is_none();
        decided
            && !slot.of_its_moment
            && slot.doomed.is_none()
            && match slot.status {
                Status::Ready => true,
                Status::Held | Status::Running | Status::Ended => false,
                // How long somebody thinks, or something takes to come, nobody knows.
                Status::Waiting if slot.to_hold => false,
                Status::Waiting => match slot.after {
                    After::Always => true,
                    After::Failure => false,
                    After::Success => match node.waits {
                        Waits::Stages => !self.broken_before(node.stage),
                        Waits::All(_) | Waits::Any(_) => !slot.broken,
                    },
                },
            }
    }

    /// The first steps that wait for a barrier which only running steps keep closed.
    fn behind_barrier(&self) -> Vec<usize> {
        let mut stages = self.stages.iter().enumerate().skip(self.open);
        let closed = stages.find(|(_, stage)| stage.waiting > 0).map(|(stage, _)| stage);
        let Some(closed) = closed.filter(|stage| *stage > self.open) else { return Vec::new() };
        let steps = self.graph.stages().get(closed).map_or(0..0, |node| node.steps.clone());
        steps
            .filter(|step| *self.waits(*step) == Waits::Stages && self.hopeful(*step))
            .take(self.jobs)
            .collect()
    }
}
