//! The masker against a search of the whole text for every pattern, however the text is cut.
//!
//! What has colours or ends of lines in it is compared with the same text in one piece alone: the masker passes over
//! them, which a plain search does not.

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
    let masker = Masker::of_patterns(patterns.clone());
    let out = streamed(&masker, pieces(cuts, text));
    assert_eq!(out, streamed(&masker, vec![text]));
    if !text.iter().any(|byte| matches!(byte, b'\x1b' | b'\n' | b'\r')) {
        assert_eq!(out, masked(&patterns, text));
    }
}

fn streamed(masker: &Masker, pieces: Vec<&[u8]>) -> Vec<u8> {
    let mut stream = masker.stream();
    let mut out: Vec<u8> = pieces.into_iter().flat_map(|piece| stream.push(piece)).collect();
    out.extend(stream.finish());
    out
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
