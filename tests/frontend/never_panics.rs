//! Whatever the text, compiling ends with a plan or with reasons, and the reasons can be shown.

use std::fs;

use proptest::prelude::*;

use crate::{golden, messages};

/// Pieces of the language and of YAML, which random text alone would never hit.
const PIECES: &[&str] = &[
    "stages:",
    "- ",
    "name: ",
    "steps:",
    "\n",
    "  ",
    "    ",
    "run: ",
    "|\n",
    ">-\n",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ": ",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "\"",
    "'",
    "# ",
    "? ",
    "---\n",
    "...\n",
    "needs: ",
    "image: ",
    "env: ",
    "true",
    "null",
    "~",
    "1",
    "90s",
    "\t",
    "\r\n",
    "\u{feff}",
    "\0",
    "é",
    "𝄞",
    "%YAML 1.2\n",
    "x-",
    "finally:",
    "defaults:",
    "timeout: ",
    "${{ a }}",
    "\\x1b",
    "allow_failure: ",
    "exit_codes: ",
];

fn inputs() -> Vec<String> {
    let read = |path| fs::read_to_string(path).expect("the input can be read");
    golden::inputs().into_iter().map(read).collect()
}

/// Cuts at the nearest place between two characters.
fn at(text: &str, place: usize) -> usize {
    text.floor_char_boundary(place % (text.len() + 1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_any_text(text in "\\PC{0,200}") {
        messages(&text);
    }

    #[test]
    fn on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        messages(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn on_pieces_of_the_language(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        messages(&pieces.concat());
    }

    #[test]
    fn on_good_files_with_a_piece_more(
        text in prop::sample::select(inputs()),
        edits in prop::collection::vec((any::<usize>(), prop::sample::select(PIECES)), 1..4),
    ) {
        let mut text = text;
        for (place, piece) in edits {
            text.insert_str(at(&text, place), piece);
        }
        messages(&text);
    }

    #[test]
    fn on_good_files_with_a_piece_less(
        text in prop::sample::select(inputs()),
        cuts in prop::collection::vec((any::<usize>(), 0..40usize), 1..4),
    ) {
        let mut text = text;
        for (place, length) in cuts {
            let start = at(&text, place);
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, "");
        }
        messages(&text);
    }
}
