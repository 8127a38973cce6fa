//! Images on their way: each is asked for once, all at the same time, and every step waits only for
//! its own.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::message::{ImageReady, Message};
use super::world::World;
use crate::backend::{ContainerImage, PullProgress, StartError};
use crate::base::Reason;

/// Progress is told no more often; it is for people.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// The images of a run.
#[derive(Default)]
pub(super) struct Images {
    ready: HashMap<ContainerImage, ImageReady>,
    tasks: JoinSet<()>,
}

impl Images {
    /// Asks for an image, unless somebody has already. `again` asks once more if that came to nothing.
    pub(super) fn request(&mut self, world: &Arc<World>, image: &ContainerImage, again: bool) -> ImageReady {
        let before = self.ready.get(image).filter(|ready| {
            let failed = matches!(*ready.borrow(), Some(Err(_)));
            !(again && failed)
        });
        if let Some(ready) = before {
            return ready.clone();
        }
        let (tell, ready) = watch::channel(None);
        self.ready.insert(image.clone(), ready.clone());
        let (world, image) = (Arc::clone(world), image.clone());
        self.tasks.spawn(async move {
            let fetched = fetch(&world, &image).await;
            // Nobody may be waiting for it any more.
            let _ = tell.send(Some(fetched));
        });
        ready
    }

    /// Gives up what is still on its way.
    pub(super) fn give_up(&mut self) {
        self.tasks.abort_all();
    }
}

async fn fetch(world: &World, image: &ContainerImage) -> Result<(), StartError> {
    let fetching = AtomicBool::new(false);
    let told = Mutex::new(None::<Duration>);
    let progress = |progress: PullProgress| {
        fetching.store(true, Ordering::Relaxed);
        let now = world.clock.elapsed();
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|before| now.saturating_sub(before) >= PROGRESS_EVERY) {
            *told = Some(now);
            // Progress may be lost when the dispatcher is busy; its end, below, is not.
            let _ = world.inbox.try_send(Message::Pulling(image.to_string(), progress));
        }
    };
    let fetched = AssertUnwindSafe(world.session.image(image, &progress)).catch_unwind().await;
    let fetched = fetched.unwrap_or_else(|_| {
        let message = format!("a bug in windlass: panic while asking for the image `{image}`");
        Err(StartError { reason: Reason::RunnerLost, message })
    });
    if fetched.is_ok() && fetching.load(Ordering::Relaxed) {
        // Before any step that waits for it can say that it started.
        let _ = world.inbox.send(Message::Pulled(image.to_string())).await;
    }
    fetched
}

/// Waits until it is known whether an image is there.
pub(super) async fn wait(mut ready: ImageReady) -> Result<(), StartError> {
    match ready.wait_for(Option::is_some).await.map(|fetched| fetched.clone()) {
        Ok(Some(fetched)) => fetched,
        Ok(None) | Err(_) => Err(StartError {
            reason: Reason::RunnerLost,
            message: "the image was given up before it was there".to_owned(),
        }),
    }
}
