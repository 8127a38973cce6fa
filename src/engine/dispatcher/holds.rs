//! Steps whose turn has come and that something else holds: asks, and passes the answer on.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::Dispatcher;
use crate::base::Reason;
use crate::engine::gates::{Answer, Gate};
use crate::engine::message::{Held, Message};
use crate::engine::verdict;
use crate::event::{End, EventKind};

impl Dispatcher {
    /// Begins to see to what holds a step.
    pub(super) fn hold(&mut self, position: usize) {
        self.arm(position);
        let (_, step) = self.place(position);
        let Some(text) = &step.gate else { return self.let_go(position) };
        let Some(text) = text.known().map(str::to_owned) else {
            let why = "its gate holds an output of another step, which this version cannot put in";
            return self.finish_step(position, End::because(Reason::CouldNotStart, Some(why.to_owned())));
        };
        let of = step.instance_of.as_ref().unwrap_or(&step.id).clone();
        let (step, name) = (step.id.clone(), step.name.clone());
        let gate = Gate { step, of, name, question: text.clone() };
        self.tell(EventKind::GateReached { step: gate.step.clone(), question: text });
        let world = Arc::clone(&self.world);
        let task = self.tasks.spawn(async move {
            let answer = AssertUnwindSafe(world.gates.ask(gate)).catch_unwind().await;
            let news = match answer {
                Ok(answer) => Held::Answered(answer),
                Err(panic) => Held::Broke(verdict::of_panic(panic.as_ref())),
            };
            // Without a dispatcher the run is over.
            let _ = world.inbox.send(Message::Held { step: position, news }).await;
        });
        self.holds.insert(position, task);
    }

    /// Takes in what became of that.
    pub(super) fn heard_of_hold(&mut self, position: usize, news: Held) {
        // Whoever answers too late answers nothing.
        if self.holds.remove(&position).is_none() {
            return;
        }
        match news {
            Held::Answered(answer) => self.answered(position, answer),
            Held::Broke(end) => self.finish_step(position, end),
        }
        self.carry_out();
    }

    fn answered(&mut self, position: usize, answer: Answer) {
        let step = self.place(position).1.id.clone();
        match answer {
            Answer::Opened(message) => {
                self.tell(EventKind::GateAnswered { step, opened: true, message });
                self.let_go(position);
            }
            Answer::Declined(message) => {
                self.tell(EventKind::GateAnswered { step, opened: false, message: message.clone() });
                self.finish_step(position, End::skipped(Reason::GateDeclined, Some(message)));
            }
        }
    }

    fn let_go(&mut self, position: usize) {
        self.schedule.let_go(position);
    }

    /// Takes the question of a step back that ended without an answer.
    pub(super) fn withdraw(&mut self, position: usize) {
        if let Some(task) = self.holds.remove(&position) {
            task.abort();
        }
    }
}
