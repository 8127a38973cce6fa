//! The masker in front of every output: replaces secrets, in the codings they are likely to be
//! printed in, by `***`, wherever a stream of bytes is cut.
//!
//! It guards against accidents, not against a program that wants to tell: what is compressed or
//! encrypted passes. It never stores or prints a secret, and knows none shorter than
//! [`MIN_LENGTH`]: whoever takes a secret in refuses those.

mod encodings;
mod seen;
mod skip;
mod stream;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind};

use skip::Skip;
pub use stream::MaskStream;

/// Bytes that a secret must have to be masked; anything shorter would be found everywhere.
pub const MIN_LENGTH: usize = 8;

/// What a secret is replaced by.
pub const MASK: &str = "***";

/// Knows the secrets of a run. Built once; a clone is cheap.
#[derive(Clone, Default)]
pub struct Masker {
    /// None when there is no secret.
    finder: Option<Arc<Finder>>,
}

impl Masker {
    /// Learns secrets; those shorter than [`MIN_LENGTH`] are left out.
    pub fn new(secrets: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut patterns = BTreeSet::new();
        for secret in secrets {
            encodings::collect(&secret, &mut patterns);
        }
        Self::of_patterns(patterns)
    }

    /// A masker that changes nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// A stream of its own: each output that is cut into pieces needs one.
    pub fn stream(&self) -> MaskStream {
        MaskStream::new(self.finder.clone())
    }

    /// Masks a text that is whole.
    pub fn mask(&self, text: &str) -> String {
        let mut stream = self.stream();
        let mut masked = stream.push(text.as_bytes());
        masked.append(&mut stream.finish());
        String::from_utf8_lossy(&masked).into_owned()
    }

    /// Masks these byte strings and no coding of them: for tests that compare with a plain search.
    #[doc(hidden)]
    pub fn of_patterns(patterns: BTreeSet<Vec<u8>>) -> Self {
        Self { finder: (!patterns.is_empty()).then(|| Arc::new(Finder::new(&patterns))) }
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").finish_non_exhaustive()
    }
}

/// All patterns as one automaton. A state stands for the longest end of the text so far that is the
/// beginning of a pattern.
struct Finder {
    automaton: NFA,
    start: StateID,
    /// None where a pattern is too short for it.
    skip: Option<Skip>,
    /// For states that a longer match may grow out of: how many bytes they stand for.
    growing: HashMap<StateID, u32>,
    /// For states that are the end of a match and nothing more: how many bytes may still grow.
    leaves: HashMap<StateID, u32>,
}

impl Finder {
    fn new(patterns: &BTreeSet<Vec<u8>>) -> Self {
        let automaton = NFA::builder()
            .match_kind(MatchKind::Standard)
            // Most text stays within three bytes of the start, and a table is faster there than a list.
            .dense_depth(3)
            .build(patterns)
            .expect("the patterns of all secrets fit into 2^31 states");
        let start =
            automaton.start_state(Anchored::No).expect("the automaton is built for unanchored searches");
        let skip = Skip::new(patterns);
        let mut finder = Self { automaton, start, skip, growing: HashMap::new(), leaves: HashMap::new() };
        for pattern in patterns {
            let mut state = finder.start;
            for (depth, &byte) in (0u32..).zip(pattern) {
                finder.growing.insert(state, depth);
                state = finder.step(state, byte);
            }
        }
        for pattern in patterns {
            let end = finder.walk(pattern);
            if !finder.growing.contains_key(&end) {
                let held = finder.longest_growing_end(pattern);
                finder.leaves.insert(end, held);
            }
        }
        finder
    }

    fn step(&self, state: StateID, byte: u8) -> StateID {
        self.automaton.next_state(Anchored::No, state, byte)
    }

    fn walk(&self, bytes: &[u8]) -> StateID {
        bytes.iter().fold(self.start, |state, &byte| self.step(state, byte))
    }

    /// How many bytes at the end of a whole pattern may be the beginning of a longer match.
    fn longest_growing_end(&self, mut pattern: &[u8]) -> u32 {
        loop {
            pattern = pattern.get(1..).unwrap_or_default();
            let state = self.walk(pattern);
            if let Some(&depth) = self.growing.get(&state) {
                return depth;
            }
            pattern = &pattern[pattern.len().saturating_sub(self.longest_match(state))..];
        }
    }

    /// How many of the last bytes may be the beginning of a match that ends later.
    fn held(&self, state: StateID) -> usize {
        if state == self.start {
            return 0;
        }
        let held = self.growing.get(&state).or_else(|| self.leaves.get(&state));
        held.map_or(0, |held| *held as usize)
    }

    /// The length of the longest match that ends here; 0 without one.
    fn longest_match(&self, state: StateID) -> usize {
        let matches = if self.automaton.is_match(state) { self.automaton.match_len(state) } else { 0 };
        let lengths =
            (0..matches).map(|i| self.automaton.pattern_len(self.automaton.match_pattern(state, i)));
        lengths.max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
