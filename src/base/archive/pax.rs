//! The records of a pax header: `LENGTH KEY=VALUE\n`, one after another.
//!
//! Pure. Takes the name, the link target, the size and the time out of them, leaves out what says
//! nothing of the content (owners, attributes), and refuses what would change how it is read.
//!
//! # Source
//! POSIX.1-2017, `pax`, "pax Extended Header".

use std::collections::BTreeSet;

/// What a pax header says of the next entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) name: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Seconds since 1970.
    pub(super) mtime: Option<u64>,
}

/// Reads the records of a header.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(mut input: &[u8]) -> Result<Records, &'static str> {
    let mut records = Records::default();
    let mut keys = BTreeSet::new();
    while !input.is_empty() {
        let (key, value, rest) = record(input).ok_or("has a pax header that is malformed")?;
        input = rest;
        if !keys.insert(key) {
            return Err("has a pax header that says something twice");
        }
        match key {
            b"path" | b"linkpath" if value.is_empty() || value.contains(&0) => {
                return Err("has a pax header with a name that is empty or holds a zero byte");
            }
            b"path" => records.name = Some(value.to_vec()),
            b"linkpath" => records.link = Some(value.to_vec()),
            b"size" => {
                records.size = Some(decimal(value).ok_or("has a pax header with a size that is none")?);
            }
            b"mtime" => {
                records.mtime = Some(seconds(value).ok_or("has a pax header with a time that is none")?);
            }
            // Either of them leaves the bytes as they are.
            b"hdrcharset" if matches!(value, b"BINARY" | b"ISO-IR 10646 2000 UTF-8") => {}
            b"hdrcharset" | b"charset" => return Err("has a pax header in another character set"),
            b"SCHILY.realsize" | b"SCHILY.filetype" => return Err("is of a kind that is not known"),
            _ if key.starts_with(b"GNU.sparse.") => return Err("is a sparse file"),
            _ => {}
        }
    }
    Ok(records)
}

/// Takes off the first record: key, value and the rest.
fn record(input: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = input.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(input.get(..space)?)?).ok()?;
    let (record, rest) = input.split_at_checked(length)?;
    let text = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|&byte| byte == b'=')?;
    let (key, value) = (text.get(..equals)?, text.get(equals + 1..)?);
    // A blank at its beginning is left out by some.
    let plain = key.first().is_some_and(|first| !first.is_ascii_whitespace()) && !key.contains(&0);
    plain.then_some((key, value, rest))
}

/// A number as everybody writes it: no sign, no needless zero.
fn decimal(text: &[u8]) -> Option<u64> {
    let plain = text.iter().all(u8::is_ascii_digit) && (text == b"0" || !text.starts_with(b"0"));
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

/// The whole seconds of a time.
fn seconds(text: &[u8]) -> Option<u64> {
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let (whole, rest) = text.split_at_checked(point)?;
    rest.iter().skip(1).all(u8::is_ascii_digit).then(|| decimal(whole))?
}
