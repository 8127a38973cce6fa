//! The masker against a search of the whole text for every pattern, however the text is cut.

use std::collections::BTreeSet;

use windlass::base::masker::{MASK, Masker};

use super::{Input, pieces};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(count) = input.byte() else { return };
    let Some(cuts) = input.short() else { return };
    let mut patterns = BTreeSet::new();
    for _ in 0..count % 8 {
        patterns.extend(input.short().filter(|pattern| !pattern.is_empty()).map(<[u8]>::to_vec));
    }
    let text = input.0;
    let mut stream = Masker::of_patterns(patterns.clone()).stream();
    let mut out: Vec<u8> = pieces(cuts, text).into_iter().flat_map(|piece| stream.push(piece)).collect();
    out.extend(stream.finish());
    assert_eq!(out, masked(&patterns, text));
}

fn masked(patterns: &BTreeSet<Vec<u8>>, text: &[u8]) -> Vec<u8> {
    let mut secret = vec![false; text.len()];
    for pattern in patterns {
        for (at, window) in text.windows(pattern.len()).enumerate() {
            if window == pattern {
                secret[at..at + pattern.len()].fill(true);
            }
        }
    }
    let mut out = Vec::new();
    let mut before = false;
    for (&byte, secret) in text.iter().zip(secret) {
        match (before, secret) {
            (false, true) => out.extend(MASK.as_bytes()),
            (true, true) => {}
            (_, false) => out.push(byte),
        }
        before = secret;
    }
    out
}
