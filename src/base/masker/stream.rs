//! One stream of bytes on its way through the masker.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::automaton::{Automaton, StateID};

use super::{Finder, MASK};

/// Masks a stream that comes in pieces, as if it had come in one.
pub struct MaskStream {
    search: Option<Search>,
}

struct Search {
    finder: Arc<Finder>,
    state: StateID,
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
            state: finder.start(),
            finder,
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
        let automaton = &self.finder.automaton;
        let mut state = self.state;
        let before = self.held.len();
        for (at, &byte) in bytes.iter().enumerate() {
            state = self.finder.step(state, byte);
            if automaton.is_special(state) {
                let length = self.finder.longest_match(state);
                if length > 0 {
                    let end = before + at + 1;
                    add(&mut self.secret, end - length..end);
                }
            }
        }
        self.state = state;
        self.held.extend_from_slice(bytes);
        self.release(self.held.len() - self.finder.held(state))
    }

    fn finish(&mut self) -> Vec<u8> {
        let rest = self.release(self.held.len());
        self.state = self.finder.start();
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
        out
    }
}

/// Adds a range that ends last, merging those that it meets.
fn add(ranges: &mut Vec<Range<usize>>, mut new: Range<usize>) {
    while let Some(last) = ranges.pop_if(|last| last.end >= new.start) {
        new.start = new.start.min(last.start);
    }
    ranges.push(new);
}
