//! One header block of a tar archive, read strictly: what other readers take in different ways is an
//! error here.
//!
//! Pure. Knows the formats ustar (POSIX, also pax) and that of GNU; the one before both, without
//! any magic, is not accepted.
//!
//! # Source
//! POSIX.1-2017, `pax`, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".

use std::ops::Range;

/// Everything in an archive comes in blocks of this size.
pub(super) const BLOCK: usize = 512;

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) format: Format,
    pub(super) kind: Kind,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) mtime: u64,
}

/// Which rules the rest of the header follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Ustar,
    Gnu,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    HardLink,
    Link,
    Directory,
    /// The name of the next entry.
    LongName,
    /// The link target of the next entry.
    LongLink,
    /// More about the next entry.
    Pax,
    /// More about all that follow.
    PaxGlobal,
}

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const PREFIX: Range<usize> = 345..500;
const PADDING: Range<usize> = 500..512;

/// Reads a header that is not all zeros.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(block: &[u8; BLOCK]) -> Result<Header, &'static str> {
    let field = |range: Range<usize>| block.get(range).unwrap_or_default();
    let sum = block.iter().enumerate().map(|(at, &byte)| if CHECKSUM.contains(&at) { b' ' } else { byte });
    if octal(field(CHECKSUM)) != Some(sum.map(u64::from).sum()) {
        return Err("has a wrong checksum");
    }
    let format = match field(MAGIC) {
        b"ustar\x0000" => Format::Ustar,
        b"ustar  \0" => Format::Gnu,
        _ => return Err("is of a format that is neither POSIX's nor GNU's"),
    };
    let kind = kind(block.get(KIND).copied().unwrap_or_default())?;
    let mut name = text(field(NAME)).ok_or("has a name with something after its end")?.to_vec();
    let beyond = || field(PREFIX).iter().chain(field(PADDING));
    match format {
        Format::Ustar => {
            let prefix = text(field(PREFIX)).ok_or("has a name with something after its end")?;
            if !prefix.is_empty() {
                name = [prefix, b"/", &name].concat();
            }
        }
        // Some readers take this area for the beginning of the name, some for the map of a sparse file.
        Format::Gnu if beyond().any(|&byte| byte != 0) => {
            return Err("uses fields that only some programs read");
        }
        Format::Gnu => {}
    }
    let number = |range| number(field(range), format);
    Ok(Header {
        format,
        kind,
        name,
        link: text(field(LINK)).ok_or("has a link target with something after its end")?.to_vec(),
        size: number(SIZE).ok_or("has a size that is no number")?,
        mode: number(MODE)
            .and_then(|mode| u32::try_from(mode).ok())
            .filter(|mode| *mode <= 0o177_777)
            .ok_or("has a mode that is none")?,
        mtime: number(MTIME).ok_or("has a time that is no number, or before 1970")?,
    })
}

fn kind(flag: u8) -> Result<Kind, &'static str> {
    Ok(match flag {
        b'0' | 0 => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Link,
        b'5' => Kind::Directory,
        b'L' => Kind::LongName,
        b'K' => Kind::LongLink,
        b'x' => Kind::Pax,
        b'g' => Kind::PaxGlobal,
        b'3' | b'4' => return Err("is a device"),
        b'6' => return Err("is a pipe"),
        b'S' => return Err("is a sparse file"),
        _ => return Err("is of a kind that is not known"),
    })
}

/// Text up to the first zero byte, when nothing but zeros follows.
fn text(field: &[u8]) -> Option<&[u8]> {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at_checked(end)?;
    rest.iter().all(|&byte| byte == 0).then_some(text)
}

fn number(field: &[u8], format: Format) -> Option<u64> {
    match field.split_first() {
        Some((0x80, digits)) if format == Format::Gnu => {
            let (high, low) = digits.split_at_checked(digits.len().checked_sub(8)?)?;
            let number = u64::from_be_bytes(low.try_into().ok()?);
            // Beyond this, some read a negative number.
            (high.iter().all(|&byte| byte == 0) && number <= i64::MAX.unsigned_abs()).then_some(number)
        }
        _ => octal(field),
    }
}

/// Octal digits, with spaces before and spaces or zeros after them.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|&byte| byte != b' ')?;
    let field = field.get(start..)?;
    let end = field.iter().position(|byte| !(b'0'..=b'7').contains(byte)).unwrap_or(field.len());
    let (digits, rest) = field.split_at_checked(end)?;
    if !rest.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}
