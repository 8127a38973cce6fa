//! The git index, read: which paths are tracked, and what git remembers of each.
//!
//! Pure: it is given bytes. Read here and not by libgit2, which takes several times as long and does
//! not tell the cached tree, without which every capture would have to compare the index with the
//! commit entry by entry. It never writes an index.

use std::ops::Range;

/// A git index.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: Vec<Tracked>,
    paths: Vec<u8>,
    /// The tree that the index would write, when it knows.
    pub(super) tree: Option<[u8; OID]>,
}

/// What the index remembers of a path.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    path: Range<usize>,
    /// Seconds and nanoseconds; the latter are 0 when git did not keep them.
    pub(super) mtime: (u32, u32),
    /// The lower 32 bits; 0 when git asks to look at the content.
    pub(super) size: u32,
    pub(super) mode: u32,
    pub(super) oid: [u8; OID],
    /// One side of an unresolved merge.
    pub(super) conflicted: bool,
    /// Known to be added, content not yet.
    pub(super) intended: bool,
    /// Not to be looked at: `assume-unchanged`, `skip-worktree`.
    pub(super) unwatched: bool,
}

const OID: usize = 20;
const GITLINK: u32 = 0o160_000;

/// Why an index could not be read, and what to do.
pub(super) type Problem = (&'static str, &'static str);

const DAMAGED: Problem = ("is damaged", "let git write it anew: git reset");

impl Index {
    /// Reads an index of version 2, 3 or 4.
    ///
    /// # Errors
    /// When it is damaged, split or sparse.
    pub(super) fn parse(data: &[u8]) -> Result<Self, Problem> {
        let body = data.len().checked_sub(OID).and_then(|end| data.get(..end)).ok_or(DAMAGED)?;
        let mut reader = Reader { body, at: 0 };
        if reader.take(4)? != b"DIRC" {
            return Err(DAMAGED);
        }
        let version = reader.number()?;
        if !(2..=4).contains(&version) {
            return Err((
                "has a version that is not known",
                "let git write an older one: git update-index --index-version 2",
            ));
        }
        let count = reader.number()? as usize;
        // An entry takes more than 62 bytes, so that a lie about their number cannot ask for memory.
        let mut index = Self { entries: Vec::with_capacity(count.min(body.len() / 62)), ..Self::default() };
        index.paths.reserve(body.len() / 2);
        for _ in 0..count {
            let entry = index.entry(&mut reader, version)?;
            index.entries.push(entry);
        }
        index.extensions(&mut reader)?;
        let ordered = index.entries.is_sorted_by(|a, b| index.path(a) <= index.path(b));
        if ordered { Ok(index) } else { Err(DAMAGED) }
    }

    fn entry(&mut self, reader: &mut Reader<'_>, version: u32) -> Result<Tracked, Problem> {
        let start = reader.at;
        reader.take(8)?;
        let mtime = (reader.number()?, reader.number()?);
        reader.take(8)?;
        let mode = reader.number()?;
        reader.take(8)?;
        let size = reader.number()?;
        let oid = reader.take(OID)?.try_into().map_err(|_| DAMAGED)?;
        let flags = reader.short()?;
        let extended = if flags & 0x4000 != 0 && version >= 3 { reader.short()? } else { 0 };
        let begin = self.paths.len();
        if version == 4 {
            let previous = self.entries.last().map_or(0..0, |entry| entry.path.clone());
            let kept = previous.len().checked_sub(reader.varint()?).ok_or(DAMAGED)?;
            self.paths.extend_from_within(previous.start..previous.start + kept);
            self.paths.extend_from_slice(reader.text()?);
        } else {
            self.paths.extend_from_slice(reader.text()?);
            let padded = (reader.at - start - 1) / 8 * 8 + 8;
            reader.take(start + padded - reader.at)?;
        }
        Ok(Tracked {
            path: begin..self.paths.len(),
            mtime,
            size,
            mode,
            oid,
            conflicted: flags & 0x3000 != 0,
            intended: extended & 0x2000 != 0,
            unwatched: flags & 0x8000 != 0 || extended & 0x4000 != 0,
        })
    }

