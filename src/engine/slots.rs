//! Places for running steps, when runs share a machine.

use futures_util::future::BoxFuture;

/// A place; given back when it is dropped.
pub type Slot = Box<dyn Send + Sync>;

/// Where running steps get their places from. A run's own limit is [`Options::jobs`](super::Options);
/// this one is for runs that go on at once.
pub trait Slots: Send + Sync {
    /// Waits for a place.
    ///
    /// # Cancel safety
    /// A dropped future has taken none.
    fn take(&self) -> BoxFuture<'_, Slot>;
}

/// As many places as anybody wants.
pub struct Unshared;

impl Slots for Unshared {
    fn take(&self) -> BoxFuture<'_, Slot> {
        Box::pin(async { Box::new(()) as Slot })
    }
}
