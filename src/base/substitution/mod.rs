//! Values put in the place of `${name}` in a stream of bytes (language L30).
//!
//! Pure, and never holds more than the longest placeholder, whatever pieces the stream comes in. Bytes that are no
//! UTF-8 pass through. The helper has a copy compiled in, so it uses nothing but `std`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};

/// Bytes between the braces of a placeholder, at most.
pub const LONGEST: usize = 255;
const PIECE: usize = 64 << 10;

/// What names stand for. Nothing that formats it shows a value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<Vec<u8>, Vec<u8>>);

impl Values {
    fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

impl<N: Into<Vec<u8>>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Values {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(|name| String::from_utf8_lossy(name))).finish()
    }
}

/// How far into a placeholder the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In none.
    Text,
    /// Behind `$`.
    Dollar,
    /// Behind `${`, and this many `%`.
    Front(usize),
    /// In the name, with this many `%` to come after it.
    Name(usize),
    /// Behind the name, with this many `%` to come still.
    Back(usize),
}

/// Puts values in their places, piece by piece.
///
/// `${name}` is its value, and stays as it is where there is none. `${%name%}` is `${name}`, and each further `%` on both
/// sides stays: `${%%name%%}` is `${%name%}`. A name has letters, digits and `_`, and does not begin with a digit.
#[derive(Debug)]
pub struct Replacer<'v> {
    values: &'v Values,
    at: At,
    /// The beginning of what may still become a placeholder.
    held: Vec<u8>,
    changed: bool,
}

impl<'v> Replacer<'v> {
    /// At the beginning of a stream.
    pub fn new(values: &'v Values) -> Self {
        Self { values, at: At::Text, held: Vec::with_capacity(LONGEST + 2), changed: false }
    }

    /// Whether anything was put in the place of something so far.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// Takes the next piece, and writes what is known of it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn push(&mut self, mut piece: &[u8], to: &mut impl Write) -> io::Result<()> {
        loop {
            if self.at == At::Text {
                let text = piece.iter().position(|&byte| byte == b'$').unwrap_or(piece.len());
                let (text, rest) = piece.split_at(text);
                to.write_all(text)?;
                piece = rest;
            }
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            if self.is_end(byte) {
                self.complete(to)?;
            } else if let Some(at) = self.next(byte) {
                self.held.push(byte);
                self.at = at;
            } else {
                // It may begin another one, so it is looked at once more.
                self.release(to)?;
                continue;
            }
            piece = rest;
        }
    }

    /// Ends the stream: what was held back is text. Whether anything was put in the place of something.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self, to: &mut impl Write) -> io::Result<bool> {
        self.release(to)?;
        Ok(self.changed)
    }

    fn is_end(&self, byte: u8) -> bool {
        byte == b'}' && matches!(self.at, At::Name(0) | At::Back(0))
    }

    /// Where a byte leads to, if what was held may still become a placeholder with it.
    fn next(&self, byte: u8) -> Option<At> {
        let within = self.held.len() < LONGEST + 2;
        let first = byte.is_ascii_alphabetic() || byte == b'_';
        match (self.at, byte) {
            (At::Text, b'$') => Some(At::Dollar),
            (At::Dollar, b'{') => Some(At::Front(0)),
            (At::Front(percents), b'%') if within => Some(At::Front(percents + 1)),
            (At::Front(percents), _) if within && first => Some(At::Name(percents)),
            (At::Name(percents), _) if within && (first || byte.is_ascii_digit()) => Some(At::Name(percents)),
            (At::Name(percents) | At::Back(percents), b'%') if within => {
                percents.checked_sub(1).map(At::Back)
            }
            _ => None,
        }
    }

    fn complete(&mut self, to: &mut impl Write) -> io::Result<()> {
        let inner = self.held.get(2..).unwrap_or_default();
        let literal = inner.strip_prefix(b"%").and_then(|rest| rest.strip_suffix(b"%"));
        match (literal, self.values.get(inner)) {
            (Some(literal), _) => [b"${", literal, b"}"].iter().try_for_each(|part| to.write_all(part))?,
            (None, Some(value)) => to.write_all(value)?,
            (None, None) => {
                self.release(to)?;
                return to.write_all(b"}");
            }
        }
        self.changed = true;
        self.held.clear();
        self.at = At::Text;
        Ok(())
    }

    fn release(&mut self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.held)?;
        self.held.clear();
        self.at = At::Text;
        Ok(())
    }
}

/// Copies a stream with values in their places; whether anything was put in the place of something.
///
/// # Errors
/// Those of the reader and the writer.
pub fn copy(from: &mut impl Read, to: &mut impl Write, values: &Values) -> io::Result<bool> {
    let (mut replacer, mut buffer) = (Replacer::new(values), vec![0; PIECE]);
    while let Some(piece) = read(from, &mut buffer)? {
        replacer.push(piece, to)?;
    }
    replacer.finish(to)
}

/// Whether a copy would differ; reads as far as it has to.
///
/// # Errors
/// Those of the reader.
pub fn concerns(from: &mut impl Read, values: &Values) -> io::Result<bool> {
    let (mut replacer, mut buffer) = (Replacer::new(values), vec![0; PIECE]);
    while let Some(piece) = read(from, &mut buffer)? {
        replacer.push(piece, &mut io::sink())?;
        if replacer.has_changed() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The next bytes; none at the end.
fn read<'b>(from: &mut impl Read, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(count) => return Ok(buffer.get(..count).filter(|piece| !piece.is_empty())),
        }
    }
}

#[cfg(test)]
mod tests;
