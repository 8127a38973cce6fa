//! Steps whose network namespace is one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::container::Handle;
use super::tether::{Anchor, Tether};

/// Steps that use one network namespace in turn: that of the first of them, whose helper stays after
/// its program's end, so that it costs no container of its own.
#[derive(Default)]
pub(super) struct Lane(Mutex<Option<Holder>>);

/// The container whose namespace a lane uses.
pub(super) struct Holder {
    name: String,
    /// As long as this is held, the helper inside believes that we live.
    _handle: Arc<Handle>,
    anchor: Anchor,
}

impl Lane {
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Holder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The container to join, and the sign of its end.
    pub(super) fn holder(&self) -> Option<(String, Tether)> {
        self.lock().as_ref().map(|holder| (holder.name.clone(), holder.anchor.subscribe()))
    }

    pub(super) fn hold(&self, name: &str, handle: Arc<Handle>) {
        *self.lock() = Some(Holder { name: name.to_owned(), _handle: handle, anchor: Anchor::new(()) });
    }

    /// The namespace is gone; the next step makes another.
    pub(super) fn release(&self, name: &str) {
        self.lock().take_if(|holder| holder.name == name);
    }
}
