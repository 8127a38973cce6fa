//! Logs that are cut anywhere, and of which a cluster throws the beginning away.

use super::*;

/// Lines with the millisecond at which each began; the last need not have an end.
type Lines<'a> = &'a [(i64, &'a str)];

fn time(milli: i64) -> Timestamp {
    Timestamp::from_millisecond(milli).unwrap()
}

/// What a cluster answers that is asked for what came since.
fn told(lines: Lines<'_>, since: Option<Timestamp>) -> Vec<u8> {
    let asked = lines.iter().filter(|(milli, _)| since.is_none_or(|since| time(*milli) >= since));
    asked.flat_map(|(milli, text)| format!("{} {text}", time(*milli)).into_bytes()).collect()
}

fn printed(lines: Lines<'_>) -> String {
    lines.iter().map(|(_, text)| *text).collect()
}

const LINES: Lines<'static> = &[
    (1_000, "one\n"),
    (1_000, "the same time\n"),
    (1_900, "late\n"),
    (2_100, "\n"),
    (2_099, "out of order\n"),
    (9_000, "much later\n"),
    (9_001, "9 looks like a time\n"),
    (12_500, "of two\n"),
    (12_500, "1970-01-01T00:00:12.5Z of three\n"),
    (12_501, "no end"),
];

#[test]
fn each_byte_is_taken_once_wherever_the_stream_is_cut() {
    let whole = told(LINES, None);
    for first in 0..=whole.len() {
        let (mut log, mut taken) = (Log::new(u64::MAX), Vec::new());
        assert_eq!(log.resume(), None);
        taken.extend(log.take(&whole[..first]));
        for _ in 0..2 {
            let again = told(LINES, log.resume());
            taken.extend(log.take(&again[..again.len() / 2]));
        }
        let rest = told(LINES, log.resume());
        taken.extend(log.take(&rest));
        assert_eq!(String::from_utf8(taken).unwrap(), printed(LINES), "cut at {first}");
        assert_eq!(log.lost(), None);
    }
}

#[test]
fn pieces_of_any_size_are_one_log() {
    let whole = told(LINES, None);
    for size in 1..40 {
        let mut log = Log::new(u64::MAX);
        let taken: Vec<u8> = whole.chunks(size).flat_map(|piece| log.take(piece)).collect();
        assert_eq!(String::from_utf8(taken).unwrap(), printed(LINES));
    }
}

#[test]
fn what_a_cluster_has_thrown_away_is_said_and_nothing_comes_twice() {
    let mut log = Log::new(u64::MAX);
    log.take(&told(&LINES[..3], None));
    let rest = told(&LINES[5..7], log.resume());
    assert_eq!(String::from_utf8(log.take(&rest)).unwrap(), printed(&LINES[5..7]));
    assert!(log.lost().is_some() && log.lost().is_none());
    // The last that was read is still there, and so is all that came after it.
    let rest = told(&LINES[6..], log.resume());
    assert_eq!(String::from_utf8(log.take(&rest)).unwrap(), printed(&LINES[7..]));
    assert_eq!(log.lost(), None);
    let again = told(&LINES[6..], log.resume());
    assert_eq!(log.take(&again), b"");
}

#[test]
fn words_of_the_cluster_are_not_the_program_s() {
    let mut log = Log::new(u64::MAX);
    let words = b"unable to retrieve container logs for containerd://1\n1970-01-01T00:00:01Z own\nfailed";
    assert_eq!(log.take(words), b"own\n");
}

#[test]
fn beyond_the_limit_lines_are_counted() {
    let mut log = Log::new(7);
    let taken = log.take(&told(&[(1, "one\n"), (2, "two\n"), (3, "three\n"), (4, "four")], None));
    assert_eq!(taken, b"one\n");
    let record = log.record();
    assert_eq!((record.log_bytes, record.dropped_bytes, record.dropped_lines), (18, 14, 3));
    assert_eq!(record.log_sha256[..], Sha256::digest(b"one\n")[..]);
    let mut log = Log::new(2);
    assert_eq!(log.take(&told(&[(1, "one\n")], None)), b"on");
}
