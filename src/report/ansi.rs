//! What of a program's bytes may reach a terminal: text and colours, nothing else.
//!
//! Works on one line at a time and keeps nothing between lines, so that an unfinished sequence
//! costs at most its own line. Never passes cursor movement, titles, links, device strings or C1
//! controls (threat T20).

use std::fmt::Write;

const ESCAPE: char = '\u{1b}';
const STRING_TERMINATOR: char = '\u{9c}';
const BELL: char = '\u{7}';
const RESET: &str = "\u{1b}[0m";

/// Longer sequences than this are no colours.
const MAX_SEQUENCE: usize = 64;

/// Turns the bytes of one line into what may be printed.
///
/// Bad UTF-8 becomes U+FFFD, control characters but the tab are shown as `^G`, escape sequences
/// are dropped, except that with `color` the colour sequences pass and are reset at the end.
pub fn printable(line: &[u8], color: bool) -> String {
    let text = String::from_utf8_lossy(line);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    let mut colored = false;
    while let Some(start) = rest.find(|c: char| c.is_control() && c != '\t') {
        out.push_str(&rest[..start]);
        let (sequence, after) = rest[start..].split_at(sequence_len(&rest[start..]));
        rest = after;
        match Sequence::of(sequence) {
            Sequence::Color if color => {
                out.push_str(sequence);
                colored = !matches!(sequence, "\u{1b}[m" | RESET);
            }
            Sequence::Color | Sequence::Dropped => {}
            Sequence::Control(byte) => {
                let _ = write!(out, "^{}", char::from(byte ^ 0x40));
            }
        }
    }
    out.push_str(rest);
    if colored {
        out.push_str(RESET);
    }
    out
}

/// Turns a name or a message into one line that may be printed: line breaks become spaces.
pub fn one_line(text: &str) -> String {
    printable(text.trim().replace(['\n', '\r', '\t'], " ").as_bytes(), false)
}

/// Where to cut a line that is too long to hold, so that no character and no colour is cut in two:
/// at most `limit` bytes, at least one.
pub fn cut(line: &[u8], limit: usize) -> usize {
    if line.len() <= limit {
        return line.len();
    }
    let head = &line[..limit];
    let start = limit.saturating_sub(MAX_SEQUENCE);
    let open = head[start..].iter().rposition(|byte| *byte == 0x1b).map(|at| start + at);
    if let Some(open) = open.filter(|open| *open > 0 && !ends_within(&head[*open..])) {
        return open;
    }
    let continues = |at: usize| line.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (limit.saturating_sub(3)..=limit).rev().find(|at| *at > 0 && !continues(*at)).unwrap_or(limit)
}

/// Whether a CSI sequence at the start of these bytes has its final byte there.
fn ends_within(bytes: &[u8]) -> bool {
    let Some(parameters) = bytes.strip_prefix(b"\x1b[") else { return bytes.len() > 1 };
    parameters.iter().any(|byte| (0x40..=0x7e).contains(byte))
}

enum Sequence {
    Color,
    Dropped,
    Control(u8),
}

impl Sequence {
    fn of(sequence: &str) -> Self {
        let parameters = sequence.strip_prefix("\u{1b}[").and_then(|rest| rest.strip_suffix('m'));
        let is_color = parameters.is_some_and(|parameters| {
            parameters.len() < MAX_SEQUENCE
                && parameters.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'))
        });
        match sequence.as_bytes() {
            _ if is_color => Sequence::Color,
            [byte @ (0..=0x1a | 0x1c..=0x1f | 0x7f)] => Sequence::Control(*byte),
            _ => Sequence::Dropped,
        }
    }
}

/// Length in bytes of the control or sequence that `text` starts with.
fn sequence_len(text: &str) -> usize {
    let mut chars = text.chars();
    let introducer = match chars.next() {
        Some(ESCAPE) => match chars.next() {
            Some('[') => '\u{9b}',
            Some(']') => '\u{9d}',
            Some('P' | 'X' | '^' | '_') => '\u{90}',
            Some(' '..='/') => ESCAPE,
            Some(simple @ '0'..='~') => return ESCAPE.len_utf8() + simple.len_utf8(),
            _ => return ESCAPE.len_utf8(),
        },
        Some('\u{98}' | '\u{9e}' | '\u{9f}') => '\u{90}',
        Some(c1 @ ('\u{90}' | '\u{9b}' | '\u{9d}')) => c1,
        Some(single) => return single.len_utf8(),
        None => return 0,
    };
    let body = text.len() - chars.as_str().len();
    body + match introducer {
        '\u{9b}' => control_sequence_len(chars.as_str()),
        ESCAPE => escape_len(chars.as_str()),
        _ => string_len(chars.as_str()),
    }
}

/// Parameters, intermediates and the final byte of a CSI sequence; it ends before anything else.
fn control_sequence_len(text: &str) -> usize {
    let body = text.find(|c| !matches!(c, ' '..='?')).unwrap_or(text.len());
    body + usize::from(text[body..].starts_with(|c| matches!(c, '@'..='~')))
}

/// Further intermediates and the final byte of an escape sequence.
fn escape_len(text: &str) -> usize {
    let body = text.find(|c| !matches!(c, ' '..='/')).unwrap_or(text.len());
    body + usize::from(text[body..].starts_with(|c| matches!(c, '0'..='~')))
}

