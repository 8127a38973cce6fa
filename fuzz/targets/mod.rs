//! What is fuzzed: each target takes any bytes, and panics when something is not as it is promised.
//!
//! libFuzzer calls them, and so does an ordinary test with every file of the corpus.

mod archive;
mod file;
mod frames;
mod git;
mod masker;
mod protocol;
mod url;

/// What is done with an input.
pub(crate) type Target = fn(&[u8]);

/// Every target by its name, which is its folder in the corpus too.
pub(crate) const ALL: &[(&str, Target)] = &[
    ("archive", archive::run),
    ("file", file::run),
    ("frames", frames::run),
    ("git", git::run),
    ("masker", masker::run),
    ("protocol", protocol::run),
    ("url", url::run),
];

/// Takes a target's decisions off the front of its input.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// Up to 255 bytes: their number comes first.
    fn short(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()?).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(text)
    }
}

/// Cuts bytes into pieces of the lengths that `cuts` says, again and again.
fn pieces<'a>(cuts: &[u8], mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts.iter().cycle().take(bytes.len()) {
        let (piece, rest) = bytes.split_at(usize::from(*cut).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}
