//! Steps whose turn has come and that something else holds: a gate, or what they wait for. They take no job's place meanwhile.

use super::{Decision, Schedule, Status};

impl Schedule {
    /// Holds a step whose turn has come.
    pub(super) fn hold(&mut self, step: usize) {
        self.steps[step].status = Status::Held;
        self.decisions.push_back(Decision::Hold(step));
    }

    /// Takes in that nothing holds a step any more.
    pub(in crate::engine) fn let_go(&mut self, step: usize) {
        if self.steps.get(step).is_some_and(|slot| slot.status == Status::Held) {
            self.make_ready(step);
            self.settle();
        }
    }
}
