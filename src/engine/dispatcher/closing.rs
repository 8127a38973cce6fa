//! The end of a run: the clean-up under its own deadline, and the last event.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::Dispatcher;
use crate::base::awake::{sleep, timeout};
use crate::engine::message::Order;
use crate::event::{CancelLevel, EventKind, RunState};
use futures_util::FutureExt;

/// How long the clean-up may take. The backend has a deadline of its own, of a minute, after which it names
/// what is left; this one is for a backend that never answers.
const CLOSE: Duration = Duration::from_secs(65);
/// And after a kill.
const CLOSE_AFTER_KILL: Duration = Duration::from_secs(1);
/// How long containers that were never let go may take to end, before the clean-up takes them.
const DISCARD: Duration = Duration::from_millis(500);

impl Dispatcher {
    /// Removes what the run made, under a deadline of its own; its trouble never changes the outcome.
    pub(super) async fn close(&mut self) {
        for orders in std::mem::take(&mut self.held).into_values() {
            let _ = orders.send(Order::Drop);
        }
        self.images.give_up();
        let session = Arc::clone(&self.world.session);
        let mut tasks = std::mem::take(&mut self.tasks);
        let mut services = self.services.close();
        let work = async move {
            let _ = timeout(DISCARD, async {
                while tasks.join_next().await.is_some() {}
                while services.join_next().await.is_some() {}
            })
            .await;
            drop((tasks, services));
            session.close().await
        };
        let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
        let killed = self.level() >= Some(CancelLevel::Kill);
        let mut limit = pin!(sleep(if killed { CLOSE_AFTER_KILL } else { CLOSE }));
        loop {
            tokio::select! { biased;
                (level, reason) = self.cancel.raised() => {
                    if self.level() >= Some(level) {
                        continue;
                    }
                    self.tell(EventKind::CancelRequested { level, reason });
                    match level {
                        CancelLevel::Leave => return,
                        CancelLevel::Kill => limit.set(sleep(CLOSE_AFTER_KILL)),
                        CancelLevel::Drain | CancelLevel::Stop => {}
                    }
                }
                left = &mut work => {
                    let bug = || vec!["a bug in windlass: panic while cleaning up".to_owned()];
                    for message in left.unwrap_or_else(|_| bug()) {
                        self.tell(EventKind::CleanupFailed { message });
                    }
                    return;
                }
                () = &mut limit => {
                    let message = "the clean-up did not end in time".to_owned();
                    self.tell(EventKind::CleanupFailed { message });
                    return;
                }
            }
        }
    }

    /// Makes the last event.
    pub(super) fn end(mut self) -> RunState {
        let (outcome, reason) = self.state.verdict();
        let message = if self.left() {
            Some("left without cleaning up; `windlass clean` does it".to_owned())
        } else {
            self.state.all_skipped().then(|| "every step was skipped".to_owned())
        };
        self.tell(EventKind::RunEnded { outcome, reason, message });
        self.state
    }
}