/// The rest of a device or title string with its terminator: BEL, ST, or the line's end.
fn string_len(text: &str) -> usize {
    let Some(end) = text.find([BELL, STRING_TERMINATOR, ESCAPE]) else { return text.len() };
    let after = &text[end..];
    match after.chars().next() {
        Some(ESCAPE) if after.starts_with("\u{1b}\\") => end + 2,
        Some(ESCAPE) | None => end,
        Some(terminator) => end + terminator.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(line: &[u8], colored: &str, plain: &str) {
        assert_eq!(printable(line, true), colored);
        assert_eq!(printable(line, false), plain);
    }

    #[test]
    fn colours_pass_and_are_closed() {
        check(b"\x1b[31mred\x1b[0m.", "\x1b[31mred\x1b[0m.", "red.");
        check(b"\x1b[1;38;5;0mopen", "\x1b[1;38;5;0mopen\x1b[0m", "open");
        check(b"\x1b[mx", "\x1b[mx", "x");
        check(b"\x1b[>4;2mx\x1b[?25my", "xy", "xy");
    }

    #[test]
    fn other_sequences_are_dropped() {
        for sequence in [
            "\x1b[2J",
            "\x1b[H",
            "\x1b[10;20H",
            "\x1b[K",
            "\x1b[?1049h",
            "\x1b[6n",
            "\x1b[!p",
            "\x1b[1 q",
            "\x1b]0;title\x07",
            "\x1b]8;;http://x\x1b\\",
            "\x1b]52;c;aGk=\u{9c}",
            "\x1bP1$r\x1b\\",
            "\x1b_apc\x1b\\",
            "\x1b^pm\x1b\\",
            "\x1bXsos\x1b\\",
            "\x1bc",
            "\x1b(B",
            "\x1b#8",
            "\x1b7",
            "\u{9b}2J",
            "\u{9d}0;t\u{9c}",
            "\u{90}q\u{9c}",
            "\u{85}",
            "\u{8d}",
        ] {
            check(format!("a{sequence}b").as_bytes(), "ab", "ab");
        }
    }

    #[test]
    fn an_unfinished_sequence_costs_its_own_line_only() {
        check(b"a\x1b", "a", "a");
        check(b"a\x1b[31", "a", "a");
        check(b"a\x1b]0;title without an end", "a", "a");
        check(b"a\x1b]0;t\x1b[31mred", "a\x1b[31mred\x1b[0m", "ared");
        check("a\x1b[3é1m".as_bytes(), "aé1m", "aé1m");
    }

    #[test]
    fn controls_are_shown() {
        check(b"\0a\x07b\x08c\x7f\td", "^@a^Gb^Hc^?\td", "^@a^Gb^Hc^?\td");
        check(b"\xff\x9b2J\xc3", "\u{fffd}\u{fffd}2J\u{fffd}", "\u{fffd}\u{fffd}2J\u{fffd}");
    }

    #[test]
    fn names_stay_on_one_line() {
        assert_eq!(one_line(" a\nb\r\n\x1b[31mc\x1b[2J "), "a b  c");
    }

    #[test]
    fn a_cut_halves_neither_character_nor_colour() {
        assert_eq!(cut(b"abc", 16), 3);
        assert_eq!(cut(b"abcdef", 4), 4);
        assert_eq!(cut("aaaé".as_bytes(), 4), 3);
        assert_eq!(cut(b"aa\x1b[31mb", 5), 2);
        assert_eq!(cut(b"\x1b[31mbcdefg", 8), 8);
        assert_eq!(cut(b"\x1b[3111111111", 8), 8);
        assert_eq!(cut(&[0x80; 10], 4), 4);
    }

    /// The grammar of what may be printed, read by another way than it was written.
    fn allowed(text: &str) -> bool {
        let mut pieces = text.split('\u{1b}');
        let clean = |piece: &str| piece.chars().all(|c| c == '\t' || !c.is_control());
        pieces.next().is_none_or(clean)
            && pieces.all(|piece| {
                piece.strip_prefix('[').and_then(|piece| piece.split_once('m')).is_some_and(|(sgr, text)| {
                    sgr.chars().all(|c| c.is_ascii_digit() || ";:".contains(c)) && clean(text)
                })
            })
    }

    proptest! {
        #[test]
        fn nothing_but_text_and_colours(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(allowed(&printable(&bytes, true)));
        }

        #[test]
        fn nothing_but_text_and_colours_of_hostile_pieces(
            pieces in proptest::collection::vec("(\u{1b}|\u{1b}\\[|\u{1b}\\]|\u{9b}|\u{9d}|[0-9;:?<m]{1,3}|\u{7}|\u{9c}|\u{1b}\\\\|[a-zé\r\n\t]){0,3}", 0..20)
        ) {
            let line = pieces.concat();
            prop_assert!(allowed(&printable(line.as_bytes(), true)));
            let plain = printable(line.as_bytes(), false);
            prop_assert!(allowed(&plain) && !plain.contains(ESCAPE));
        }

        #[test]
        fn clean_text_is_unchanged(text in "[a-zA-Zäß漢🦀 \t]{0,40}") {
            prop_assert_eq!(printable(text.as_bytes(), true), text);
        }
    }
}
