//! What programs print instead of a secret: 32 codings of 20 of them, each written here by other means
//! than where it is searched, wherever the stream is cut (goal D3).

use std::fmt::Write;

use super::*;

/// A coded secret as it is printed, of which the part in the middle must not be seen.
struct Printed {
    before: Vec<u8>,
    coded: Vec<u8>,
    after: Vec<u8>,
}

type Coding = fn(&[u8]) -> Vec<Printed>;

/// A window of so many bytes of a coded secret that comes out is a hit.
const HIT: usize = MIN_LENGTH;

const CANARIES: [&[u8]; 20] = [
    b"hunter2!",
    b"ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    b"it's \"quoted\" & <tagged> \\ back $HOME `id`",
    "Gr\u{fc}\u{df}e, \u{6f22}\u{5b57} \u{1f980} \u{3a9}mega".as_bytes(),
    b"  spaces around it \t",
    b"ends with a newline\n",
    b"-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----\n",
    b"first line of it\r\nsecond line of it\r\n",
    b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    b"https://user:p%40ss@host/path?q=1&r=2#frag",
    b"{\"user\":\"me\",\"token\":\"0123456789abcdef\"}",
    b"deadbeefcafebabe0123456789abcdef",
    b"QUJDREVGR0hJSktMTU5PUA==",
    b"100%+sure=/yes?~*'()",
    b"a\tb\x07c\x08d\x0ce\x0bf\x1bg\x7fh\x01i",
    b"aaaaaaaaaaaaaaaa",
    b"abcabcabcabd",
    b"\xff\xfe\x00\x01\x80binary\xc3\x28\xf0\x9f",
    b"xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx-and-some-more-of-it-so-that-it-is-wrapped-twice-or-so-0123456789",
];

fn text(secret: &[u8]) -> Option<&str> {
    std::str::from_utf8(secret).ok()
}

fn printed(before: &str, coded: impl Into<Vec<u8>>, after: &str) -> Vec<Printed> {
    vec![Printed { before: before.into(), coded: coded.into(), after: after.into() }]
}

fn each_byte(secret: &[u8], code: impl Fn(u8) -> String) -> Vec<Printed> {
    printed("", secret.iter().map(|byte| code(*byte)).collect::<String>(), "")
}

fn each_char(secret: &[u8], code: impl Fn(char) -> String) -> Vec<Printed> {
    text(secret).map(|text| printed("", text.chars().map(code).collect::<String>(), "")).unwrap_or_default()
}

fn lines(secret: &[u8]) -> impl Iterator<Item = &[u8]> {
    secret.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

/// Digits of `bits` bits each, by way of a text of zeros and ones; those that `around` reaches into are
/// not of the secret alone.
fn digits(alphabet: &str, bits: usize, around: [&str; 2], secret: &[u8], pad: usize) -> Vec<Printed> {
    let whole = [around[0].as_bytes(), secret, around[1].as_bytes()].concat();
    let mut binary: String = whole.iter().fold(String::new(), |all, byte| all + &format!("{byte:08b}"));
    while !binary.len().is_multiple_of(bits) {
        binary.push('0');
    }
    let digit = |at: usize| usize::from_str_radix(&binary[at..at + bits], 2).unwrap();
    let mut coded: String =
        (0..binary.len()).step_by(bits).map(|at| char::from(alphabet.as_bytes()[digit(at)])).collect();
    let first = (around[0].len() * 8).div_ceil(bits);
    let last = if around[1].is_empty() { coded.len() } else { (around[0].len() + secret.len()) * 8 / bits };
    let last = last.max(first);
    while pad > 0 && !coded.len().is_multiple_of(pad) {
        coded.push('=');
    }
    printed(&coded[..first], &coded[first..last], &coded[last..])
}

const STANDARD: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn aligned(alphabet: &'static str, pad: usize, secret: &[u8]) -> Vec<Printed> {
    let mut all = digits(alphabet, 6, ["", ""], secret, pad);
    for before in ["", "x", "xy"] {
        for after in ["z", "zz", "zzz"] {
            all.extend(digits(alphabet, 6, [before, after], secret, pad));
        }
    }
    all
}

/// Lines of so many columns, as `base64` writes them, whatever comes before the secret.
fn wrapped(secret: &[u8], columns: usize, before: &str, after: &str) -> Vec<Printed> {
    let mut all = Vec::new();
    for Printed { before, coded, after } in digits(STANDARD, 6, [before, after], secret, 4) {
        let mut at = 0;
        let mut wrap = |bytes: &[u8]| {
            let mut out = Vec::new();
            for byte in bytes {
                if at > 0 && at % columns == 0 {
                    out.push(b'\n');
                }
                out.push(*byte);
                at += 1;
            }
            out
        };
        all.push(Printed { before: wrap(&before), coded: wrap(&coded), after: wrap(&after) });
    }
    all
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    digits(STANDARD, 6, ["", ""], bytes, 4).remove(0).into_bytes()
}

impl Printed {
    fn into_bytes(self) -> Vec<u8> {
        [self.before, self.coded, self.after].concat()
    }
}

fn percent(secret: &[u8], free: &str, upper: bool) -> String {
    secret.iter().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || free.contains(char::from(*byte)) {
            out.push(char::from(*byte));
        } else if upper {
            write!(out, "%{byte:02X}").unwrap();
        } else {
            write!(out, "%{byte:02x}").unwrap();
        }
        out
    })
}

