mod codings;
mod oracle;

use proptest::prelude::*;

use super::*;

/// Whether sweeps are to be complete, however long they take.
fn full() -> bool {
    std::env::var_os("WINDLASS_TEST_FULL").is_some_and(|value| value == "1")
}

proptest! {
    #[test]
    fn text_without_secrets_is_unchanged_byte_for_byte(text: Vec<u8>) {
        let mut stream = Masker::new([b"a very secret secret".to_vec()]).stream();
        let mut out = stream.push(&text);
        out.extend(stream.finish());
        prop_assert_eq!(&out, &text);
        prop_assert_eq!(Masker::none().stream().push(&text), text);
    }

    #[test]
    fn no_coding_of_any_secret_panics_or_leaks(secret in proptest::collection::vec(any::<u8>(), 8..64)) {
        let masker = Masker::new([secret.clone()]);
        let mut stream = masker.stream();
        let mut out = stream.push(&[b"<", &secret[..], b">"].concat());
        out.extend(stream.finish());
        let core = secret.trim_ascii();
        prop_assert!(core.len() < 8 || !out.windows(core.len()).any(|window| window == core));
    }
}

#[test]
fn text_that_cannot_be_a_secret_passes_at_once() {
    let mut stream = Masker::new([b"hunter2hunter2".to_vec()]).stream();
    assert_eq!(stream.push(b"password: "), b"password: ");
    assert_eq!(stream.push(b"hunter2hunter2"), b"***");
    assert_eq!(stream.push(b" hunt"), b" ");
    assert_eq!(stream.finish(), b"hunt");
}

#[test]
fn short_secrets_are_not_searched() {
    assert_eq!(Masker::new([b"1234567".to_vec()]).mask("1234567 12345678"), "1234567 12345678");
}

/// What the search in all that can be seen finds late took away what the other had found since.
#[test]
fn a_match_that_is_found_late_takes_no_other_away() {
    let masker = Masker::of_patterns([b"\x1b".to_vec()].into());
    let (mut whole, mut pieces) = (masker.stream(), masker.stream());
    let text = b"a\x1b\x1b b\x1b\x1b\x1b";
    let mut masked: Vec<u8> = text.chunks(1).flat_map(|piece| pieces.push(piece)).collect();
    masked.extend(pieces.finish());
    assert_eq!(masked, [whole.push(text), whole.finish()].concat());
    assert_eq!(masked, b"a*** b***");
}

#[test]
fn line_ends_around_a_secret_stay() {
    let masker = Masker::new([b"hunter2hunter2\n".to_vec()]);
    assert_eq!(masker.mask("one\nhunter2hunter2\ntwo\n"), "one\n***\ntwo\n");
}

#[test]
fn a_secret_of_many_lines_is_found_line_by_line() {
    let masker = Masker::new([
        b"-----BEGIN KEY-----\nMIIEvQIBADANBg\n  kqhkiG9w0BAQ\nab==\n-----END KEY-----\n".to_vec(),
    ]);
    assert_eq!(masker.mask("1 MIIEvQIBADANBg\n2 kqhkiG9w0BAQ\n"), "1 ***\n2 ***\n");
    assert_eq!(
        masker.mask("[-----BEGIN KEY-----\r\nMIIEvQIBADANBg\r\n  kqhkiG9w0BAQ\r\nab==\r\n-----END KEY-----]"),
        "[***]"
    );
}

#[test]
fn base64_is_found_at_every_alignment() {
    let masker = Masker::new([b"hunter2hunter2".to_vec()]);
    // base64 of `hunter2hunter2`, of it and a newline, of `user:` and it, of `me:` and it.
    for coded in [
        "aHVudGVyMmh1bnRlcjI=",
        "aHVudGVyMmh1bnRlcjI",
        "aHVudGVyMmh1bnRlcjIK",
        "dXNlcjpodW50ZXIyaHVudGVyMg==",
        "bWU6aHVudGVyMmh1bnRlcjI=",
    ] {
        let masked = masker.mask(coded);
        assert!(masked.contains(MASK) && masked.len() < 14, "{coded}: {masked}");
    }
}
