//! The fields of a frame: numbers in little endian, bytes behind their length, lists behind their count.

use super::{HEADER, Hidden, Malformed, Token};

/// Writes the payload of a frame.
pub(super) struct Encoder(pub(super) Vec<u8>);

impl Encoder {
    pub(super) fn frame(kind: u8) -> Self {
        Self(vec![kind, 0, 0, 0, 0])
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn list<T>(&mut self, items: &[T], encode: impl Fn(&mut Self, &T)) {
        self.u64(items.len() as u64);
        for item in items {
            encode(self, item);
        }
    }

    pub(super) fn option<T>(&mut self, item: Option<&T>, encode: impl Fn(&mut Self, &T)) {
        self.list(item.as_slice(), |out, item| encode(out, item));
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - HEADER).unwrap_or(u32::MAX);
        self.0[1..HEADER].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}

/// Reads the payload of a frame.
pub(super) struct Decoder<'a>(pub(super) &'a [u8]);

impl<'a> Decoder<'a> {
    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        let (number, rest) = self.0.split_first_chunk().ok_or(Malformed("too short"))?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*number))
    }

    pub(super) fn number(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.u64()?).map_err(|_| Malformed("a number out of range"))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u64()?).map_err(|_| Malformed("too long"))?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed("too short"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn token(&mut self) -> Result<Token, Malformed> {
        let (token, rest) = self.0.split_first_chunk().ok_or(Malformed("too short"))?;
        self.0 = rest;
        Ok(*token)
    }

    pub(super) fn secret(&mut self) -> Result<(String, Hidden), Malformed> {
        Ok((self.text()?, Hidden(self.bytes()?.to_vec())))
    }

    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed("text that is not UTF-8"))
    }

    pub(super) fn list<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.u64()?;
        // Every item takes at least its length, so a lie about the count ends at the payload's end.
        (0..count).map(|_| item(self)).collect()
    }

    pub(super) fn option<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        Ok(self.list(item)?.pop())
    }

    pub(super) fn end<T>(self, value: T) -> Result<T, Malformed> {
        if self.0.is_empty() { Ok(value) } else { Err(Malformed("too long")) }
    }
}
