//! How one task knows that what it depends on is gone: it holds the other end of something that was dropped.

use tokio::sync::watch;

/// Held by what others depend on: a session, a container whose network namespace others use. They see
/// when it is dropped.
pub(super) type Anchor = watch::Sender<()>;
/// The other end of an [`Anchor`].
pub(super) type Tether = watch::Receiver<()>;

/// Waits until the other end is gone; for ever when there is none.
pub(super) async fn cut(tether: &mut Option<Tether>) {
    match tether {
        // Nothing is ever sent, so the only change is the end.
        Some(tether) => while tether.changed().await.is_ok() {},
        None => std::future::pending().await,
    }
}
