//! Logs as they are read: by offset, and by line through the index. Also while they grow.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::index::{ENTRY, Entry};
use crate::base::{StepId, Timestamp};
use crate::event::Stream;

/// Entries that are read at once.
const BLOCK: u64 = 512;
/// Bytes of a log that are looked at at once.
const PIECE: u64 = 64 << 10;

/// The log of one attempt.
#[derive(Debug)]
pub struct StoredLog {
    log: File,
    index: File,
}

/// A line of a log, or the part of one up to where the other stream broke in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it began to arrive, to a tenth of a second.
    pub at: Timestamp,
    /// Where it came out.
    pub stream: Stream,
    /// It goes on with the last unfinished line of its stream.
    pub goes_on: bool,
    /// Its bytes, with its end where it has one.
    pub bytes: Vec<u8>,
}

impl StoredLog {
    pub(super) fn open(directory: &Path, step: &StepId, attempt: u32) -> io::Result<Self> {
        let log = File::open(path(directory, step, attempt, "log"))?;
        let index = File::open(path(directory, step, attempt, "idx"))?;
        Ok(Self { log, index })
    }

    /// Its length in bytes, now.
    ///
    /// # Errors
    /// When the file cannot be asked.
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.log.metadata()?.len())
    }

    /// Whether it is empty now.
    ///
    /// # Errors
    /// When the file cannot be asked.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Up to `len` bytes from `offset`; fewer when it ends before.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let len = len.min(self.len()?.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.log.read_at(rest, offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    /// How many lines there are, counting parts.
    ///
    /// # Errors
    /// When log or index cannot be read.
    pub fn lines(&self) -> io::Result<u64> {
        let count = self.entry_count()?;
        let Some(last) = self.entries(count.saturating_sub(1), 1)?.pop() else { return Ok(0) };
        let (mut lines, mut at, mut ended) = (last.line, last.offset, true);
        loop {
            let bytes = self.read(at, PIECE)?;
            let Some(end) = bytes.last() else { return Ok(lines + u64::from(!ended)) };
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            ended = *end == b'\n';
            at += bytes.len() as u64;
        }
    }

    /// Up to `count` lines from number `first`, which counts from 0.
    ///
    /// # Errors
    /// When log or index cannot be read.
    pub fn read_lines(&self, first: u64, count: u64) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        let Some(mut number) = self.last_entry(|entry| entry.line <= first)? else { return Ok(lines) };
        let mut block = self.entries(number, 2)?;
        while let [entry, next @ ..] = &block[..] {
            let end = next.first().map_or_else(|| self.len(), |next| Ok(next.offset))?;
            let bytes = self.read(entry.offset, end.saturating_sub(entry.offset))?;
            for (line, bytes) in (entry.line..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
                if lines.len() as u64 == count {
                    return Ok(lines);
                }
                if line >= first {
                    let goes_on = entry.goes_on && line == entry.line;
                    lines.push(Line { at: entry.at, stream: entry.stream, goes_on, bytes: bytes.to_vec() });
                }
            }
            number += 1;
            block = self.entries(number, 2)?;
        }
        Ok(lines)
    }

    /// The number of the last entry of which this is true; it is true of all before that.
    fn last_entry(&self, holds: impl Fn(&Entry) -> bool) -> io::Result<Option<u64>> {
        let (mut low, mut high) = (0, self.entry_count()?);
        while low < high {
            let middle = low.midpoint(high);
            let entry = self.entries(middle, 1)?.pop().ok_or(io::ErrorKind::UnexpectedEof)?;
            if holds(&entry) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low.checked_sub(1))
    }

    /// How many entries the index has. What is left over belongs to one that is being written.
    fn entry_count(&self) -> io::Result<u64> {
        Ok(self.index.metadata()?.len() / ENTRY as u64)
    }

    /// The stream that the byte at `offset` came out of, and the offset up to which only that stream
    /// follows, as far as the log goes now.
    ///
    /// # Errors
    /// When there is no such byte, or log or index cannot be read.
    pub fn stream_at(&self, offset: u64) -> io::Result<(Stream, u64)> {
        let before = self.last_entry(|entry| entry.offset <= offset)?;
        let mut number = before.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut stream = None;
        loop {
            let block = self.entries(number, BLOCK)?;
            number += block.len() as u64;
            for entry in &block {
                match stream {
                    None => stream = Some(entry.stream),
                    Some(stream) if stream != entry.stream => return Ok((stream, entry.offset)),
                    Some(_) => {}
                }
            }
            if block.is_empty() {
                let stream = stream.ok_or(io::ErrorKind::UnexpectedEof)?;
                return Ok((stream, self.len()?.max(offset + 1)));
            }
        }
    }

    /// Up to `count` entries of the index from number `first`.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn entries(&self, first: u64, count: u64) -> io::Result<Vec<Entry>> {
        let count = count.min(self.entry_count()?.saturating_sub(first));
        let len = usize::try_from(count).map_err(io::Error::other)?.saturating_mul(ENTRY);
        let mut bytes = vec![0; len];
        self.index.read_exact_at(&mut bytes, first.saturating_mul(ENTRY as u64))?;
        let (entries, _) = bytes.as_chunks::<ENTRY>();
        Ok(entries.iter().map(Entry::decode).collect())
    }
}

/// The path of a file of an attempt. Of a step's id only what is plain in a file name stays so.
pub(super) fn path(directory: &Path, step: &StepId, attempt: u32, extension: &str) -> PathBuf {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let spell = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    let name: String = step.as_str().bytes().map(spell).collect();
    directory.join(format!("{name}.{attempt}.{extension}"))
}
