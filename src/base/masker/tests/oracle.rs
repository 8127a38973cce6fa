//! The masker against one that looks at every place of the whole text for every pattern (goal D4).
//! Broken maskers beside it show that the comparison notices what it should.

use std::rc::Rc;

use aho_corasick::AhoCorasick;

use super::*;

/// Some patterns, and a text in pieces.
struct Case {
    patterns: Rc<Patterns>,
    pieces: Vec<Vec<u8>>,
}

struct Patterns {
    all: Vec<Vec<u8>>,
    masker: Masker,
}

impl Patterns {
    fn new(all: Vec<Vec<u8>>) -> Rc<Self> {
        let masker = Masker::of_patterns(all.iter().cloned().collect());
        Rc::new(Self { all, masker })
    }
}

/// What became of the pieces.
#[derive(PartialEq, Eq)]
struct Outcome {
    text: Vec<u8>,
    /// How much was held back after each piece.
    held: Vec<usize>,
}

type Subject = fn(&Case) -> Outcome;

fn masker(case: &Case) -> Outcome {
    let mut stream = case.patterns.masker.stream();
    let (mut text, mut held) = (Vec::new(), Vec::new());
    for piece in &case.pieces {
        text.extend(stream.push(piece));
        held.push(stream.held());
    }
    text.extend(stream.finish());
    Outcome { text, held }
}

/// The length of the control sequence that these bytes begin with; none when it is not all there.
fn control_sequence(bytes: &[u8]) -> Option<usize> {
    let body = bytes.strip_prefix(b"\x1b[")?;
    let end = body.iter().position(|byte| !(0x20..=0x3f).contains(byte))?;
    (0x40..=0x7e).contains(&body[end]).then_some(end + 3)
}

/// Whether these bytes may become a control sequence.
fn unfinished(bytes: &[u8]) -> bool {
    bytes == b"\x1b" || bytes.starts_with(b"\x1b[") && bytes[2..].iter().all(|b| (0x20..=0x3f).contains(b))
}

/// The places of the bytes that can be seen.
fn seen(text: &[u8]) -> Vec<usize> {
    let (mut places, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match control_sequence(&text[at..]) {
            Some(length) => at += length,
            None if unfinished(&text[at..]) => break,
            None => {
                places.push(at);
                at += 1;
            }
        }
    }
    places
}

/// All bytes, and those that can be seen.
fn views(text: &[u8]) -> [Vec<usize>; 2] {
    [(0..text.len()).collect(), seen(text)]
}

fn oracle(case: &Case) -> Outcome {
    let whole = case.pieces.concat();
    let mut secret = vec![false; whole.len()];
    for places in views(&whole) {
        for pattern in &case.patterns.all {
            for window in places.windows(pattern.len()) {
                if window.iter().map(|at| whole[*at]).eq(pattern.iter().copied()) {
                    secret[window[0]..=window[window.len() - 1]].fill(true);
                }
            }
        }
    }
    let mut text = Vec::new();
    for (at, &byte) in whole.iter().enumerate() {
        if !secret[at] {
            text.push(byte);
        } else if at == 0 || !secret[at - 1] {
            text.extend_from_slice(MASK.as_bytes());
        }
    }
    let mut so_far = Vec::new();
    let held = case.pieces.iter().map(|piece| {
        so_far.extend_from_slice(piece);
        may_grow(&case.patterns.all, &so_far)
    });
    Outcome { text, held: held.collect() }
}

/// How many bytes at the end may be the beginning of a pattern that is not all there yet.
fn may_grow(patterns: &[Vec<u8>], text: &[u8]) -> usize {
    let mut longest = 0;
    for places in views(text) {
        let end: Vec<u8> = places.iter().map(|at| text[*at]).collect();
        for pattern in patterns {
            for count in 1..pattern.len().min(end.len() + 1) {
                if end.ends_with(&pattern[..count]) {
                    longest = longest.max(text.len() - places[places.len() - count]);
                }
            }
        }
    }
    longest
}

/// How many cases there are, or the first in which the subject is wrong.
fn compare(subject: Subject, cases: impl IntoIterator<Item = Case>) -> Result<usize, String> {
    let mut count = 0;
    for case in cases {
        let (found, expected) = (subject(&case), oracle(&case));
        if found != expected {
            let show = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).escape_debug().to_string();
            let list = |all: &[Vec<u8>]| all.iter().map(show).collect::<Vec<_>>().join(" | ");
            return Err(format!(
                "case {count}: patterns {}, pieces {}: {} and held {:?}, not {} and {:?}",
                list(&case.patterns.all),
                list(&case.pieces),
                show(&found.text),
                found.held,
                show(&expected.text),
                expected.held
            ));
        }
        count += 1;
    }
    Ok(count)
}

