//! The index beside a log: an entry of fixed size at the beginning of every line, and wherever the
//! other stream breaks in.

use crate::base::Timestamp;
use crate::event::Stream;

/// Bytes of an entry: `offset` and `at`, little-endian, and the flags.
pub(super) const ENTRY: usize = 17;

const STDERR: u8 = 1;
const GOES_ON: u8 = 2;

/// Where a line of a log begins, or goes on after the other stream broke in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Into the log, in bytes.
    pub offset: u64,
    /// When it arrived.
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
        to.extend_from_slice(&self.at.0.to_le_bytes());
        to.push(stderr | goes_on);
    }

    pub(super) fn decode(bytes: &[u8; ENTRY]) -> Self {
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(number)
        };
        let flags = bytes[16];
        Self {
            offset: number(0),
            at: Timestamp(number(8)),
            stream: if flags & STDERR == 0 { Stream::Stdout } else { Stream::Stderr },
            goes_on: flags & GOES_ON != 0,
        }
    }
}

/// What the index needs to know of a log that grows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    last: Option<Stream>,
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
            if !*unfinished || self.last != Some(stream) {
                Entry { offset: offset + start, at, stream, goes_on: *unfinished }.encode(to);
            }
            *unfinished = !line.ends_with(b"\n");
            self.last = Some(stream);
            start += line.len() as u64;
        }
    }
}
