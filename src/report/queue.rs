//! The queue between the stream and one reader: never full, and bounded all the same.
//!
//! Control events are always kept. Output is kept with its bytes within a budget; beyond it only
//! where it is in the log is kept, and all of an attempt's output between two control events takes
//! one place. So it does from the start for a reader that needs no bytes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::OutputNeed;
use crate::event::{Event, EventKind, Output};

/// What one queue may hold before output is kept as places only.
pub(super) const BUDGET: usize = 4 << 20;

/// How often whoever waits for a reader's end asks how long it still may.
const LOOK: Duration = Duration::from_millis(100);

/// What an event costs besides its bytes: its place, and about as much as its ids take.
const EVENT_COST: usize = size_of::<Entry>() + 128;

/// A place in the queue.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every place holds the large one")]
pub(super) enum Entry {
    /// An event as it was sent, or with its output's bytes left out.
    One(Event),
    /// Output without bytes, joined per attempt whatever its stream; in the order of their first.
    Joined(Vec<Event>),
}

/// A queue with one writer and one reader.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    cost: usize,
    closed: bool,
    ended: bool,
    progress: u64,
}

impl Queue {
    /// Adds an event. Never waits for the reader.
    pub(super) fn push(&self, mut event: Event, need: OutputNeed) {
        let mut inner = self.lock();
        if inner.ended {
            return;
        }
        if let EventKind::Output(output) = &mut event.kind {
            match need {
                OutputNeed::Nothing => return,
                OutputNeed::Places => output.data = Bytes::new(),
                OutputNeed::Bytes => {}
            }
            if need == OutputNeed::Places || inner.cost + EVENT_COST + output.data.len() > BUDGET {
                output.data = Bytes::new();
                match inner.entries.back_mut() {
                    Some(Entry::Joined(joined)) => {
                        if joined.iter_mut().rev().any(|last| join(last, output)) {
                            self.changed.notify_all();
                            return;
                        }
                        joined.push(event);
                    }
                    _ => inner.entries.push_back(Entry::Joined(vec![event])),
                }
                inner.cost += EVENT_COST;
                self.changed.notify_all();
                return;
            }
        }
        let entry = Entry::One(event);
        inner.cost += cost(&entry);
        inner.entries.push_back(entry);
        self.changed.notify_all();
    }

    /// Takes the next place; waits for one until the queue is closed.
    pub(super) fn pop(&self) -> Option<Entry> {
        let mut inner = self.lock();
        loop {
            if let Some(entry) = inner.entries.pop_front() {
                inner.cost -= cost(&entry);
                return Some(entry);
            }
            if inner.closed {
                return None;
            }
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits as long as nothing but output comes, and no longer than `pause`.
    pub(super) fn rest(&self, pause: Duration) {
        let inner = self.lock();
        let calm = |inner: &mut Inner| {
            !inner.closed && !inner.entries.iter().any(|entry| matches!(entry, Entry::One(_)))
        };
        drop(self.changed.wait_timeout_while(inner, pause, calm).unwrap_or_else(PoisonError::into_inner));
    }

    /// Says that nothing more will be pushed.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Says that the reader got something done.
    pub(super) fn advanced(&self) {
        let mut inner = self.lock();
        inner.progress += 1;
        // Only somebody who waits for the end listens to this.
        if inner.closed {
            self.changed.notify_all();
        }
    }

    /// Says that the reader is gone: what is queued is dropped, and nothing is taken any more.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        let dropped = std::mem::take(&mut inner.entries);
        inner.cost = 0;
        drop(inner);
        self.changed.notify_all();
        drop(dropped);
    }

    /// Waits until the reader is gone; false when it got nothing done for as long as `patience` says.
    pub(super) fn wait_for_end(&self, patience: &impl Fn() -> Duration) -> bool {
        let mut inner = self.lock();
        let (mut progress, mut since) = (inner.progress, Instant::now());
        while !inner.ended {
            if inner.progress != progress {
                (progress, since) = (inner.progress, Instant::now());
            }
            let Some(left) = patience().checked_sub(since.elapsed()).filter(|left| !left.is_zero()) else {
                return false;
            };
            inner =
                self.changed.wait_timeout(inner, left.min(LOOK)).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes and places that are queued.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        let inner = self.lock();
        let places = inner.entries.iter().map(|entry| match entry {
            Entry::One(_) => 1,
            Entry::Joined(joined) => joined.len(),
        });
        (inner.cost, places.sum())
    }
}

fn cost(entry: &Entry) -> usize {
    match entry {
        Entry::One(Event { kind: EventKind::Output(output), .. }) => EVENT_COST + output.data.len(),
        Entry::One(_) => EVENT_COST,
        Entry::Joined(events) => EVENT_COST * events.len(),
    }
}

/// Lengthens `last` by `output` where that goes on right behind it in the same log.
fn join(last: &mut Event, output: &Output) -> bool {
    let EventKind::Output(last) = &mut last.kind else { return false };
    let goes_on = last.data.is_empty()
        && last.offset + last.len == output.offset
        && last.attempt == output.attempt
        && last.step == output.step;
    if goes_on {
        last.len += output.len;
    }
    goes_on
}
