//! Places for running steps, shared by all runs of a state directory: two runs at once use no more
//! cores than one (language L3).
//!
//! A place is a file that is held locked, so that it is free again when its holder is gone, however.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::base::Locked;
use crate::engine::{Slot, Slots};

/// How often somebody looks again when every place is taken.
const LOOK: Duration = Duration::from_millis(50);

/// The first `count` places of a state directory.
pub(super) struct MachineSlots {
    directory: PathBuf,
    count: usize,
}

impl MachineSlots {
    pub(super) fn new(home: &Path, count: usize) -> Self {
        let directory = home.join("slots");
        // Where it cannot be made, no place can be locked, and steps run without.
        let _ = fs::DirBuilder::new().mode(0o700).create(&directory);
        Self { directory, count }
    }

    fn try_take(&self) -> Option<Slot> {
        for number in 0..self.count {
            let path = self.directory.join(number.to_string());
            let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
            // A run is not held up by a place that cannot be kept count of.
            let Ok(file) = opened else { return Some(Box::new(())) };
            match Locked::at_once(file) {
                Ok(Some(locked)) => return Some(Box::new(locked)),
                Ok(None) => {}
                Err(_) => return Some(Box::new(())),
            }
        }
        None
    }
}

impl Slots for MachineSlots {
    fn take(&self) -> BoxFuture<'_, Slot> {
        Box::pin(async {
            loop {
                match self.try_take() {
                    Some(slot) => return slot,
                    None => tokio::time::sleep(LOOK).await,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_runs_share_the_places_of_one_machine() {
        let home = tempfile::tempdir().unwrap();
        let (one, other) = (MachineSlots::new(home.path(), 2), MachineSlots::new(home.path(), 2));
        let (first, second) = (one.take().await, other.take().await);
        assert!(timeout(Duration::from_secs(9), one.take()).await.is_err(), "there is no third place");
        drop(second);
        let _third = timeout(Duration::from_secs(9), one.take()).await.expect("a place is free again");
        assert!(timeout(Duration::from_secs(9), other.take()).await.is_err());
        drop(first);
        let _fourth = timeout(Duration::from_secs(9), other.take()).await.expect("a place is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_cannot_be_kept_holds_nobody_up() {
        let home = tempfile::tempdir().unwrap();
        let slots = MachineSlots::new(&home.path().join("not/there"), 1);
        let _first = slots.take().await;
        let _second = timeout(Duration::from_secs(9), slots.take()).await.expect("it goes on");
    }
}
