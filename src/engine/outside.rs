//! Waiting for what is no step: an image, a web address, a file, a port (language L33). The engine asks again and
//! again, with a clock and a back-off of its own; whoever it asks looks once.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::world::World;
use crate::base::Reason;
use crate::base::awake::{sleep, timeout};
use crate::base::units::show_duration;
use crate::event::End;
use crate::plan::Awaited;

/// The first pause between two looks; each is twice as long as the one before.
const FIRST: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST: Duration = Duration::from_secs(5);
/// How long a look may take.
const LOOK: Duration = Duration::from_secs(10);
/// The same for an image: a backend may have to fetch it to see it.
const FETCH: Duration = Duration::from_mins(5);

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    There,
    /// It is not there yet; why, for people.
    NotYet(String),
    /// It never will be, for what it is called or where it would be; why, for people.
    Never(String),
}

/// What is outside of the pipeline, and can be looked at.
pub trait Outside: Send + Sync {
    /// Looks once for something that is no image; those are the session's.
    ///
    /// # Cancel safety
    /// Nothing comes of a dropped look.
    fn look<'a>(&'a self, kind: Awaited, what: &'a str) -> BoxFuture<'a, Found>;
}

/// Nothing, so that whatever is waited for never comes.
pub struct Nothing;

impl Outside for Nothing {
    fn look<'a>(&'a self, _: Awaited, _: &'a str) -> BoxFuture<'a, Found> {
        Box::pin(async { Found::NotYet("nobody can look for it".to_owned()) })
    }
}

/// Waits until something is there, but not longer than `limit`.
///
/// # Errors
/// The end of the step that waited in vain.
pub(super) async fn wait(world: &World, kind: Awaited, what: &str, limit: Duration) -> Result<(), End> {
    let cannot = |why: &str| {
        let message = format!("{} `{what}` cannot be waited for: {why}", kind.noun());
        End::because(Reason::CouldNotStart, Some(message))
    };
    if let Some(problem) = kind.problem(what) {
        return Err(cannot(problem));
    }
    let mut last = "nothing was heard of it".to_owned();
    let patience = if kind == Awaited::Image { FETCH } else { LOOK };
    let looking = async {
        let mut pause = FIRST;
        loop {
            match timeout(patience, look(world, kind, what)).await {
                Ok(Ok(Found::There)) => return Ok(()),
                Ok(Ok(Found::NotYet(why))) => last = why,
                Ok(Ok(Found::Never(why))) => return Err(cannot(&why)),
                Ok(Err(end)) => return Err(end),
                Err(_) => last = format!("there was no answer within {}", show_duration(patience)),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    };
    if let Ok(waited) = timeout(limit, looking).await {
        return waited;
    }
    let waited = show_duration(limit);
    let message = format!("{} `{what}` was not there after {waited}: {last}", kind.noun());
    Err(End::because(Reason::Timeout, Some(message)))
}

async fn look(world: &World, kind: Awaited, what: &str) -> Result<Found, End> {
    if kind != Awaited::Image {
        return Ok(world.outside.look(kind, what).await);
    }
    match world.session.has_image(what).await {
        Ok(()) => Ok(Found::There),
        // A registry says of what it does not show to us yet that it is denied.
        Err(error)
            if matches!(
                error.reason,
                Reason::ImageNotFound | Reason::ImagePullFailed | Reason::ImageRefused | Reason::Quota
            ) =>
        {
            Ok(Found::NotYet(error.message))
        }
        Err(error) => Err(super::verdict::of_start(error)),
    }
}
