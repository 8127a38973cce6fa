//! The cluster's log of a container, as it comes line by line with its times: what of it is new after a cut, and how
//! much of that is kept. Pure, tested without a cluster.
//!
//! Asked for what came since a second, a cluster tells all that it has of that second and later, in the order in which
//! it told it before. So it is counted how many lines began in which second, and as many are left out. A log of which
//! the cluster has thrown the beginning away in between is known by its first line, and then the times alone decide.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::helper::protocol::EndRecord;

/// Two streams are written at once, and their times may be out of order by so many seconds at most.
const DISORDER: i64 = 2;
/// A time is no longer than that, with the space behind it.
const TIME: usize = 40;

/// What was taken of a log, and where it stands.
pub(super) struct Log {
    kept: Kept,
    /// Lines by the second in which they began: the time of the first, and how many. Those that are too old for a cut to
    /// matter are not in it.
    begun: BTreeMap<i64, (Timestamp, u64)>,
    /// When the last line of all began.
    last: Option<Timestamp>,
    /// Bytes that were taken of a line that has no end yet.
    within: Option<usize>,
    at: At,
    skip: Skip,
    is_lost: bool,
    /// There was a line without a time since the stream began.
    is_torn: bool,
}

/// Where in a line the stream stands.
enum At {
    /// In its time.
    Time(Vec<u8>),
    /// Behind it; so many bytes were taken before.
    Text(usize),
    /// In one that is nobody's or known.
    Known,
}

/// What of a stream is known already.
enum Skip {
    Nothing,
    /// So many lines, the first of which began then; and so many bytes of the last of them, where it has no end yet.
    Lines {
        first: Option<Timestamp>,
        left: u64,
        within: Option<usize>,
    },
    /// What began until then.
    Until(Timestamp),
}

impl Log {
    /// Nothing was taken of it, and no more than `limit` bytes are to be kept.
    pub(super) fn new(limit: u64) -> Self {
        Self {
            kept: Kept { limit, ..Kept::default() },
            begun: BTreeMap::new(),
            last: None,
            within: None,
            at: At::Time(Vec::new()),
            skip: Skip::Nothing,
            is_lost: false,
            is_torn: false,
        }
    }

    /// From when on it is to be asked for; all of it when that is nothing. What is taken from now on is of that stream.
    pub(super) fn resume(&mut self) -> Option<Timestamp> {
        self.at = At::Time(Vec::new());
        self.is_torn = false;
        let (second, (first, _)) = self.begun.first_key_value()?;
        let left = self.begun.values().map(|(_, count)| count).sum();
        self.skip = Skip::Lines { first: Some(*first), left, within: self.within };
        Timestamp::from_second(*second).ok()
    }

