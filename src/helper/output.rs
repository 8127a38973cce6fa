//! The way out: frames the program's output, counts it, digests it, stops at the log limit, and keeps
//! what was sent last for a runner that did not get it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;

use super::protocol::{EndRecord, Report, Token};
use super::sha256::Sha256;
use super::sys;

/// Above this much waiting output the program's pipes are left alone, so that the program waits too.
const HIGH_WATER: usize = 256 << 10;
/// How much of what was sent is kept. An engine that is killed takes with it at most the megabyte that it
/// holds in memory for each reader, and what its buffers and ours have in them.
const KEPT: usize = 3 << 19;
/// The kind of the frame that ends it all, which is kept whatever is acknowledged.
const ENDED: u8 = 3;
/// The bytes of a frame before its payload.
const HEADER: usize = 5;
/// This close to the limit, a line waits for its end, so that the log is not cut within it.
const CLOSE: u64 = 64 << 10;

/// Where the program printed something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Stdout,
    Stderr,
}

/// Everything on its way to the runner.
pub struct Output {
    to: RawFd,
    /// Whole frames: those that were sent and are kept, then those that wait.
    queue: VecDeque<u8>,
    /// Bytes of the queue that were sent.
    sent: usize,
    /// How much output there was before the queue's first frame.
    offset: u64,
    /// What goes out before the queue does.
    before: VecDeque<u8>,
    /// Nothing is sent while nobody listens.
    held: bool,
    /// The end record is in the queue: nothing comes behind it.
    has_ended: bool,
    /// Until which offset the runner has everything, where it says so.
    acknowledged: Option<u64>,
    token: Token,
    limit: u64,
    kept: u64,
    over: bool,
    /// The beginning of a line that waits.
    waiting: Option<(Side, Vec<u8>)>,
    /// What was kept last has no end of a line.
    within_line: bool,
    digest: Sha256,
    total: u64,
    dropped: u64,
    dropped_lines: u64,
    /// What was dropped last of each stream has no end of a line.
    dropped_partial: [bool; 2],
}

impl Output {
    pub fn new(to: RawFd) -> Self {
        Self {
            to,
            queue: VecDeque::new(),
            sent: 0,
            offset: 0,
            before: VecDeque::new(),
            held: false,
            has_ended: false,
            acknowledged: None,
            token: Token::default(),
            limit: u64::MAX,
            kept: 0,
            over: false,
            waiting: None,
            within_line: false,
            digest: Sha256::new(),
            total: 0,
            dropped: 0,
            dropped_lines: 0,
            dropped_partial: [false; 2],
        }
    }

    /// Where it goes.
    pub fn fd(&self) -> RawFd {
        self.to
    }

