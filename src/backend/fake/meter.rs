//! The output of the fake's programs: passed on up to the limit, and counted, as the helper does it.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::backend::{How, Progress};
use crate::base::hex;
use crate::event::{Stream, Usage};

/// Passes output on, up to the limit, and counts it.
pub(super) struct Meter {
    left: u64,
    /// The limit was reached.
    over: bool,
    /// What was kept last has no end of a line.
    within_line: bool,
    usage: Usage,
    sha: Sha256,
    to: mpsc::Sender<Progress>,
}

impl Meter {
    pub(super) fn new(limit: u64, to: mpsc::Sender<Progress>) -> Self {
        let (usage, sha) = (Usage::default(), Sha256::new());
        Self { left: limit, over: false, within_line: false, usage, sha, to }
    }

    pub(super) async fn print(&mut self, stream: Stream, bytes: &[u8]) {
        let (kept, dropped) = bytes.split_at(self.room(bytes));
        self.left -= length(kept);
        self.usage.log_bytes += length(bytes);
        self.usage.dropped_bytes += length(dropped);
        let lines = dropped.split(|byte| *byte == b'\n').count() - 1;
        self.usage.dropped_lines += u64::try_from(lines).unwrap_or(u64::MAX);
        self.sha.update(kept);
        if let Some(last) = kept.last() {
            self.within_line = *last != b'\n';
            // Nobody may listen any more; then the container ends.
            let _ = self.to.send(Progress::Output(stream, Bytes::copy_from_slice(kept))).await;
        }
    }

    /// How much of this is kept: all of it, or the whole lines that fit.
    fn room(&mut self, bytes: &[u8]) -> usize {
        let room = if self.over { 0 } else { usize::try_from(self.left).unwrap_or(usize::MAX) };
        let cut = bytes.split_at_checked(room).filter(|(_, beyond)| !beyond.is_empty());
        let Some((within, _)) = cut else { return bytes.len() };
        self.over = true;
        let first = self.usage.log_bytes == 0;
        match within.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            // A line that began before, or is longer than the limit, cannot but be cut.
            None if self.within_line || first => within.len(),
            None => 0,
        }
    }

    pub(super) fn usage(self, how: &How) -> Usage {
        let oom_kills = u32::from(*how == How::OutOfMemory);
        Usage { log_sha256: hex(&self.sha.finalize()), oom_kills, ..self.usage }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
