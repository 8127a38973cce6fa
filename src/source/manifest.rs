//! The manifest of a base, as bytes: the listing of the user's tree at the time it was copied, and
//! the marks of the object folders that were copied with it.
//!
//! Pure. A manifest that cannot be read is no error: the base is then made anew.

use super::listing::{Directory, Entry, Listing, Marks};
use super::objects::Stamps;

const MAGIC: &[u8] = b"windlass capture 1\n";

/// What a base holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) listing: Listing,
    pub(super) stamps: Stamps,
}

impl Manifest {
    /// As bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put(&mut out, self.listing.directories.len() as u64);
        for directory in &self.listing.directories {
            put_bytes(&mut out, &directory.path);
            put(&mut out, directory.mode.into());
            put_bytes(&mut out, &directory.names);
            put(&mut out, directory.entries.len() as u64);
            for entry in &directory.entries {
                put(&mut out, u64::from(entry.name.0) << 32 | u64::from(entry.name.1));
                put(&mut out, u64::from(entry.symlink) << 32 | u64::from(entry.mode));
                put_marks(&mut out, &entry.marks);
            }
        }
        put(&mut out, self.stamps.len() as u64);
        for (path, marks) in &self.stamps {
            put_bytes(&mut out, path);
            put_marks(&mut out, marks);
        }
        out
    }

    /// From bytes; none when they are not a whole manifest of this version.
    pub(super) fn decode(data: &[u8]) -> Option<Self> {
        let mut input = data.strip_prefix(MAGIC)?;
        let mut manifest = Self::default();
        for _ in 0..take(&mut input)? {
            let path = take_bytes(&mut input)?.to_owned();
            let mode = u32::try_from(take(&mut input)?).ok()?;
            let names = take_bytes(&mut input)?.to_owned();
            let count = usize::try_from(take(&mut input)?).ok()?;
            let mut entries = Vec::with_capacity(count.min(input.len()));
            for _ in 0..count {
                let name = halves(take(&mut input)?);
                let (symlink, mode) = halves(take(&mut input)?);
                let marks = take_marks(&mut input)?;
                entries.push(Entry { name, symlink: symlink == 1, mode, marks });
            }
            manifest.listing.directories.push(Directory { path, mode, names, entries });
        }
        for _ in 0..take(&mut input)? {
            let path = take_bytes(&mut input)?.to_owned();
            manifest.stamps.insert(path, take_marks(&mut input)?);
        }
        input.is_empty().then_some(manifest)
    }
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_marks(out: &mut Vec<u8>, marks: &Marks) {
    put(out, marks.size);
    put(out, marks.mtime.cast_unsigned());
    put(out, marks.ctime.cast_unsigned());
    put(out, marks.inode);
}

fn take(input: &mut &[u8]) -> Option<u64> {
    let (number, rest) = input.split_first_chunk::<8>()?;
    *input = rest;
    Some(u64::from_le_bytes(*number))
}

fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(input)?).ok()?;
    let (bytes, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(bytes)
}

fn take_marks(input: &mut &[u8]) -> Option<Marks> {
    Some(Marks {
        size: take(input)?,
        mtime: take(input)?.cast_signed(),
        ctime: take(input)?.cast_signed(),
        inode: take(input)?,
    })
}

/// The upper and the lower half of a number.
fn halves(number: u64) -> (u32, u32) {
    let lower = number & u64::from(u32::MAX);
    (u32::try_from(number >> 32).unwrap_or_default(), u32::try_from(lower).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_torn_ones_do_not() {
        let marks = Marks { size: 1 << 40, mtime: -5, ctime: i64::MAX, inode: 9 };
        let entry = Entry { name: (0, 2), symlink: true, mode: 0o777, marks };
        let directory = Directory {
            path: b"a/\xff\n".to_vec(),
            mode: 0o755,
            names: b"xy".to_vec(),
            entries: vec![entry],
        };
        let manifest = Manifest {
            listing: Listing { directories: vec![Directory::default(), directory] },
            stamps: [(b"/objects/aa".to_vec(), marks)].into(),
        };
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes).as_ref(), Some(&manifest));
        for end in 0..bytes.len() {
            assert_eq!(Manifest::decode(&bytes[..end]), None, "{end}");
        }
    }
}