    fn extensions(&mut self, reader: &mut Reader<'_>) -> Result<(), Problem> {
        while reader.at < reader.body.len() {
            let name = reader.take(4)?;
            let length = reader.number()? as usize;
            let data = reader.take(length)?;
            match name {
                b"TREE" => self.tree = root_tree(data),
                b"link" => {
                    return Err(("is split in two files", "join them: git update-index --no-split-index"));
                }
                b"sdir" => {
                    return Err(("is sparse", "make it full: git sparse-checkout reapply --no-sparse-index"));
                }
                [b'A'..=b'Z', ..] => {}
                _ => return Err(("has a part that is not known", "let git write it anew: git reset")),
            }
        }
        Ok(())
    }

    /// The path of an entry.
    pub(super) fn path(&self, entry: &Tracked) -> &[u8] {
        self.paths.get(entry.path.clone()).unwrap_or_default()
    }

    /// All entries, in the order of their paths.
    pub(super) fn entries(&self) -> &[Tracked] {
        &self.entries
    }

    /// The entry with a path, within a range of entries, and its number.
    pub(super) fn find(&self, within: &Range<usize>, path: &[u8]) -> Option<(usize, &Tracked)> {
        let at = within.start + self.before(within, |entry| entry < path);
        self.entries
            .get(at)
            .filter(|entry| within.contains(&at) && self.path(entry) == path)
            .map(|entry| (at, entry))
    }

    /// The entries beneath a directory, whose path ends with a slash, within a range.
    pub(super) fn beneath(&self, within: &Range<usize>, directory: &[u8]) -> Range<usize> {
        let start = within.start + self.before(within, |entry| entry < directory);
        let end = start + self.before(&(start..within.end), |entry| entry.starts_with(directory));
        start..end
    }

    fn before(&self, within: &Range<usize>, pred: impl Fn(&[u8]) -> bool) -> usize {
        let entries = self.entries.get(within.clone()).unwrap_or_default();
        entries.partition_point(|entry| pred(self.path(entry)))
    }
}

impl Tracked {
    /// Whether it stands for a submodule's commit.
    pub(super) fn is_submodule(&self) -> bool {
        self.mode == GITLINK
    }

    /// Whether it is a symbolic link.
    pub(super) fn is_symlink(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }
}

/// The root of the cached trees: an empty name, the number of entries (negative when it is no longer
/// true), the number of subtrees, and the tree.
fn root_tree(data: &[u8]) -> Option<[u8; OID]> {
    let rest = data.strip_prefix(b"\0")?;
    let line = rest.iter().position(|&byte| byte == b'\n')?;
    (*rest.first()? != b'-').then_some(())?;
    rest.get(line + 1..line + 1 + OID)?.try_into().ok()
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let end = self.at.checked_add(length).ok_or(DAMAGED)?;
        let taken = self.body.get(self.at..end).ok_or(DAMAGED)?;
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Problem> {
        self.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| DAMAGED)
    }

    fn short(&mut self) -> Result<u16, Problem> {
        self.take(2)?.try_into().map(u16::from_be_bytes).map_err(|_| DAMAGED)
    }

    /// Up to a NUL, which is taken too.
    fn text(&mut self) -> Result<&'a [u8], Problem> {
        let rest = self.body.get(self.at..).ok_or(DAMAGED)?;
        let length = rest.iter().position(|&byte| byte == 0).ok_or(DAMAGED)?;
        let text = self.take(length)?;
        self.take(1)?;
        Ok(text)
    }

    fn varint(&mut self) -> Result<usize, Problem> {
        let mut value = 0usize;
        loop {
            let byte = self.take(1)?.first().copied().ok_or(DAMAGED)?;
            value = value
                .checked_mul(128)
                .and_then(|value| value.checked_add(usize::from(byte & 127)))
                .ok_or(DAMAGED)?;
            if byte & 128 == 0 {
                return Ok(value);
            }
            value = value.checked_add(1).ok_or(DAMAGED)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: usize = 12;

    #[test]
    fn broken_bytes_are_an_error_and_never_a_panic() {
        let mut whole = b"DIRC\0\0\0\x02\0\0\0\x01".to_vec();
        whole.extend([0; 60]);
        whole.extend([0, 1]);
        whole.extend(b"a\0\0\0\0\0\0\0\0\0");
        whole.truncate(HEADER + 64);
        whole.extend([0; OID]);
        assert!(Index::parse(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(Index::parse(&whole[..end]).is_err(), "{end}");
        }
        for at in 0..HEADER {
            let mut bent = whole.clone();
            bent[at] ^= 0xff;
            assert!(Index::parse(&bent).is_err(), "{at}");
        }
    }
}
