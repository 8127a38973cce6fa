use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn values() -> Values {
    let long = "n".repeat(LONGEST);
    let pairs = [("a", "A"), ("_b9", "${a}"), ("empty", ""), ("odd", "\u{e9}$"), (&long, "long")];
    pairs.into_iter().collect()
}

/// What must come of a text, by looking at every place of the whole of it.
fn oracle(text: &[u8]) -> Vec<u8> {
    let (mut made, mut rest) = (Vec::new(), text);
    while let Some((&byte, after)) = rest.split_first() {
        let end = rest.iter().take(LONGEST + 3).position(|&byte| byte == b'}');
        let inner = end.and_then(|end| rest[..end].strip_prefix(b"${"));
        let percents = inner.map_or(0, |inner| inner.iter().take_while(|&&byte| byte == b'%').count());
        let name = inner.and_then(|inner| {
            let name = inner[percents..].strip_suffix("%".repeat(percents).as_bytes())?;
            let plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
            (plain && !name.first()?.is_ascii_digit()).then_some(name)
        });
        let value = name.and_then(|name| {
            let Some(fewer) = percents.checked_sub(1).map(|fewer| "%".repeat(fewer)) else {
                return values().get(name).map(<[u8]>::to_vec);
            };
            Some([b"${", fewer.as_bytes(), name, fewer.as_bytes(), b"}"].concat())
        });
        if let (Some(value), Some(end)) = (value, end) {
            made.extend(value);
            rest = &rest[end + 1..];
        } else {
            made.push(byte);
            rest = after;
        }
    }
    made
}

/// The text in these pieces, and the most that was held back.
fn in_pieces<'t>(pieces: impl IntoIterator<Item = &'t [u8]>) -> (Vec<u8>, usize) {
    let values = values();
    let (mut replacer, mut made, mut most) = (Replacer::new(&values), Vec::new(), 0);
    for piece in pieces {
        replacer.push(piece, &mut made).unwrap();
        most = most.max(replacer.held.len());
    }
    replacer.finish(&mut made).unwrap();
    (made, most)
}

#[track_caller]
fn check(text: &str, expect: &str) {
    let made = in_pieces([text.as_bytes()]).0;
    assert_eq!(String::from_utf8_lossy(&made), expect, "{text}");
    assert_eq!(made, oracle(text.as_bytes()), "the oracle: {text}");
}

#[test]
fn names_become_values_and_unknown_ones_stay() {
    check("x ${a} y${a}${a}", "x A yAA");
    check("${unknown} ${A} $a {a} ${}", "${unknown} ${A} $a {a} ${}");
    check("${empty}|", "|");
    check("${ a} ${a } ${a:-b} ${9a} ${a-b}", "${ a} ${a } ${a:-b} ${9a} ${a-b}");
    check("$${a} ${${a} ${a${a}", "$A ${A ${aA");
    check("a value is looked at no more: ${_b9}", "a value is looked at no more: ${a}");
    check("cut ${a", "cut ${a");
}

#[test]
fn an_escape_is_the_placeholder_with_one_percent_less() {
    check("${%a%} ${%unknown%}", "${a} ${unknown}");
    check("${%%a%%}", "${%a%}");
    check("${%a} ${a%} ${%%a%} ${%a%%} ${%%} ${%}", "${%a} ${a%} ${%%a%} ${%a%%} ${%%} ${%}");
}

#[test]
fn a_name_has_its_longest_length() {
    let (fits, longer) = ("n".repeat(LONGEST), "n".repeat(LONGEST + 1));
    check(&format!("${{{fits}}}"), "long");
    check(&format!("${{{longer}}}"), &format!("${{{longer}}}"));
    let most = "%".repeat(127) + "a" + &"%".repeat(127);
    check(&format!("${{{most}}}"), &format!("${{{}}}", &most[1..254]));
    check(&format!("${{%{most}%}}"), &format!("${{%{most}%}}"));
}

#[test]
fn what_is_no_text_passes_through() {
    let bytes: Vec<u8> = (0..=255).chain(*b"${a}\xff${\xff}").chain((0..=255).rev()).collect();
    let made = in_pieces([&bytes[..]]).0;
    assert_eq!(made, oracle(&bytes));
    assert_eq!(made.len(), bytes.len() - 3);
}

#[test]
fn copies_say_whether_they_differ() {
    for (text, differs) in [("a ${a}", true), ("${%x%}", true), ("${x} $", false), ("", false)] {
        let mut made = Vec::new();
        assert_eq!(copy(&mut text.as_bytes(), &mut made, &values()).unwrap(), differs, "{text}");
        assert_eq!(made, oracle(text.as_bytes()));
        assert_eq!(concerns(&mut text.as_bytes(), &values()).unwrap(), differs, "{text}");
    }
}

#[test]
fn values_cannot_be_shown() {
    let values: Values = [("TOKEN", "hunter2-hunter2")].into_iter().collect();
    assert_eq!(format!("{values:?}"), "{\"TOKEN\"}");
}

#[test]
fn every_split_of_every_small_text_is_the_same() {
    let letters = b"${%a9}";
    for length in 0..=6u32 {
        for number in 0..letters.len().pow(length) {
            let at = |place| letters[number / letters.len().pow(place) % letters.len()];
            let text: Vec<u8> = (0..length).map(at).collect();
            let expect = oracle(&text);
            for cut in 0..=text.len() {
                let (one, other) = text.split_at(cut);
                assert_eq!(in_pieces([one, other]).0, expect, "{} at {cut}", text.escape_ascii());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_split_of_any_text_is_the_same(
        words in vec(select(&[
            "${", "}", "$", "%", "${a}", "${%", "%}", "a", "_b9", "empty", "odd", "\n", "\u{e9}", "x", "9",
            "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
        ][..]), 0..60),
        sizes in vec(1..40usize, 1..40),
    ) {
        let text = words.concat().into_bytes();
        let (mut rest, mut pieces, mut sizes) = (text.as_slice(), Vec::new(), sizes.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            pieces.push(piece);
            rest = after;
        }
        let (made, most) = in_pieces(pieces);
        prop_assert_eq!(made, oracle(&text));
        prop_assert!(most <= LONGEST + 2, "{} bytes are held", most);
    }
}
