//! What the tasks of a run share, and the way they speak to the dispatcher.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Hint;
use super::message::{Message, News};
use super::slots::Slots;
use crate::backend::Session;
use crate::base::Clock;
use crate::base::masker::Masker;
use crate::event::log::Logs;

/// What the tasks of a run share.
pub(super) struct World {
    pub(super) session: Arc<dyn Session>,
    pub(super) slots: Arc<dyn Slots>,
    pub(super) logs: Arc<dyn Logs>,
    pub(super) hint: Option<Hint>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) masker: Masker,
    /// Bounded, so that output waits in the container and not in memory.
    pub(super) inbox: mpsc::Sender<Message>,
}

impl World {
    /// Tells the dispatcher.
    pub(super) async fn say(&self, step: usize, attempt: u32, news: News) {
        // Without a dispatcher the run is over, and this task about to be aborted.
        let _ = self.inbox.send(Message::Attempt { step, attempt, news }).await;
    }
}