fn backslashed(c: char) -> Option<&'static str> {
    Some(match c {
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\x08' => "\\b",
        '\x0c' => "\\f",
        '\\' => "\\\\",
        _ => return None,
    })
}

fn json(c: char) -> String {
    match (c, backslashed(c)) {
        ('"', _) => "\\\"".to_owned(),
        (_, Some(short)) => short.to_owned(),
        ('\0'..='\x1f', _) => format!("\\u{:04x}", c as u32),
        _ => c.to_string(),
    }
}

fn go(c: char) -> String {
    match (c, backslashed(c)) {
        ('"', _) => "\\\"".to_owned(),
        ('\x07', _) => "\\a".to_owned(),
        ('\x0b', _) => "\\v".to_owned(),
        (_, Some(short)) => short.to_owned(),
        ('\0'..='\x1f' | '\x7f', _) => format!("\\x{:02x}", c as u32),
        _ => c.to_string(),
    }
}

fn bash(c: char) -> String {
    match (c, backslashed(c)) {
        ('\'', _) => "\\'".to_owned(),
        ('\x07', _) => "\\a".to_owned(),
        ('\x0b', _) => "\\v".to_owned(),
        ('\x1b', _) => "\\E".to_owned(),
        (_, Some(short)) => short.to_owned(),
        ('\0'..='\x1f' | '\x7f', _) => format!("\\{:03o}", c as u32),
        _ => c.to_string(),
    }
}

fn named(c: char) -> String {
    match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        _ => c.to_string(),
    }
}

fn between(secret: &[u8], what: &str) -> Vec<Printed> {
    each_char(secret, |c| format!("{c}{what}"))
        .into_iter()
        .map(|all| Printed { coded: all.coded[..all.coded.len().saturating_sub(what.len())].to_vec(), ..all })
        .collect()
}

