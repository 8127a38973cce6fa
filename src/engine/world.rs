//! What the tasks of a run share, and the way they speak to the dispatcher.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Hint;
use super::gates::Gates;
use super::message::{Message, News};
use super::outside::Outside;
use super::slots::Slots;
use crate::backend::Session;
use crate::base::Clock;
use crate::base::masker::Masker;
use crate::event::EventKind;
use crate::event::log::Logs;

/// Bytes of output that may wait for the dispatcher, of all attempts together. More would only be memory: the tasks
/// wait, then the pipes of their containers.
const ROOM: usize = 1 << 20;

/// What the tasks of a run share.
pub(super) struct World {
    pub(super) session: Arc<dyn Session>,
    pub(super) slots: Arc<dyn Slots>,
    pub(super) gates: Arc<dyn Gates>,
    pub(super) outside: Arc<dyn Outside>,
    pub(super) logs: Arc<dyn Logs>,
    pub(super) hint: Option<Hint>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) masker: Masker,
    pub(super) inbox: mpsc::Sender<Message>,
    /// A permit for each byte of output that does not wait for the dispatcher.
    pub(super) room: Arc<Semaphore>,
}

impl World {
    /// Room for all output that may wait.
    pub(super) fn room() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(ROOM))
    }

    /// Waits for room for so many bytes of output; a piece larger than all of it takes all of it.
    pub(super) async fn reserve(&self, bytes: usize) -> OwnedSemaphorePermit {
        let count = u32::try_from(bytes.min(ROOM)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.room).acquire_many_owned(count).await;
        permit.expect("nobody closes the semaphore")
    }

    /// Has the dispatcher tell a fact.
    pub(super) async fn tell(&self, fact: EventKind) {
        // Without a dispatcher the run is over, and this task about to be aborted.
        let _ = self.inbox.send(Message::Fact(fact)).await;
    }

    /// Tells the dispatcher.
    pub(super) async fn say(&self, step: usize, attempt: u32, news: News) {
        // Without a dispatcher the run is over, and this task about to be aborted.
        let _ = self.inbox.send(Message::Attempt { step, attempt, news }).await;
    }
}