    pub fn begin(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// By what the runner knows that what follows was sent again.
    pub fn answer_with(&mut self, token: Token) {
        self.token = token;
    }

    /// Says that we are here, unless there is more to say.
    pub fn say_here(&mut self) {
        if self.is_empty() && !self.has_ended {
            self.queue.extend(Report::Here.encode());
        }
    }

    /// From now on keeps all that the runner does not say it has.
    pub fn keep(&mut self) {
        self.acknowledged = Some(0);
    }

    /// The runner has everything before this offset.
    pub fn acknowledge(&mut self, offset: u64) {
        self.acknowledged = self.acknowledged.map(|before| before.max(offset));
        self.trim();
    }

    /// Sends nothing more until somebody listens again.
    pub fn hold(&mut self) {
        self.held = true;
    }

    pub fn is_held(&self) -> bool {
        self.held
    }

    pub fn release(&mut self) {
        self.held = false;
    }

    /// Sends again all that is still there, behind the rest of the frame that is being sent.
    pub fn resume(&mut self) {
        let mut end = 0;
        while end < self.sent {
            end += self.frame_at(end).0;
        }
        self.before.extend(self.queue.range(self.sent..end));
        self.before.extend(Report::Resumed(self.token, self.offset).encode());
        self.sent = 0;
        self.held = false;
    }

    /// Whether more may be read from the program.
    pub fn has_room(&self) -> bool {
        self.unsent() < HIGH_WATER && (self.acknowledged.is_none() || self.queue.len() < KEPT)
    }

    pub fn is_empty(&self) -> bool {
        self.unsent() == 0
    }

    fn unsent(&self) -> usize {
        self.before.len() + self.queue.len() - self.sent
    }

    /// The length of the frame that begins there, and how much output is in it.
    fn frame_at(&self, position: usize) -> (usize, u64) {
        // The line feed behind the last one is no frame.
        let header: Vec<u8> = self.queue.iter().skip(position).take(HEADER).copied().collect();
        let [kind, length @ ..] = header.as_slice() else { return (1, 0) };
        let Ok(length) = length.try_into().map(u32::from_le_bytes) else { return (1, 0) };
        (HEADER + length as usize, if kind <= &2 { u64::from(length) } else { 0 })
    }

    /// Forgets the oldest frames that were sent.
    fn trim(&mut self) {
        while self.sent > 0 {
            let (length, output) = self.frame_at(0);
            let goes = match self.acknowledged {
                Some(offset) => {
                    let is_end = self.queue.front() == Some(&ENDED);
                    !is_end && self.offset + output <= offset && length <= self.sent
                }
                None => self.sent > KEPT,
            };
            if !goes {
                break;
            }
            self.queue.drain(..length.min(self.sent));
            self.sent -= length.min(self.sent);
            self.offset += output;
        }
    }

    /// Takes in what the program printed.
    pub fn take(&mut self, bytes: &[u8], side: Side) {
        self.total += bytes.len() as u64;
        let joined;
        let bytes = match self.waiting.take() {
            Some((same, mut line)) if same == side => {
                line.extend_from_slice(bytes);
                joined = line;
                &joined[..]
            }
            other => {
                // The other stream breaks into the line, so nothing is gained by waiting.
                if let Some((other, line)) = other {
                    self.pass(&line, other);
                }
                bytes
            }
        };
        let room = if self.over { 0 } else { self.limit - self.kept };
        let lines = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        match usize::try_from(room).ok().and_then(|room| bytes.split_at_checked(room)) {
            Some((within, beyond)) if !beyond.is_empty() => {
                self.over = true;
                let kept = match lines(within) {
                    // A line that began before, or is longer than the limit, cannot but be cut.
                    0 if self.within_line || self.kept == 0 => within.len(),
                    whole => whole,
                };
                self.pass(&bytes[..kept], side);
                self.drop(&bytes[kept..], side);
            }
            _ if room - bytes.len() as u64 > CLOSE => self.pass(bytes, side),
            _ => {
                let (whole, line) = bytes.split_at(lines(bytes));
                self.pass(whole, side);
                if !line.is_empty() {
                    self.waiting = Some((side, line.to_vec()));
                }
            }
        }
    }

    fn pass(&mut self, bytes: &[u8], side: Side) {
        let Some(last) = bytes.last() else { return };
        self.within_line = *last != b'\n';
        self.kept += bytes.len() as u64;
        self.digest.update(bytes);
        let report = match side {
            Side::Stdout => Report::Stdout(bytes.to_vec()),
            Side::Stderr => Report::Stderr(bytes.to_vec()),
        };
        self.queue.extend(report.encode());
    }

    fn drop(&mut self, bytes: &[u8], side: Side) {
        let Some(last) = bytes.last() else { return };
        self.dropped += bytes.len() as u64;
        self.dropped_lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.dropped_partial[usize::from(side == Side::Stderr)] = *last != b'\n';
    }

    /// Puts the end record behind everything else.
    pub fn end(&mut self, mut record: EndRecord) {
        if let Some((side, line)) = self.waiting.take() {
            self.pass(&line, side);
        }
        let partial = self.dropped_partial.iter().filter(|partial| **partial).count() as u64;
        record.log_bytes = self.total;
        record.log_sha256 = std::mem::replace(&mut self.digest, Sha256::new()).finish();
        record.dropped_bytes = self.dropped;
        record.dropped_lines = self.dropped_lines + partial;
        self.queue.extend(Report::Ended(Box::new(record)).encode());
        self.has_ended = true;
        if self.acknowledged.is_none() {
            // For the engine's log, which is one of lines.
            self.queue.push_back(b'\n');
        }
    }

    /// Sends as much as goes without waiting.
    pub fn send(&mut self) -> io::Result<()> {
        while !self.held && !self.is_empty() {
            if self.before.is_empty() {
                let (front, back) = self.queue.as_slices();
                let rest = front.get(self.sent..).filter(|rest| !rest.is_empty());
                let rest = rest.unwrap_or_else(|| &back[self.sent - front.len()..]);
                let count = sys::write_some(self.to, rest)?;
                if count == 0 {
                    return Ok(());
                }
                self.sent += count;
                self.trim();
            } else {
                let count = sys::write_some(self.to, self.before.as_slices().0)?;
                if count == 0 {
                    return Ok(());
                }
                self.before.drain(..count);
            }
        }
        Ok(())
    }
}