const CODINGS: [(&str, Coding); 32] = [
    ("raw", |s| printed("", s, "")),
    ("each line", |s| lines(s).flat_map(|line| printed("", line, "")).collect()),
    ("trimmed", |s| printed("", s.trim_ascii(), "")),
    ("CRLF", |s| printed("", lines(s.trim_ascii()).collect::<Vec<_>>().join(&b"\r\n"[..]), "")),
    ("JSON", |s| each_char(s, json)),
    ("\\u", |s| {
        each_char(s, |c| {
            c.encode_utf16(&mut [0; 2]).iter().fold(String::new(), |all, unit| format!("{all}\\u{unit:04x}"))
        })
    }),
    ("Go %q", |s| each_char(s, go)),
    ("Rust {:?}", |s| {
        let quoted = text(s).map(|text| format!("{text:?}"));
        quoted.map(|quoted| printed("\"", &quoted[1..quoted.len() - 1], "\"")).unwrap_or_default()
    }),
    ("shell '", |s| each_char(s, |c| if c == '\'' { "'\\''".to_owned() } else { c.to_string() })),
    ("shell $''", |s| each_char(s, bash)),
    ("URL upper", |s| printed("", percent(s, "-._~", true), "")),
    ("URL lower", |s| printed("", percent(s, "-._~", false), "")),
    ("URL form", |s| printed("", percent(s, "*-._ ", true).replace(' ', "+"), "")),
    ("URL double", |s| printed("", percent(percent(s, "-._~", true).as_bytes(), "-._~", true), "")),
    ("HTML named", |s| each_char(s, named)),
    ("HTML decimal", |s| each_char(s, |c| format!("&#{};", c as u32))),
    ("HTML hexadecimal", |s| each_char(s, |c| format!("&#x{:x};", c as u32))),
    ("base64, padded", |s| aligned(STANDARD, 4, s)),
    ("base64, not padded", |s| aligned(STANDARD, 0, s)),
    ("base64 of URLs, padded", |s| aligned(URL, 4, s)),
    ("base64 of URLs, not padded", |s| aligned(URL, 0, s)),
    ("base64, wrapped", |s| {
        let mut all = wrapped(s, 76, "", "");
        all.extend(wrapped(s, 76, "", "\n"));
        // The end of a line falls everywhere into the secret.
        let before = "somebody:".repeat(7);
        all.extend((0..before.len()).flat_map(|at| wrapped(s, 76, &before[at..], "\n")));
        all
    }),
    ("base64 of user:pass", |s| digits(STANDARD, 6, ["user:", ""], s, 4)),
    ("base64 with a newline", |s| digits(STANDARD, 6, ["", "\n"], s, 4)),
    ("base64 twice", |s| {
        let once = digits(STANDARD, 6, ["u:", "\n"], s, 4).remove(0);
        let around = [text(&once.before).unwrap(), text(&once.after).unwrap()];
        let mut all = digits(STANDARD, 6, around, &once.coded, 4);
        all.extend(digits(STANDARD, 6, ["", ""], &base64(s), 4));
        all
    }),
    ("hexadecimal, lower", |s| each_byte(s, |byte| format!("{byte:02x}"))),
    ("hexadecimal, upper", |s| each_byte(s, |byte| format!("{byte:02X}"))),
    ("hexadecimal, spaced", |s| each_byte(s, |byte| format!("{byte:02x} "))),
    ("\\x", |s| each_byte(s, |byte| format!("\\x{byte:02x}"))),
    ("base32", |s| {
        let mut all = digits(BASE32, 5, ["", ""], s, 8);
        all.extend(
            ["", "x", "xy", "xyz", "xyzu"].into_iter().flat_map(|b| digits(BASE32, 5, [b, "z"], s, 8)),
        );
        all
    }),
    ("base64 of UTF-16", |s| {
        let wide = text(s).map(|text| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
        wide.map(|wide| {
            [["", ""], ["x", "z"], ["xy", ""]]
                .into_iter()
                .flat_map(|a| digits(STANDARD, 6, a, &wide, 4))
                .collect()
        })
        .unwrap_or_default()
    }),
    ("colours or a space between", |s| {
        let mut all = between(s, " ");
        for colors in ["\x1b[0m", "\x1b[1;38;2;255;128;0m\x1b[K", "\x1b(B\x1b[m"] {
            all.extend(between(s, colors));
        }
        all
    }),
];

/// What comes out when the bytes come in pieces that end at these places.
fn masked(masker: &Masker, bytes: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut stream = masker.stream();
    let (mut out, mut from) = (Vec::new(), 0);
    for &cut in cuts.iter().chain([&bytes.len()]) {
        out.extend(stream.push(&bytes[from..cut]));
        from = cut;
    }
    out.extend(stream.finish());
    out
}

fn hit(out: &[u8], coded: &[u8], blank: &[u8]) -> bool {
    let within = |bytes: &[u8], window: &[u8]| bytes.windows(HIT).any(|other| other == window);
    coded.windows(HIT).any(|window| within(out, window) && !within(blank, window))
}

/// A coding of nothing but the white space of a canary, which is no secret.
fn blank(canary: &[u8], coding: Coding) -> Vec<u8> {
    let mut hollow: Vec<u8> =
        canary.iter().map(|byte| if byte.is_ascii_whitespace() { *byte } else { b'~' }).collect();
    hollow.dedup_by(|byte, before| *byte == b'~' && *before == b'~');
    let coded = if hollow.len() > 1 { coding(&hollow) } else { Vec::new() };
    coded.into_iter().flat_map(Printed::into_bytes).collect()
}

/// Looks at every coding of a canary, cut at every place or at every few; how often it looked.
fn look(canary: &[u8], maskers: &[(&str, &Masker)]) -> usize {
    let mut looks = 0;
    for (name, coding) in CODINGS {
        let blank = blank(canary, coding);
        for printed in coding(canary) {
            let coded = printed.coded.clone();
            let bytes = [&b"pre <"[..], &printed.into_bytes(), b"> post\n"].concat();
            let every = if full() { 1 } else { bytes.len().div_ceil(16) };
            for (which, masker) in maskers {
                for cut in (0..bytes.len()).step_by(every) {
                    let out = masked(masker, &bytes, &[cut]);
                    assert!(
                        !hit(&out, &coded, &blank),
                        "{name} of {}, {which}, cut at {cut}: {} comes out as {}",
                        canary.escape_ascii(),
                        bytes.escape_ascii(),
                        out.escape_ascii()
                    );
                    assert!(out.starts_with(b"pre <") && out.ends_with(b"> post\n"), "{name} around it");
                    looks += 1;
                }
            }
        }
    }
    looks
}

#[test]
fn no_coding_of_any_canary_comes_out() {
    let all = Masker::new(CANARIES.map(<[u8]>::to_vec));
    let looks: usize = CANARIES
        .iter()
        .map(|canary| look(canary, &[("alone", &Masker::new([canary.to_vec()])), ("with others", &all)]))
        .sum();
    println!("{} codings, {} canaries, {looks} times looked", CODINGS.len(), CANARIES.len());
}

/// Without this, a coding that hides its secret from this test would look masked.
#[test]
fn every_coding_is_seen_where_nothing_is_masked() {
    for (name, coding) in CODINGS {
        let seen = CANARIES.iter().flat_map(|canary| coding(canary)).filter(|printed| {
            let bytes = [&printed.before[..], &printed.coded, &printed.after].concat();
            hit(&masked(&Masker::none(), &bytes, &[]), &printed.coded, b"")
        });
        assert!(seen.count() >= 15, "{name}");
    }
}
