//! One stream of bytes on its way through the masker.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::automaton::{Automaton, StateID};

use super::seen::{self, Seen};
use super::skip::WINDOW;
use super::{Finder, MASK};

/// Masks a stream that comes in pieces, as if it had come in one.
pub struct MaskStream {
    search: Option<Search>,
}

struct Search {
    finder: Arc<Finder>,
    /// Of the search in all bytes.
    state: StateID,
    /// The search in what can be seen, while it may differ from the one in all bytes.
    seen: Option<Seen>,
    /// What came in and did not go out: it may be the beginning of a secret.
    held: Vec<u8>,
    /// What of `held` is secret already: in order, apart from one another.
    secret: Vec<Range<usize>>,
    /// The last thing that went out is a mask.
    after_mask: bool,
}

impl MaskStream {
    pub(super) fn new(finder: Option<Arc<Finder>>) -> Self {
        let search = finder.map(|finder| Search {
            state: finder.start,
            finder,
            seen: None,
            held: Vec::new(),
            secret: Vec::new(),
            after_mask: false,
        });
        Self { search }
    }

    /// Takes the next bytes and gives those that are decided. Held back is only the longest end that
    /// may still become a secret; without secrets nothing is.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        match &mut self.search {
            Some(search) => search.push(bytes),
            None => bytes.to_vec(),
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.search.as_ref().map_or(0, |search| search.held.len())
    }

    /// Gives what was held back; the stream may then begin anew.
    pub fn finish(&mut self) -> Vec<u8> {
        self.search.as_mut().map(Search::finish).unwrap_or_default()
    }
}

impl Search {
    fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let finder = Arc::clone(&self.finder);
        let mut at = self.held.len();
        self.held.extend_from_slice(bytes);
        while at < self.held.len() {
            if self.seen.is_none() {
                let rest = self.held.get(at..).unwrap_or_default();
                let plain = rest.iter().position(|byte| seen::may_begin(*byte)).unwrap_or(rest.len());
                self.walk(&finder, at, at + plain);
                at += plain;
            }
            at = self.step_both(&finder, at);
        }
        let len = self.held.len();
        let growing = self.seen.as_ref().map_or(len, |seen| seen.growing(&finder, len));
        self.release(growing.min(len - finder.held(self.state)))
    }

    /// Searches bytes that can all be seen, while both searches are one.
    fn walk(&mut self, finder: &Finder, from: usize, to: usize) {
        let mut at = from;
        while at < to {
            let mut until = to;
            if let Some(skip) = &finder.skip {
                let held = finder.held(self.state);
                // Shorter than that, what is held may just as well be looked at again from its start.
                if held < WINDOW {
                    let first = at - held;
                    let passed = skip.next(self.held.get(first..to).unwrap_or_default());
                    if passed > 0 {
                        self.state = finder.start;
                        at = first + passed;
                    }
                    until = to.min(first + passed + WINDOW);
                } else {
                    until = to.min(at + WINDOW);
                }
            }
            for &byte in self.held.get(at..until).unwrap_or_default() {
                self.state = finder.step(self.state, byte);
                at += 1;
                if finder.automaton.is_special(self.state) {
                    let length = finder.longest_match(self.state);
                    if length > 0 {
                        add(&mut self.secret, at - length..at);
                    }
                }
            }
        }
    }

    /// Searches the byte at `at`, if there is one, in both ways; the place behind it.
    fn step_both(&mut self, finder: &Finder, at: usize) -> usize {
        let Some(&byte) = self.held.get(at) else { return at };
        if self.seen.is_none() && seen::begins(byte, finder, self.state) {
            self.seen = Some(Seen::new(self.state));
        }
        self.state = finder.step(self.state, byte);
        let length = finder.longest_match(self.state);
        if length > 0 {
            add(&mut self.secret, at + 1 - length..at + 1);
        }
        if let Some(seen) = &mut self.seen {
            let held = self.held.get(..=at).unwrap_or_default();
            seen.take(finder, held, &mut |range| add(&mut self.secret, range));
            if seen.is_as_good(finder, self.state, held.len()) {
                self.seen = None;
            }
        }
        at + 1
    }

    fn finish(&mut self) -> Vec<u8> {
        let rest = self.release(self.held.len());
        self.state = self.finder.start;
        self.seen = None;
        self.after_mask = false;
        rest
    }

    /// Gives the first bytes of `held`: no match that is still to come begins in them.
    fn release(&mut self, count: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(count + MASK.len());
        let mut at = 0;
        for range in &self.secret {
            if range.start >= count {
                break;
            }
            if range.start > at {
                out.extend_from_slice(&self.held[at..range.start]);
                self.after_mask = false;
            }
            if !self.after_mask {
                out.extend_from_slice(MASK.as_bytes());
                self.after_mask = true;
            }
            at = range.end.min(count);
        }
        if count > at {
            out.extend_from_slice(&self.held[at..count]);
            self.after_mask = false;
        }
        self.held.drain(..count);
        self.secret.retain_mut(|range| {
            *range = range.start.saturating_sub(count)..range.end.saturating_sub(count);
            range.start < range.end
        });
        if let Some(seen) = &mut self.seen {
            seen.shift(count);
        }
        out
    }
}

/// Adds a range, as one with those that it meets. Most end last; those of the search in what can be seen may come late.
fn add(ranges: &mut Vec<Range<usize>>, mut new: Range<usize>) {
    let first = ranges.partition_point(|range| range.end < new.start);
    let behind = ranges.partition_point(|range| range.start <= new.end);
    let met = ranges.get(first..behind).unwrap_or_default();
    if let (Some(one), Some(other)) = (met.first(), met.last()) {
        new = one.start.min(new.start)..other.end.max(new.end);
    }
    ranges.splice(first..behind, [new]);
}
