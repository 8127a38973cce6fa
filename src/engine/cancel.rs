//! The way in for a request to end a run. It knows no signal and no step.

use tokio::sync::watch;

use crate::base::Reason;
use crate::event::CancelLevel;

/// Asks a run to end. Any number of clones may be used from anywhere.
#[derive(Clone, Debug)]
pub struct CancelHandle(watch::Sender<Option<(CancelLevel, Reason)>>);

/// The engine's end of a [`CancelHandle`]. Each clone sees every request.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Receiver<Option<(CancelLevel, Reason)>>);

/// Makes the two ends.
pub fn cancel() -> (CancelHandle, Cancel) {
    let (sender, receiver) = watch::channel(None);
    (CancelHandle(sender), Cancel(receiver))
}

impl CancelHandle {
    /// Asks for the end at this level. Levels only rise: a lower one than before changes nothing.
    pub fn request(&self, level: CancelLevel, reason: Reason) {
        self.0.send_if_modified(|now| {
            let rises = now.is_none_or(|(before, _)| level > before);
            if rises {
                *now = Some((level, reason));
            }
            rises
        });
    }
}

impl Cancel {
    /// The highest level that somebody has asked for.
    pub fn level(&self) -> Option<CancelLevel> {
        self.0.borrow().map(|(level, _)| level)
    }

    /// Waits until somebody has asked for this level or a higher one; for ever, when nobody does.
    /// What it sees is still news to the engine.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub async fn reached(&self, level: CancelLevel) {
        let mut requests = self.0.clone();
        let reached = requests.wait_for(|now| now.is_some_and(|(now, _)| now >= level)).await.is_ok();
        if !reached {
            std::future::pending::<()>().await;
        }
    }

    /// A request that has not been seen yet.
    pub(super) fn pending(&mut self) -> Option<(CancelLevel, Reason)> {
        if self.0.has_changed().unwrap_or(false) { *self.0.borrow_and_update() } else { None }
    }

    /// Waits for the level to rise; for ever, when nobody can raise it any more.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub(super) async fn raised(&mut self) -> (CancelLevel, Reason) {
        loop {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(request) = *self.0.borrow_and_update() {
                return request;
            }
        }
    }
}
