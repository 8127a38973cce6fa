//! Where lines begin, so that a place among many is found without walking the text again.

use crate::base::Span;

/// The lines of one text.
pub(super) struct Lines<'s> {
    text: &'s str,
    starts: Vec<usize>,
}

impl<'s> Lines<'s> {
    pub(super) fn new(text: &'s str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { text, starts: std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect() }
    }

    /// The place of a part of a value that stands at `span`; the value's own where it is not written as it is
    /// read, as in a block of several lines.
    pub(super) fn within(&self, span: Span, value: &str, offset: usize) -> Span {
        let found = self.text.get(span.start..span.end).and_then(|written| written.find(value));
        let rest = value.get(offset..).unwrap_or_default();
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let length = match rest.find(|c| !word(c)).unwrap_or(rest.len()) {
            0 => rest.chars().next().map_or(0, char::len_utf8),
            length => length,
        };
        found.map_or(span, |at| {
            let start = span.start + at + offset;
            Span { start, end: start + length }
        })
    }

    /// The number, from 1, of the line that holds a byte.
    pub(super) fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// A line by its number, and where it begins; without its line break.
    pub(super) fn line(&self, number: usize) -> (usize, &'s str) {
        let start = self.starts.get(number.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.starts.get(number).copied().unwrap_or(self.text.len());
        (start, self.text[start..end].trim_end_matches(['\n', '\r']))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_offset() {
        let lines = Lines::new("ab\r\n\ncd");
        let numbers: Vec<_> = (0..8).map(|offset| lines.number(offset)).collect();
        assert_eq!(numbers, [1, 1, 1, 1, 2, 3, 3, 3]);
        assert_eq!(lines.line(1), (0, "ab"));
        assert_eq!(lines.line(2), (4, ""));
        assert_eq!(lines.line(3), (5, "cd"));
        assert_eq!(lines.line(9), (7, ""));
    }
}
