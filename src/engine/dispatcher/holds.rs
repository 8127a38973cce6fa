//! Steps whose turn has come and that something else holds: asks, looks, and passes on what comes of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::{Dispatcher, written};
use crate::base::Reason;
use crate::engine::convert::SpecError;
use crate::engine::gates::{Answer, Gate};
use crate::engine::message::{Held, Message};
use crate::engine::world::World;
use crate::engine::{outside, verdict};
use crate::event::{End, EventKind};
use crate::plan::{Text, expand};

impl Dispatcher {
    /// Begins to see to what holds a step: first somebody agrees, then what it waits for is there, so that
    /// nothing is looked for that nobody agreed to.
    pub(super) fn hold(&mut self, position: usize) {
        self.arm(position);
        let (_, step) = self.place(position);
        let Some(text) = step.gate.clone() else { return self.wait(position) };
        let Some(question) = self.known(position, text) else { return };
        let (_, step) = self.place(position);
        let of = step.instance_of.as_ref().unwrap_or(&step.id).clone();
        let (step, name) = (step.id.clone(), step.name.clone());
        let gate = Gate { step, of, name, question: question.clone() };
        self.tell(EventKind::GateReached { step: gate.step.clone(), question });
        self.see_to(position, async move |world| Held::Answered(world.gates.ask(gate).await));
    }

    /// Begins to look for what a step waits for.
    fn wait(&mut self, position: usize) {
        let (_, step) = self.place(position);
        let Some(wait) = step.wait_for.clone() else { return self.schedule.let_go(position) };
        let Some(what) = self.known(position, wait.what) else { return };
        let step = self.place(position).1.id.clone();
        self.tell(EventKind::WaitStarted { step, kind: wait.kind, what: what.clone() });
        self.see_to(position, async move |world| {
            Held::Waited(outside::wait(&world, wait.kind, &what, wait.timeout).await)
        });
    }

    /// A text of a step with the outputs put in; a step that takes one that is not there ends.
    fn known(&mut self, position: usize, text: Text) -> Option<String> {
        let mut text = text;
        let output = |step: &_, key: &_| written(&self.state, step, key);
        let (_, step) = self.place(position);
        let error = match expand::resolve_text(&mut text, &output) {
            Ok(()) => match text {
                Text::Known(text) => return Some(text),
                Text::Late(_) => {
                    SpecError::Unsupported { step: step.id.clone(), feature: "the element of a matrix" }
                }
            },
            Err((from, key)) => SpecError::NoOutput { step: step.id.clone(), from, key },
        };
        self.finish_step(position, End::because(error.reason(), Some(error.to_string())));
        None
    }

    /// Has a task see to what holds a step. A panic in it ends the step.
    fn see_to<F>(&mut self, position: usize, work: impl FnOnce(Arc<World>) -> F)
    where
        F: Future<Output = Held> + Send + 'static,
    {
        let world = Arc::clone(&self.world);
        let work = AssertUnwindSafe(work(Arc::clone(&world))).catch_unwind();
        let task = self.tasks.spawn(async move {
            let news = work.await.unwrap_or_else(|panic| Held::Broke(verdict::of_panic(panic.as_ref())));
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
            Held::Waited(Ok(())) => {
                let step = self.place(position).1.id.clone();
                self.tell(EventKind::WaitEnded { step });
                self.schedule.let_go(position);
            }
            Held::Waited(Err(end)) | Held::Broke(end) => self.finish_step(position, end),
        }
        self.carry_out();
    }

    fn answered(&mut self, position: usize, answer: Answer) {
        let step = self.place(position).1.id.clone();
        match answer {
            Answer::Opened(message) => {
                self.tell(EventKind::GateAnswered { step, opened: true, message });
                self.wait(position);
            }
            Answer::Declined(message) => {
                self.tell(EventKind::GateAnswered { step, opened: false, message: message.clone() });
                self.finish_step(position, End::skipped(Reason::GateDeclined, Some(message)));
            }
        }
    }

    /// Takes back what is asked and looked for, for a step that ended without.
    pub(super) fn withdraw(&mut self, position: usize) {
        if let Some(task) = self.holds.remove(&position) {
            task.abort();
        }
    }
}
