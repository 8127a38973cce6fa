//! The fan-out of one stream to its readers, each on a thread of its own.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::queue::{Entry, Queue};
use super::refill::pieces;
use super::{LogSource, OutputNeed, Reader};
use crate::event::{Event, EventKind, RunState};
use crate::plan::Plan;

/// How long a reader that needs no bytes lets output gather, so that it gets one event for all of it.
const REST: Duration = Duration::from_secs(1);

/// Hands every event to every reader, and waits for none of them.
pub struct Feed {
    plan: Arc<Plan>,
    logs: Arc<dyn LogSource>,
    readers: Vec<Running>,
    failures: Vec<ReaderFailure>,
}

/// A reader that did not do its work. The run is none the worse for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reader}: {message}")]
pub struct ReaderFailure {
    /// What the reader is called.
    pub reader: &'static str,
    /// What went wrong.
    pub message: String,
}

struct Running {
    name: &'static str,
    need: OutputNeed,
    queue: Arc<Queue>,
    thread: JoinHandle<Option<String>>,
}

impl Feed {
    /// A feed without readers; `logs` is where a reader that lags finds output again.
    pub fn new(plan: &Plan, logs: Arc<dyn LogSource>) -> Self {
        let plan = Arc::new(plan.clone());
        Self { plan, logs, readers: Vec::new(), failures: Vec::new() }
    }

    /// Adds a reader, which gets the events sent from now on.
    pub fn add(&mut self, reader: Box<dyn Reader>) {
        let (name, need) = (reader.name(), reader.output());
        let queue = Arc::new(Queue::default());
        let mut worker = Worker {
            reader,
            need,
            state: RunState::new(&self.plan),
            logs: Arc::clone(&self.logs),
            queue: Arc::clone(&queue),
        };
        let spawned = Builder::new().name(format!("reader-{name}")).spawn(move || {
            let fate = catch_unwind(AssertUnwindSafe(|| worker.run()));
            worker.queue.end();
            fate.unwrap_or_else(|panic| Some(format!("broke: {}", panic_message(panic.as_ref()))))
        });
        match spawned {
            Ok(thread) => self.readers.push(Running { name, need, queue, thread }),
            Err(error) => {
                self.failures
                    .push(ReaderFailure { reader: name, message: format!("has no thread: {error}") });
            }
        }
    }

    /// Hands an event to every reader's queue. Never blocks on a reader.
    pub fn send(&mut self, event: Event) {
        for reader in &self.readers {
            reader.queue.push(event.clone(), reader.need);
        }
    }

    /// Waits until the readers have read everything, and says which of them did not do their work.
    ///
    /// A reader that gets nothing done for as long as `patience` says, as on a pipe that nobody reads, is left behind. It is
    /// asked again and again, as somebody may begin to be in a hurry.
    pub fn finish(mut self, patience: impl Fn() -> Duration) -> Vec<ReaderFailure> {
        self.close();
        let mut failures = std::mem::take(&mut self.failures);
        for reader in std::mem::take(&mut self.readers) {
            let message = if reader.queue.wait_for_end(&patience) {
                reader.thread.join().unwrap_or_else(|panic| Some(panic_message(panic.as_ref()).to_owned()))
            } else {
                Some("reads no more, and was left behind".to_owned())
            };
            failures.extend(message.map(|message| ReaderFailure { reader: reader.name, message }));
        }
        failures
    }

    fn close(&self) {
        for reader in &self.readers {
            reader.queue.close();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.close();
    }
}

struct Worker {
    reader: Box<dyn Reader>,
    need: OutputNeed,
    state: RunState,
    logs: Arc<dyn LogSource>,
    queue: Arc<Queue>,
}

impl Worker {
    fn run(&mut self) -> Option<String> {
        while let Some(entry) = self.queue.pop() {
            match entry {
                Entry::One(event) => self.give(&event),
                Entry::Joined(events) if self.need == OutputNeed::Places => {
                    for event in &events {
                        self.give(event);
                    }
                    self.queue.rest(REST);
                }
                Entry::Joined(events) => events.iter().for_each(|event| self.give_joined(event)),
            }
        }
        self.reader.finish();
        self.reader.failure()
    }

    fn give(&mut self, event: &Event) {
        self.state.apply(event);
        self.reader.read(event, &self.state);
        self.queue.advanced();
    }

    fn give_joined(&mut self, event: &Event) {
        let EventKind::Output(output) = &event.kind else { return self.give(event) };
        let logs = Arc::clone(&self.logs);
        pieces(output, logs.as_ref(), &mut |piece| {
            self.give(&Event { kind: EventKind::Output(piece), ..event.clone() });
        });
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic")
}

#[cfg(test)]
mod tests;
