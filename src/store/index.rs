//! The index beside a log: entries of fixed size at beginnings of lines, often enough to find any line
//! with little reading, and wherever the other stream breaks in. It takes a small part of what the log
//! takes, however short the lines are.

use crate::base::Timestamp;
use crate::event::Stream;

/// Bytes of an entry: `offset`, `line` and `at`, little-endian, and the flags.
pub(super) const ENTRY: usize = 25;
/// A line that begins as far behind the last entry gets one of its own, in bytes,
const EVERY: u64 = 64 << 10;
/// or as long after it, in milliseconds.
const EVERY_MS: u64 = 100;

const STDERR: u8 = 1;
const GOES_ON: u8 = 2;

/// Where a line of a log begins, or goes on after the other stream broke in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Into the log, in bytes.
    pub offset: u64,
    /// Its number, from 0; parts of a line that the other stream broke into count each.
    pub line: u64,
    /// When it arrived; lines up to the next entry came at most a tenth of a second later.
    pub at: Timestamp,
    /// The stream that this and all up to the next entry came out of.
    pub stream: Stream,
    /// It goes on with the last unfinished line of its stream.
    pub goes_on: bool,
}

impl Entry {
    pub(super) fn encode(self, to: &mut Vec<u8>) {
        let stderr = if self.stream == Stream::Stderr { STDERR } else { 0 };
        let goes_on = if self.goes_on { GOES_ON } else { 0 };
        to.extend_from_slice(&self.offset.to_le_bytes());
        to.extend_from_slice(&self.line.to_le_bytes());
        to.extend_from_slice(&self.at.0.to_le_bytes());
        to.push(stderr | goes_on);
    }

    pub(super) fn decode(bytes: &[u8; ENTRY]) -> Self {
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(number)
        };
        let flags = bytes[24];
        Self {
            offset: number(0),
            line: number(8),
            at: Timestamp(number(16)),
            stream: if flags & STDERR == 0 { Stream::Stdout } else { Stream::Stderr },
            goes_on: flags & GOES_ON != 0,
        }
    }
}

/// What the index needs to know of a log that grows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    /// The last entry.
    last: Option<Entry>,
    /// Lines that have begun.
    lines: u64,
    /// Standard output, standard error: the last line has not ended.
    unfinished: [bool; 2],
}

impl Cursor {
    /// Adds the entries of bytes that are appended at `offset`.
    pub(super) fn advance(
        &mut self,
        stream: Stream,
        at: Timestamp,
        offset: u64,
        bytes: &[u8],
        to: &mut Vec<u8>,
    ) {
        let unfinished = &mut self.unfinished[usize::from(stream == Stream::Stderr)];
        let mut start = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let same = self.last.filter(|last| last.stream == stream);
            if !*unfinished || same.is_none() {
                let offset = offset + start;
                let near =
                    |last: Entry| offset - last.offset < EVERY && at.0.saturating_sub(last.at.0) < EVERY_MS;
                if !same.is_some_and(near) {
                    let entry = Entry { offset, line: self.lines, at, stream, goes_on: *unfinished };
                    entry.encode(to);
                    self.last = Some(entry);
                }
                self.lines += 1;
            }
            *unfinished = !line.ends_with(b"\n");
            start += line.len() as u64;
        }
    }
}