/// All words of these letters, of up to so many.
fn words(letters: &[&[u8]], longest: usize) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut last = vec![Vec::new()];
    for _ in 0..longest {
        last = last.iter().flat_map(|word| letters.iter().map(|letter| [word, *letter].concat())).collect();
        all.extend_from_slice(&last);
    }
    all
}

/// The text in pieces, by the bits of a number.
fn split(text: &[u8], cuts: usize) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for (at, &byte) in text.iter().enumerate() {
        match pieces.last_mut() {
            Some(last) if cuts >> (at - 1) & 1 == 0 => last.push(byte),
            _ => pieces.push(vec![byte]),
        }
    }
    pieces
}

/// Every set of patterns with every text in every split.
fn every(sets: Vec<Vec<Vec<u8>>>, texts: Vec<Vec<u8>>) -> impl Iterator<Item = Case> {
    sets.into_iter().map(Patterns::new).flat_map(move |patterns| {
        texts.clone().into_iter().flat_map(move |text| {
            let patterns = Rc::clone(&patterns);
            (0..1usize << (text.len() - 1))
                .map(move |cuts| Case { patterns: Rc::clone(&patterns), pieces: split(&text, cuts) })
        })
    })
}

/// Every two of these, and each alone: so they overlap, are nested, adjacent, repeated, and begin alike.
fn pairs(words: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
    let both = |at: usize| words[at..].iter().map(move |other| vec![words[at].clone(), other.clone()]);
    (0..words.len()).flat_map(both).collect()
}

fn small() -> impl Iterator<Item = Case> {
    let texts = words(&[b"a", b"b"], if full() { 7 } else { 5 });
    let threes = words(&[b"a", b"b"], if full() { 2 } else { 0 });
    let threes = pairs(&threes).into_iter().flat_map(|pair| {
        threes.iter().map(|third| [&pair[..], std::slice::from_ref(third)].concat()).collect::<Vec<_>>()
    });
    let sets = pairs(&words(&[b"a", b"b"], 3)).into_iter().chain(threes).collect();
    every(sets, texts)
}

fn colored() -> impl Iterator<Item = Case> {
    let texts = words(&[b"a", b"b", b"\x1b[m", b"\x1b"], 3);
    every(pairs(&words(&[b"a", b"b"], 2)), texts)
}

/// A case that is different for each number: long patterns or short ones, a text made of pieces of
/// them, of noise and of colours, cut anywhere.
fn random(number: u64) -> Case {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = move |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0) % limit
    };
    let shortest = if number.is_multiple_of(2) { 1 } else { MIN_LENGTH };
    let letters = 2 + below(2);
    let letter = |below: &mut dyn FnMut(usize) -> usize| b"abc"[below(letters)];
    let mut patterns: Vec<Vec<u8>> = Vec::new();
    for _ in 0..=below(6) {
        let length = shortest + below(6);
        patterns.push((0..length).map(|_| letter(&mut below)).collect());
    }
    let mut text = Vec::new();
    for _ in 0..=below(6) {
        let pattern = &patterns[below(patterns.len())];
        match below(8) {
            0..4 => text.extend_from_slice(pattern),
            4 => text.extend_from_slice(&pattern[below(pattern.len())..]),
            5 => text.extend_from_slice(&pattern[..below(pattern.len())]),
            6 => (0..below(5)).for_each(|_| text.push(b"abcd"[below(4)])),
            _ => {
                let at = below(text.len() + 1);
                text.splice(at..at, b"\x1b[1;31m".iter().copied());
            }
        }
    }
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let rest = text.split_off((1 + below(12)).min(text.len()));
        pieces.push(std::mem::replace(&mut text, rest));
    }
    Case { patterns: Patterns::new(patterns), pieces }
}

#[test]
fn every_split_of_every_small_text_equals_the_whole() {
    let count = compare(masker, small()).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(count >= 52_324, "{count} cases");
    println!("{count} cases");
}

#[test]
fn colours_hide_nothing_wherever_the_text_is_split() {
    let count = compare(masker, colored()).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{count} cases");
}

#[test]
fn random_pieces_equal_the_whole() {
    let numbers = if full() { 1_000_000 } else { 20_000 };
    let count = compare(masker, (1..=numbers).map(random)).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{count} cases");
}

