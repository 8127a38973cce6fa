//! The search in what of a text can be seen: colours and other control sequences inside a secret do
//! not hide it, nor does the end of a line where a tool has wrapped what is long.

use std::ops::Range;

use aho_corasick::automaton::{Automaton, StateID};

use super::Finder;

/// Bytes that are passed over between two that can be seen; what goes beyond can be seen too.
const LONGEST_GAP: usize = 64;
/// As many bytes of a pattern must come before the end of a line for it to be passed over. With fewer,
/// the end of nearly every line would be held back until the next one comes.
pub(super) const BEFORE_WRAP: usize = 4;
const ESCAPE: u8 = 0x1b;

/// A second search beside the one in all bytes, for as long as the two may differ. Places are those
/// in what the stream holds.
pub(super) struct Seen {
    state: StateID,
    /// What cannot be seen: in order, apart from one another.
    gaps: Vec<Range<usize>>,
    /// Where a control sequence began that has not ended.
    open: Option<usize>,
}

/// Whether the search in all bytes, in this state, needs one of these from this byte on.
pub(super) fn begins(byte: u8, finder: &Finder, state: StateID) -> bool {
    byte == ESCAPE || is_line_end(byte) && finder.held(state) >= BEFORE_WRAP
}

/// Whether [`begins`] may be true of this byte.
pub(super) fn may_begin(byte: u8) -> bool {
    byte == ESCAPE || is_line_end(byte)
}

impl Seen {
    /// A search that has come as far as the one in all bytes.
    pub(super) fn new(state: StateID) -> Self {
        Self { state, gaps: Vec::new(), open: None }
    }

    /// Takes the last byte of `held`, and gives every match that ends with it.
    pub(super) fn take(&mut self, finder: &Finder, held: &[u8], found: &mut impl FnMut(Range<usize>)) {
        let Some((&byte, before)) = held.split_last() else { return };
        let at = before.len();
        if let Some(open) = self.open {
            let sequence = held.get(open..).unwrap_or_default();
            match Sequence::of(sequence) {
                _ if self.gap_before(open) + sequence.len() > LONGEST_GAP => {}
                Sequence::Open => return,
                Sequence::Whole => {
                    self.open = None;
                    return self.pass_over(open..held.len());
                }
                Sequence::None => {}
            }
            self.open = None;
            for (at, byte) in before.iter().enumerate().skip(open) {
                self.step(finder, at, *byte, found);
            }
        }
        let gap = self.gap_before(at);
        let wraps = is_line_end(byte) && gap < LONGEST_GAP;
        if byte == ESCAPE {
            self.open = Some(at);
        } else if wraps && (gap > 0 || finder.held(self.state) >= BEFORE_WRAP) {
            self.pass_over(at..held.len());
        } else {
            self.step(finder, at, byte, found);
        }
    }

    fn step(&mut self, finder: &Finder, at: usize, byte: u8, found: &mut impl FnMut(Range<usize>)) {
        self.state = finder.step(self.state, byte);
        if finder.automaton.is_special(self.state) {
            let length = finder.longest_match(self.state);
            if length > 0 {
                found(self.begin(at + 1, length)..at + 1);
            }
        }
    }

    /// Where that begins which may still become a secret, of `len` bytes that are held.
    pub(super) fn growing(&self, finder: &Finder, len: usize) -> usize {
        match finder.held(self.state) {
            0 => len,
            held => self.begin(self.open.unwrap_or(len), held),
        }
    }

    /// Whether the search in all bytes, in this state, finds from here on all that this one does.
    pub(super) fn is_as_good(&self, finder: &Finder, state: StateID, len: usize) -> bool {
        let gap = self.gaps.last().map_or(0, |gap| gap.end);
        self.state == state && self.open.is_none() && gap + finder.held(state) <= len
    }

    /// Forgets the first `count` bytes.
    pub(super) fn shift(&mut self, count: usize) {
        self.open = self.open.map(|open| open.saturating_sub(count));
        self.gaps.retain_mut(|gap| {
            *gap = gap.start.saturating_sub(count)..gap.end.saturating_sub(count);
            gap.end > 0
        });
    }

    fn pass_over(&mut self, gap: Range<usize>) {
        match self.gaps.last_mut() {
            Some(last) if last.end == gap.start => last.end = gap.end,
            _ => self.gaps.push(gap),
        }
    }

    /// How long the gap is that ends at `at`.
    fn gap_before(&self, at: usize) -> usize {
        self.gaps.last().filter(|gap| gap.end == at).map_or(0, ExactSizeIterator::len)
    }

    /// Where the last `count` bytes before `end` begin that can be seen.
    fn begin(&self, end: usize, mut count: usize) -> usize {
        let mut at = end;
        for gap in self.gaps.iter().rev() {
            let text = at.saturating_sub(gap.end);
            if text >= count {
                break;
            }
            count -= text;
            at = gap.start;
        }
        at.saturating_sub(count)
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Something that an escape begins.
enum Sequence {
    Open,
    Whole,
    /// No control sequence, so it counts as text.
    None,
}

impl Sequence {
    /// `ESC [ … letter` sets colours and more, `ESC ( B` comes with `tput sgr0`. All but the last byte
    /// were [`Sequence::Open`].
    fn of(bytes: &[u8]) -> Self {
        let (last, goes_on) = match bytes {
            [_] | [_, b'[' | 0x20..=0x2f] => return Self::Open,
            [_, b'[', .., last @ 0x20..=0x7e] => (last, 0x20..=0x3f),
            [_, 0x20..=0x2f, .., last @ 0x20..=0x7e] => (last, 0x20..=0x2f),
            _ => return Self::None,
        };
        if goes_on.contains(last) { Self::Open } else { Self::Whole }
    }
}
