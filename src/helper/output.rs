//! The way out: frames the program's output, counts it, digests it, and stops at the log limit.

use std::io;
use std::os::fd::RawFd;

use crate::protocol::{EndRecord, Report};
use crate::sha256::Sha256;
use crate::sys;

/// Above this much waiting output the program's pipes are left alone, so that the program waits too.
const HIGH_WATER: usize = 256 << 10;

/// Everything on its way to the runner.
pub struct Output {
    to: RawFd,
    queue: Vec<u8>,
    sent: usize,
    limit: u64,
    kept: u64,
    over: bool,
    digest: Sha256,
    total: u64,
    dropped: u64,
    dropped_lines: u64,
    dropped_partial: bool,
}

impl Output {
    pub fn new(to: RawFd) -> Self {
        Self {
            to,
            queue: Vec::new(),
            sent: 0,
            limit: u64::MAX,
            kept: 0,
            over: false,
            digest: Sha256::new(),
            total: 0,
            dropped: 0,
            dropped_lines: 0,
            dropped_partial: false,
        }
    }

    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Whether more may be read from the program.
    pub fn has_room(&self) -> bool {
        self.queue.len() - self.sent < HIGH_WATER
    }

    pub fn is_empty(&self) -> bool {
        self.queue.len() == self.sent
    }

    /// Takes in what the program printed.
    pub fn take(&mut self, bytes: &[u8], frame: fn(Vec<u8>) -> Report) {
        self.total += bytes.len() as u64;
        let kept = self.keep(bytes);
        let (kept, dropped) = bytes.split_at(kept);
        if !kept.is_empty() {
            self.kept += kept.len() as u64;
            self.digest.update(kept);
            self.queue.extend_from_slice(&frame(kept.to_vec()).encode());
        }
        if let Some(last) = dropped.last() {
            self.dropped += dropped.len() as u64;
            self.dropped_lines += dropped.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.dropped_partial = *last != b'\n';
        }
    }

    /// How much of it is within the limit, cut at the end of a line where there is one.
    fn keep(&mut self, bytes: &[u8]) -> usize {
        let room = if self.over { 0 } else { self.limit - self.kept };
        let Some(within) = usize::try_from(room).ok().and_then(|room| bytes.get(..room)) else {
            return bytes.len();
        };
        if within.len() == bytes.len() {
            return bytes.len();
        }
        self.over = true;
        within.iter().rposition(|byte| *byte == b'\n').map_or(within.len(), |newline| newline + 1)
    }

    /// Puts the end record behind everything else.
    pub fn end(&mut self, mut record: EndRecord) {
        record.log_bytes = self.total;
        record.log_sha256 = std::mem::replace(&mut self.digest, Sha256::new()).finish();
        record.dropped_bytes = self.dropped;
        record.dropped_lines = self.dropped_lines + u64::from(self.dropped_partial);
        self.queue.extend_from_slice(&Report::Ended(Box::new(record)).encode());
        self.queue.push(b'\n');
    }

    /// Sends as much as goes without waiting.
    pub fn send(&mut self) -> io::Result<()> {
        while !self.is_empty() {
            let count = sys::write_some(self.to, &self.queue[self.sent..])?;
            if count == 0 {
                return Ok(());
            }
            self.sent += count;
        }
        self.queue.clear();
        self.sent = 0;
        Ok(())
    }
}
