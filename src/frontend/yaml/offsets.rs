//! From the parser's places, counted in characters, to bytes.

use saphyr_parser::{Marker, Span as CharSpan};

use crate::base::Span;

/// Converts places that mostly come in the order of the text, so that a whole file costs one walk.
pub(super) struct Offsets<'s> {
    text: &'s str,
    /// Where `text` begins in the file.
    start: usize,
    /// In an ASCII text characters are bytes.
    ascii: bool,
    chars: usize,
    bytes: usize,
}

impl<'s> Offsets<'s> {
    pub(super) fn new(text: &'s str, start: usize) -> Self {
        Self { text, start, ascii: text.is_ascii(), chars: 0, bytes: 0 }
    }

    /// Where the text begins in the file.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn span(&mut self, span: CharSpan) -> Span {
        let start = self.byte(span.start);
        Span { start, end: self.byte(span.end).max(start) }
    }

    pub(super) fn byte(&mut self, place: Marker) -> usize {
        self.start + if self.ascii { place.index().min(self.text.len()) } else { self.walk(place.index()) }
    }

    fn walk(&mut self, index: usize) -> usize {
        if index >= self.chars {
            let rest = &self.text[self.bytes..];
            let step = rest.char_indices().nth(index - self.chars).map_or(rest.len(), |(at, _)| at);
            self.bytes += step;
        } else {
            let before = &self.text[..self.bytes];
            let back = before.char_indices().rev().nth(self.chars - index - 1);
            self.bytes = back.map_or(0, |(at, _)| at);
        }
        self.chars = index;
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_forwards_and_backwards() {
        let text = "aé→b𝄞c";
        let mut offsets = Offsets::new(text, 3);
        for index in [0, 5, 2, 2, 6, 1, 3, 0, 4] {
            let want = text.char_indices().nth(index).map_or(text.len(), |(at, _)| at);
            assert_eq!(offsets.byte(Marker::new(index, 1, 0)), want + 3, "{index}");
        }
    }
}
