//! From entries to files, directories and links beneath a handle.
//!
//! Directories get their own mode at the very end, so that one that nobody may write to can be
//! filled first.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::Mode;
use rustix::io::Errno;

use super::entries::{Entries, Entry};
use super::error::{ArchiveError, Place};
use super::header::Kind;
use super::{Extracted, Limits, names};
use crate::base::safe_dir::SafeDir;

/// Set-user-id, set-group-id, sticky.
const SPECIAL: u32 = 0o7000;
/// What owner, group and others may do.
const RIGHTS: u32 = 0o777;
/// A directory that the archive has something in, and does not name.
const UNNAMED: u32 = 0o755;

/// Extracts a tar stream into an empty directory.
///
/// Permission bits are those of the archive; a directory's set-id and sticky bits are left out. The
/// owner is whoever calls. Modification times of files are kept, in whole seconds.
///
/// # Errors
/// [`ArchiveError`], which names the entry. What was extracted before it is left in the directory.
pub fn extract(archive: impl Read, into: &SafeDir, limits: &Limits) -> Result<Extracted, ArchiveError> {
    match into.read_dir(Path::new("")) {
        Ok(found) if found.is_empty() => {}
        Ok(_) => return Err(ArchiveError::NotEmpty),
        Err(source) => return Err(ArchiveError::List { source }),
    }
    let mut entries = Entries::new(archive, limits);
    let mut extraction = Extraction::new(into, limits);
    while let Some(entry) = entries.next()? {
        extraction.add(entry, &mut entries)?;
    }
    extraction.finish()
}

struct Extraction<'a> {
    into: &'a SafeDir,
    limits: &'a Limits,
    done: Extracted,
    /// Bytes of what the next two hold.
    kept: u64,
    directories: BTreeMap<PathBuf, (Place, u32)>,
    links: Vec<(PathBuf, Entry)>,
}

impl<'a> Extraction<'a> {
    fn new(into: &'a SafeDir, limits: &'a Limits) -> Self {
        let done = Extracted::default();
        Self { into, limits, done, kept: 0, directories: BTreeMap::new(), links: Vec::new() }
    }

    fn add<R: Read>(&mut self, entry: Entry, entries: &mut Entries<'_, R>) -> Result<(), ArchiveError> {
        let refused = |problem| ArchiveError::Refused { entry: entry.place.clone(), problem };
        let path = names::inside(&entry.name, self.limits).map_err(refused)?;
        if path.as_os_str().is_empty() && entry.kind != Kind::Directory {
            return Err(refused("is the directory itself, and is none"));
        }
        self.done.entries += 1;
        match entry.kind {
            Kind::File if entry.mode & SPECIAL != 0 => {
                Err(refused("has a set-user-id, set-group-id or sticky bit"))
            }
            Kind::File => {
                self.done.bytes = self.done.bytes.saturating_add(entry.size);
                if self.done.bytes > self.limits.bytes {
                    return Err(entries.too_much(self.limits.bytes, "bytes"));
                }
                self.file(&path, &entry, entries)
            }
            Kind::Directory => {
                self.keep(&entry, entries)?;
                let above = path.parent().unwrap_or(Path::new(""));
                let made = self.into.create_dir_all(above, UNNAMED);
                let made = made.and_then(|_| self.into.create_dir_all(&path, 0o700));
                made.map_err(|error| failed("create the directory", &entry, error))?;
                match self.directories.insert(path, (entry.place.clone(), entry.mode & RIGHTS)) {
                    None => Ok(()),
                    Some(_) => Err(refused(TWICE)),
                }
            }
            Kind::HardLink => {
                let target = names::inside(&entry.link, self.limits)
                    .map_err(|_| refused("is a hard link that leads out"))?;
                let made = self.in_place(&path, || self.into.create_hard_link(&path, &target));
                made.map_err(|error| failed("create the hard link", &entry, error))
            }
            Kind::Link => {
                names::target(&path, &entry.link, self.limits).map_err(refused)?;
                self.keep(&entry, entries)?;
                self.links.push((path, entry));
                Ok(())
            }
            Kind::LongName | Kind::LongLink | Kind::Pax | Kind::PaxGlobal => {
                Err(refused("is a header and no entry"))
            }
        }
    }

    /// Makes what has to wait, and gives directories their modes.
    fn finish(self) -> Result<Extracted, ArchiveError> {
        for (path, entry) in &self.links {
            let target = names::target(path, &entry.link, self.limits)
                .map_err(|problem| ArchiveError::Refused { entry: entry.place.clone(), problem })?;
            let made = self.in_place(path, || self.into.create_link(path, target));
            made.map_err(|error| failed("create the link", entry, error))?;
        }
        // What lies in a directory before the directory itself: it may be one that nobody may enter.
        for (path, (place, mode)) in self.directories.iter().rev() {
            if path.as_os_str().is_empty() {
                continue;
            }
            let changed = self
                .into
                .open_dir(path)
                .and_then(|directory| Ok(rustix::fs::fchmod(directory.as_fd(), Mode::from_raw_mode(*mode))?));
            changed.map_err(|source| ArchiveError::Write {
                operation: "set the mode",
                entry: place.clone(),
                source,
            })?;
        }
        Ok(self.done)
    }

    fn file<R: Read>(
        &self,
        path: &Path,
        entry: &Entry,
        entries: &mut Entries<'_, R>,
    ) -> Result<(), ArchiveError> {
        let made = self.in_place(path, || self.into.create_file(path, 0o600));
        let mut file = made.map_err(|error| failed("create the file", entry, error))?;
        entries.content(entry, &mut file)?;
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(entry.mtime));
        // A time that no file system can store is none.
        let timed = time.map_or(Ok(()), |time| file.set_modified(time));
        timed.map_err(|error| failed("set the time", entry, error))?;
        let changed = file.set_permissions(Permissions::from_mode(entry.mode & RIGHTS));
        changed.map_err(|error| failed("set the mode", entry, error))
    }

    /// Makes something, and what it lies in if that is not there yet.
    fn in_place<T>(&self, path: &Path, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match (make(), path.parent()) {
            (Err(error), Some(parent)) if error.kind() == ErrorKind::NotFound => {
                self.into.create_dir_all(parent, UNNAMED)?;
                make()
            }
            (made, _) => made,
        }
    }

    fn keep<R: Read>(&mut self, entry: &Entry, entries: &Entries<'_, R>) -> Result<(), ArchiveError> {
        self.kept += (entry.name.len() + entry.link.len()) as u64;
        if self.kept > self.limits.kept {
            return Err(entries.too_much(self.limits.kept, "bytes in the names of directories and links"));
        }
        Ok(())
    }
}

const TWICE: &str = "is in the archive twice, or this file system cannot tell its name from another";

fn failed(operation: &'static str, entry: &Entry, source: io::Error) -> ArchiveError {
    let place = entry.place.clone();
    match source.kind() {
        ErrorKind::AlreadyExists => ArchiveError::Refused { entry: place, problem: TWICE },
        _ if source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            ArchiveError::Refused { entry: place, problem: "lies in a link" }
        }
        ErrorKind::NotADirectory => {
            ArchiveError::Refused { entry: place, problem: "lies in something that is no directory" }
        }
        ErrorKind::NotFound if entry.kind == Kind::HardLink => {
            ArchiveError::Refused { entry: place, problem: "is a hard link to what has not come before it" }
        }
        _ => ArchiveError::Write { operation, entry: place, source },
    }
}