#[test]
fn a_gap_without_end_hides_something_and_holds_nothing() {
    let masker = Masker::of_patterns([b"hunter2hunter2".to_vec()].into());
    let mut stream = masker.stream();
    assert_eq!(stream.push(b"hunter2"), b"");
    for _ in 0..1_000 {
        stream.push(b"\x1b[1m");
        assert!(stream.held() < 80, "{}", stream.held());
    }
    assert_eq!(stream.push(b"hunter2hunter2"), b"\x1b[1m***"[4..]);
    stream.push(b"hunter2\x1b[");
    for _ in 0..1_000 {
        stream.push(b"1;");
        assert!(stream.held() < 80, "{}", stream.held());
    }
}

mod broken {
    //! Maskers with the mistakes that maskers have.

    use super::*;

    fn of_whole(case: &Case, mask: impl Fn(&[u8]) -> Vec<u8>) -> Outcome {
        Outcome { text: mask(&case.pieces.concat()), held: oracle(case).held }
    }

    fn replaced(case: &Case, kind: MatchKind) -> Outcome {
        let finder = AhoCorasick::builder().match_kind(kind).build(&case.patterns.all).unwrap();
        of_whole(case, |text| finder.replace_all_bytes(text, &vec![MASK; case.patterns.all.len()]))
    }

    pub(super) fn each_piece_alone(case: &Case) -> Outcome {
        let alone =
            |piece: &Vec<u8>| Case { patterns: Rc::clone(&case.patterns), pieces: vec![piece.clone()] };
        let text = case.pieces.iter().flat_map(|piece| oracle(&alone(piece)).text).collect();
        Outcome { text, held: oracle(case).held }
    }

    pub(super) fn the_first_pattern_wins(case: &Case) -> Outcome {
        replaced(case, MatchKind::LeftmostFirst)
    }

    pub(super) fn the_longest_wins_and_none_overlap(case: &Case) -> Outcome {
        replaced(case, MatchKind::LeftmostLongest)
    }

    pub(super) fn one_pattern_after_the_other(case: &Case) -> Outcome {
        of_whole(case, |text| {
            case.patterns.all.iter().fold(text.to_vec(), |text, pattern| {
                let single = Case { patterns: Patterns::new(vec![pattern.clone()]), pieces: vec![text] };
                oracle(&single).text
            })
        })
    }

    pub(super) fn what_is_held_is_lost(case: &Case) -> Outcome {
        let mut stream = case.patterns.masker.stream();
        let text = case.pieces.iter().flat_map(|piece| stream.push(piece)).collect();
        Outcome { text, held: oracle(case).held }
    }

    pub(super) fn too_much_is_held(case: &Case) -> Outcome {
        let longest = case.patterns.all.iter().map(Vec::len).max().unwrap_or(0);
        let lengths = case.pieces.iter().scan(0, |sum, piece| {
            *sum += piece.len();
            Some((*sum).min(longest - 1))
        });
        Outcome { held: lengths.collect(), ..masker(case) }
    }

    pub(super) fn one_byte_too_few(case: &Case) -> Outcome {
        let shorter = case.patterns.all.iter().map(|pattern| pattern[..pattern.len().max(2) - 1].to_vec());
        let shorter = Case { patterns: Patterns::new(shorter.collect()), pieces: case.pieces.clone() };
        Outcome { text: oracle(&shorter).text, held: oracle(case).held }
    }

    pub(super) fn colours_hide(case: &Case) -> Outcome {
        let mut text = case.pieces.concat();
        for pattern in &case.patterns.all {
            let shown = String::from_utf8_lossy(&text).replace(&*String::from_utf8_lossy(pattern), MASK);
            text = shown.into_bytes();
        }
        Outcome { text, held: oracle(case).held }
    }
}

#[test]
fn a_broken_masker_is_noticed() {
    let subjects: [(&str, Subject); 8] = [
        ("each piece alone", broken::each_piece_alone),
        ("the first pattern wins", broken::the_first_pattern_wins),
        ("none overlap", broken::the_longest_wins_and_none_overlap),
        ("one after the other", broken::one_pattern_after_the_other),
        ("what is held is lost", broken::what_is_held_is_lost),
        ("too much is held", broken::too_much_is_held),
        ("one byte too few", broken::one_byte_too_few),
        ("colours hide", broken::colours_hide),
    ];
    for (name, subject) in subjects {
        assert!(compare(subject, small()).is_err(), "{name}: the small set does not notice");
        assert!(compare(subject, (1..=1_000).map(random)).is_err(), "{name}: random cases do not notice");
    }
    assert!(compare(broken::colours_hide, colored()).is_err());
}
