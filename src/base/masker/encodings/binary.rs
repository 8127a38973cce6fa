//! Codings of bytes: base64, base32, hexadecimal.

use crate::base::masker::seen::BEFORE_WRAP;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

/// Base64 in both alphabets, at all three alignments, padded or not, in one piece or wrapped.
pub(super) fn base64(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for alphabet in [STANDARD, URL] {
        let exact = digits(alphabet, 6, bytes);
        let padding = exact.len().next_multiple_of(4) - exact.len();
        for width in [64, 76] {
            if exact.len() > width {
                found.extend(exact.chunks(width).map(<[u8]>::to_vec));
            }
        }
        found.push([&exact[..], &b"=="[..padding]].concat());
        found.push(exact);
        found.extend((0..3).map(|before| core(alphabet, 6, before, bytes)));
    }
    found
}

/// What is left on the second line of base64 that is wrapped right behind its first digits: too few
/// for the search to see that the lines belong together.
pub(super) fn wrapped_early(bytes: &[u8]) -> Vec<Vec<u8>> {
    let cores = [STANDARD, URL].into_iter().flat_map(|alphabet| (0..3).map(move |before| (alphabet, before)));
    let cores = cores.map(|(alphabet, before)| core(alphabet, 6, before, bytes));
    cores
        .flat_map(|core| (1..BEFORE_WRAP).filter_map(move |first| Some(core.get(first..)?.to_vec())))
        .collect()
}

/// Base64 of base64 and of UTF-16, base32, and hexadecimal in its usual spellings.
pub(super) fn others(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for alphabet in [STANDARD, URL] {
        for inner in (0..3).map(|before| core(alphabet, 6, before, bytes)) {
            found.extend((0..3).map(|before| core(STANDARD, 6, before, &inner)));
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        found.extend((0..3).map(|before| core(STANDARD, 6, before, &utf16)));
    }
    let exact = digits(BASE32, 5, bytes);
    let padding = exact.len().next_multiple_of(8) - exact.len();
    found.push([&exact[..], &b"======"[..padding]].concat());
    found.extend((0..5).map(|before| core(BASE32, 5, before, bytes)));
    for alphabet in [LOWER, UPPER] {
        let pairs: Vec<Vec<u8>> = bytes.iter().map(|&byte| digits(alphabet, 4, &[byte])).collect();
        found.push(pairs.concat());
        for between in [&b" "[..], b":", b"\\x"] {
            found.push(pairs.join(between));
        }
    }
    found
}

/// The digits that depend on nothing but `bytes` when `before` other bytes come first, and any after.
fn core(alphabet: &[u8], bits: usize, before: usize, bytes: &[u8]) -> Vec<u8> {
    let all = digits(alphabet, bits, &[&[0; 4][..before], bytes].concat());
    let first = (before * 8).div_ceil(bits);
    let last = (before + bytes.len()) * 8 / bits;
    all.get(first..last).unwrap_or_default().to_vec()
}

/// Writes bytes as digits of a few bits each, the last one filled up with zeros.
fn digits(alphabet: &[u8], bits: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 8 / bits + 1);
    let (mut waiting, mut count) = (0usize, 0);
    let mask = (1 << bits) - 1;
    for &byte in bytes {
        waiting = (waiting << 8 | usize::from(byte)) & 0xffff;
        count += 8;
        while count >= bits {
            count -= bits;
            out.push(alphabet[waiting >> count & mask]);
        }
    }
    if count > 0 {
        out.push(alphabet[waiting << (bits - count) & mask]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn digits_are_those_of_the_rfc() {
        for (plain, base64, base32, base16) in [
            ("f", "Zg", "MY", "66"),
            ("fo", "Zm8", "MZXQ", "666F"),
            ("foo", "Zm9v", "MZXW6", "666F6F"),
            ("foob", "Zm9vYg", "MZXW6YQ", "666F6F62"),
            ("foobar", "Zm9vYmFy", "MZXW6YTBOI", "666F6F626172"),
        ] {
            assert_eq!(text(digits(STANDARD, 6, plain.as_bytes())), base64);
            assert_eq!(text(digits(BASE32, 5, plain.as_bytes())), base32);
            assert_eq!(text(digits(UPPER, 4, plain.as_bytes())), base16);
        }
    }

    #[test]
    fn a_core_is_found_whatever_stands_around() {
        let secret = b"pa55word!";
        for (alphabet, bits) in [(&STANDARD[..], 6), (&BASE32[..], 5)] {
            for before in 0..12usize {
                for after in 0..6 {
                    let whole = [vec![b'u'; before], secret.to_vec(), vec![b'\n'; after]].concat();
                    let coded = text(digits(alphabet, bits, &whole));
                    let core = text(core(alphabet, bits, before % (if bits == 6 { 3 } else { 5 }), secret));
                    assert!(coded.contains(&core), "{before} {after}: {core} in {coded}");
                }
            }
        }
    }
}
