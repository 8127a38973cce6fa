//! What a run has made so far, for whoever leaves it without waiting for its end. It removes nothing.

use std::sync::{Arc, OnceLock};

use crate::ledger::{Object, RunLedger};

/// What one run has made. Clones are of the same run.
#[derive(Clone, Debug, Default)]
pub struct Made(Arc<OnceLock<Arc<RunLedger>>>);

impl Made {
    /// What the run has begun to make and does not know to be gone, in the order of removal; nothing before it has
    /// begun. Waits for no disk.
    pub fn left(&self) -> Vec<Object> {
        self.0.get().map(|ledger| ledger.open_objects()).unwrap_or_default()
    }

    /// From now on it is what this ledger says.
    pub(super) fn by(&self, ledger: &Arc<RunLedger>) {
        // Whoever asks about two runs with one of these hears of the first.
        let _ = self.0.set(Arc::clone(ledger));
    }
}
