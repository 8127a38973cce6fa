//! A stream's bytes cut into lines for display. The stored log is never made from these.

use super::ansi;

/// A line longer than this is shown in pieces.
const LONGEST: usize = 16 << 10;

/// Holds back a line until it ends.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    /// A carriage return came last: the line ends, or what follows replaces it on a terminal.
    returned: bool,
}

impl Lines {
    /// Takes bytes and gives every line that is complete, without its end.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut give: impl FnMut(&[u8])) {
        while let Some(at) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.hold(&bytes[..at], &mut give);
            if bytes[at] == b'\n' {
                give(&self.held);
                self.held.clear();
            }
            self.returned = bytes[at] == b'\r';
            bytes = &bytes[at + 1..];
        }
        self.hold(bytes, &mut give);
    }

    /// Gives a last line that has no end.
    pub(super) fn finish(&mut self, mut give: impl FnMut(&[u8])) {
        if !self.held.is_empty() {
            give(&self.held);
        }
        *self = Self::default();
    }

    fn hold(&mut self, bytes: &[u8], give: &mut impl FnMut(&[u8])) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.returned) {
            self.held.clear();
        }
        self.held.extend_from_slice(bytes);
        let mut given = 0;
        while self.held.len() - given > LONGEST {
            let rest = &self.held[given..];
            let piece = ansi::cut(rest, LONGEST);
            give(&rest[..piece]);
            given += piece;
        }
        self.held.drain(..given);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        let mut give = |line: &[u8]| all.push(String::from_utf8_lossy(line).into_owned());
        for piece in pieces {
            lines.push(piece, &mut give);
        }
        lines.finish(&mut give);
        all
    }

    #[test]
    fn lines_end_where_they_should() {
        assert_eq!(lines(&[b"a\n\nb\r\nc"]), ["a", "", "b", "c"]);
        assert_eq!(lines(&[b"a", b"b\r", b"\nc"]), ["ab", "c"]);
    }

    #[test]
    fn of_a_progress_bar_the_last_state_is_shown() {
        assert_eq!(lines(&[b"10%\r50%\r", b"100%\r\r\ndone"]), ["100%", "done"]);
        assert_eq!(lines(&[b"10%\r", b"20%\r"]), ["20%"]);
    }

    #[test]
    fn a_line_too_long_comes_in_pieces() {
        let all = lines(&[&vec![b'x'; 3 * LONGEST + 1], b"\ny\n"]);
        assert_eq!(all.iter().map(String::len).collect::<Vec<_>>(), [LONGEST, LONGEST, LONGEST, 1, 1]);
        assert_eq!(lines(&[&vec![b'x'; LONGEST], b"\n"]).len(), 1);
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_split_changes_nothing(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..60),
            split in 0usize..60,
        ) {
            let (head, tail) = bytes.split_at(split.min(bytes.len()));
            prop_assert_eq!(lines(&[head, tail]), lines(&[&bytes]));
        }
    }
}
