//! The entries of a tar stream, each put together from all the headers that speak of it.
//!
//! Never looks at the file system. Where two headers say different things of one entry, where one
//! comes twice, or where anything follows the end, it is an error: other programs would each pick
//! something else.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use super::error::{ArchiveError, Place};
use super::header::{self, BLOCK, Format, Header, Kind};
use super::{Limits, pax};

/// What a pax header may take, in bytes.
const LONGEST_PAX: u64 = 64 << 10;
/// How many zeros may follow the end: programs fill up a record, of 10 KiB as a rule.
const LONGEST_END: usize = 1 << 20;

/// One entry; its content is still to be read.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
    pub(super) mode: u32,
    pub(super) mtime: u64,
}

/// Reads entries one after another.
pub(super) struct Entries<'a, R> {
    stream: R,
    limits: &'a Limits,
    place: Place,
}

/// What came before an entry's own header.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<pax::Records>,
}

impl<'a, R: Read> Entries<'a, R> {
    pub(super) fn new(stream: R, limits: &'a Limits) -> Self {
        Self { stream, limits, place: Place::default() }
    }

    /// The next entry; the content of the one before must have been read.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let mut before = Before::default();
        loop {
            let Some(header) = self.header()? else {
                let nothing = before.name.is_none() && before.link.is_none() && before.pax.is_none();
                return if nothing { Ok(None) } else { Err(self.refused("says something of nothing")) };
            };
            match header.kind {
                Kind::LongName => {
                    let name = self.long(&header)?;
                    self.once(before.name.replace(name).is_none())?;
                }
                Kind::LongLink => {
                    let link = self.long(&header)?;
                    self.once(before.link.replace(link).is_none())?;
                }
                Kind::Pax => {
                    let records = self.pax(&header)?;
                    self.once(before.pax.replace(records).is_none())?;
                }
                Kind::PaxGlobal => {
                    // `git archive` writes one, with a comment.
                    if self.pax(&header)? != pax::Records::default() {
                        return Err(self.refused("renames all that follow"));
                    }
                }
                Kind::File | Kind::HardLink | Kind::Link | Kind::Directory => {
                    return self.whole(header, before).map(Some);
                }
            }
        }
    }

    /// Writes the content of an entry to `to`.
    pub(super) fn content(&mut self, entry: &Entry, to: &mut impl Write) -> Result<(), ArchiveError> {
        let mut left = entry.size;
        let mut buffer = [0; 16 << 10];
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let piece = buffer.get_mut(..want).unwrap_or_default();
            self.fill(piece)?;
            to.write_all(piece).map_err(|source| ArchiveError::Write {
                operation: "write the file",
                entry: entry.place.clone(),
                source,
            })?;
            left -= want as u64;
        }
        self.skip_padding(entry.size)
    }

    pub(super) fn refused(&self, problem: &'static str) -> ArchiveError {
        ArchiveError::Refused { entry: self.place.clone(), problem }
    }

    pub(super) fn too_much(&self, limit: u64, unit: &'static str) -> ArchiveError {
        ArchiveError::TooMuch { entry: self.place.clone(), limit, unit }
    }

    /// Leaves the content of an entry out, and says at which byte of the stream it begins.
    pub(super) fn skip(&mut self, entry: &Entry) -> Result<u64, ArchiveError>
    where
        R: Seek,
    {
        let begin = self.stream.stream_position().map_err(|source| self.unread(source))?;
        let blocks = entry.size.div_ceil(BLOCK as u64);
        let end = blocks.checked_mul(BLOCK as u64).and_then(|length| begin.checked_add(length));
        let end = end.ok_or_else(|| self.refused("has a size that no file has"))?;
        self.stream.seek(SeekFrom::Start(end)).map_err(|source| self.unread(source))?;
        Ok(begin)
    }

    /// The next header; none at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, ArchiveError> {
        self.place = Place { number: self.place.number + 1, name: Vec::new() };
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        if block == [0; BLOCK] {
            self.fill(&mut block)?;
            return if block == [0; BLOCK] { self.end().map(|()| None) } else { Err(self.after_end()) };
        }
        if self.place.number > self.limits.entries {
            return Err(self.too_much(self.limits.entries, "entries"));
        }
        let header = header::read(&block).map_err(|problem| self.refused(problem))?;
        self.place.name.clone_from(&header.name);
        Ok(Some(header))
    }

    /// Makes sure that nothing follows: some would read on.
    fn end(&mut self) -> Result<(), ArchiveError> {
        let mut buffer = [0; 16 << 10];
        let mut seen = 0;
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    seen += count;
                    let zeros = buffer.get(..count).unwrap_or_default().iter().all(|&byte| byte == 0);
                    if !zeros || seen > LONGEST_END {
                        return Err(self.after_end());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(self.unread(source)),
            }
        }
    }

    fn after_end(&self) -> ArchiveError {
        self.refused("comes after the end")
    }

    /// Puts what was said of an entry together.
    fn whole(&mut self, header: Header, before: Before) -> Result<Entry, ArchiveError> {
        let pax = before.pax.as_ref();
        let gnu = before.name.is_some() || before.link.is_some();
        let right = if gnu { Format::Gnu } else { Format::Ustar };
        if gnu && pax.is_some() || (gnu || pax.is_some()) && header.format != right {
            return Err(self.refused("mixes headers of two formats"));
        }
        if pax.and_then(|pax| pax.size).is_some_and(|size| size != header.size) {
            return Err(self.refused("has two sizes"));
        }
        let pax = before.pax.unwrap_or_default();
        let name = before.name.or(pax.name).unwrap_or(header.name);
        let linked = before.link.is_some() || pax.link.is_some() || !header.link.is_empty();
        self.place.name.clone_from(&name);
        let link = before.link.or(pax.link).unwrap_or(header.link);
        let is_link = matches!(header.kind, Kind::HardLink | Kind::Link);
        if linked != is_link {
            return Err(self.refused("has a link target and is no link, or the other way round"));
        }
        if header.kind != Kind::File && header.size != 0 {
            return Err(self.refused("is no file and has content all the same"));
        }
        if header.kind != Kind::Directory && name.ends_with(b"/") {
            return Err(self.refused("is named like a directory and is none"));
        }
        let (kind, size, mode) = (header.kind, header.size, header.mode);
        let mtime = pax.mtime.unwrap_or(header.mtime);
        Ok(Entry { place: self.place.clone(), kind, name, link, size, mode, mtime })
    }

    /// The content of a long name: text and one zero byte.
    fn long(&mut self, header: &Header) -> Result<Vec<u8>, ArchiveError> {
        if header.format != Format::Gnu {
            return Err(self.refused("mixes headers of two formats"));
        }
        let mut text = self.small(header.size, self.limits.path as u64)?;
        match text.pop() {
            Some(0) if !text.is_empty() && !text.contains(&0) => Ok(text),
            _ => Err(self.refused("is a long name that is malformed")),
        }
    }

    fn pax(&mut self, header: &Header) -> Result<pax::Records, ArchiveError> {
        if header.format != Format::Ustar {
            return Err(self.refused("mixes headers of two formats"));
        }
        let text = self.small(header.size, LONGEST_PAX)?;
        pax::read(&text).map_err(|problem| self.refused(problem))
    }

    /// Content that is about another entry.
    fn small(&mut self, size: u64, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let length = usize::try_from(size).ok().filter(|_| size <= limit);
        let mut content = vec![0; length.ok_or_else(|| self.too_much(limit, "bytes in a header"))?];
        self.fill(&mut content)?;
        self.skip_padding(size)?;
        Ok(content)
    }

    fn skip_padding(&mut self, size: u64) -> Result<(), ArchiveError> {
        let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        let mut padding = [0; BLOCK];
        let rest = if over == 0 { 0 } else { BLOCK - over };
        self.fill(padding.get_mut(..rest).unwrap_or_default())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(ArchiveError::CutOff { entry: self.place.clone() })
            }
            Err(source) => Err(self.unread(source)),
        }
    }

    fn unread(&self, source: io::Error) -> ArchiveError {
        ArchiveError::Read { entry: self.place.clone(), source }
    }

    fn once(&self, first: bool) -> Result<(), ArchiveError> {
        if first { Ok(()) } else { Err(self.refused("says the same thing twice of one entry")) }
    }
}