    /// What of these bytes is new and to be kept.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut fresh = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.piece(piece, &mut fresh);
        }
        self.kept.keep(fresh)
    }

    /// Takes a piece of one line, with its end if it has one.
    fn piece(&mut self, mut piece: &[u8], fresh: &mut Vec<u8>) {
        let is_end = piece.ends_with(b"\n");
        if let At::Time(begun) = &mut self.at {
            let space = piece.iter().position(|byte| *byte == b' ');
            let (time, text) = piece.split_at(space.map_or(piece.len(), |space| space + 1));
            begun.extend_from_slice(time);
            if space.is_none() && !is_end && begun.len() < TIME {
                return;
            }
            let time = std::str::from_utf8(begun).ok().and_then(|text| text.trim_end().parse().ok());
            self.is_torn |= time.is_none();
            self.at = time.map_or(At::Known, |time| self.line(time));
            piece = text;
        }
        if let At::Text(known) = &mut self.at {
            let new = piece.get((*known).min(piece.len())..).unwrap_or_default();
            *known -= piece.len() - new.len();
            fresh.extend_from_slice(new);
            self.within = Some(self.within.unwrap_or(0) + new.len());
        }
        if is_end {
            if matches!(self.at, At::Text(_)) {
                self.within = None;
            }
            self.at = At::Time(Vec::new());
        }
    }

    /// Where a line is that began at this time.
    fn line(&mut self, time: Timestamp) -> At {
        if let Skip::Lines { first, .. } = &mut self.skip
            && first.take().is_some_and(|first| first != time)
        {
            // What was there before is not there any more. Where something of it is, all that is newer is there too, but for the
            // rest of a line.
            self.is_lost = self.last.is_none_or(|last| time > last) || self.within.is_some();
            self.within = None;
            self.begun.clear();
            self.skip = self.last.map_or(Skip::Nothing, Skip::Until);
        }
        match &mut self.skip {
            Skip::Lines { left: 1, within, .. } => {
                let known = within.map_or(At::Known, At::Text);
                self.skip = Skip::Nothing;
                known
            }
            Skip::Lines { left, .. } => {
                *left = left.saturating_sub(1);
                At::Known
            }
            Skip::Until(last) if time <= *last => {
                self.count(time);
                At::Known
            }
            Skip::Until(_) | Skip::Nothing => {
                self.skip = Skip::Nothing;
                self.count(time);
                self.within = Some(0);
                At::Text(0)
            }
        }
    }

    /// Remembers that a line began, as long as a cut may make that matter.
    fn count(&mut self, time: Timestamp) {
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        let oldest = self.last.map_or(0, Timestamp::as_second) - DISORDER;
        if time.as_second() >= oldest {
            self.begun.entry(time.as_second()).or_insert((time, 0)).1 += 1;
        }
        while self.begun.first_key_value().is_some_and(|(second, _)| *second < oldest) {
            self.begun.pop_first();
        }
    }

    /// Whether something was said in this stream that is no line of the log: a kubelet ends it with an error in words when it
    /// has lost the container.
    pub(super) fn was_torn(&self) -> bool {
        self.is_torn
    }

    /// What is said, once, of a log that has a hole.
    pub(super) fn lost(&mut self) -> Option<&'static str> {
        std::mem::take(&mut self.is_lost)
            .then_some("a part of its log may be lost: the cluster threw away what was there before it was read to its end")
    }

    /// What is known of all of it.
    pub(super) fn record(&mut self) -> EndRecord {
        self.kept.record()
    }
}

/// How much of what was printed is kept.
#[derive(Default)]
struct Kept {
    limit: u64,
    bytes: u64,
    total: u64,
    digest: Sha256,
    /// The limit was met.
    over: bool,
    /// What was kept last has no end of a line.
    within_line: bool,
    dropped: u64,
    dropped_lines: u64,
    /// What was dropped last has no end of a line.
    dropped_partial: bool,
}

impl Kept {
    /// What is kept of this: whole lines, where the limit allows it.
    fn keep(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        self.total += bytes.len() as u64;
        let room = if self.over { 0 } else { self.limit - self.bytes };
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if bytes.len() > room {
            self.over = true;
            let lines = bytes.iter().take(room).rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            // A line that began before, or is longer than the limit, cannot but be cut.
            let whole = if lines == 0 && (self.within_line || self.bytes == 0) { room } else { lines };
            let beyond = bytes.split_off(whole);
            self.dropped += beyond.len() as u64;
            self.dropped_lines += beyond.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.dropped_partial = beyond.last().is_some_and(|last| *last != b'\n');
        }
        self.within_line = bytes.last().map_or(self.within_line, |last| *last != b'\n');
        self.bytes += bytes.len() as u64;
        self.digest.update(&bytes);
        bytes
    }

    fn record(&mut self) -> EndRecord {
        EndRecord {
            log_bytes: self.total,
            log_sha256: self.digest.finalize_reset().into(),
            dropped_bytes: self.dropped,
            dropped_lines: self.dropped_lines + u64::from(self.dropped_partial),
            ..EndRecord::default()
        }
    }
}

#[cfg(test)]
mod tests;
