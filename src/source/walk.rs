//! One walk of the user's tree: what is in a capture, what is left out, and how much of it git would
//! call changed.
//!
//! It reads directories, ignore files and marks, never the content of a file, and follows no link.

use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, RawDir, Stat, fstat, statat};
use rustix::io::Errno;

use super::beneath;
use super::error::{SourceError, io_at};
use super::index::{Index, Tracked};
use super::listing::{Directory, Entry, Listing, join};
use super::pattern::Patterns;
use super::pool;
use super::watch::Watch;

/// How to walk.
#[derive(Default)]
pub(super) struct Rules {
    /// The name of the files that say what is ignored.
    pub(super) ignore_file: &'static str,
    /// What is ignored everywhere, the strongest last.
    pub(super) everywhere: Vec<Patterns>,
    /// The index; none where there is no repository.
    pub(super) index: Option<Index>,
    /// When the index was written, in seconds and nanoseconds.
    pub(super) written: (u32, u32),
    /// Whether the executable bit tells anything here (`core.fileMode`).
    pub(super) file_mode: bool,
    /// A directory that is not part of the tree, wherever it lies: our own.
    pub(super) skipped: Option<Vec<u8>>,
    /// Whether repositories within are walked by their own rules.
    pub(super) nested: bool,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) listing: Listing,
    pub(super) untracked: u64,
    pub(super) ignored: u64,
    /// Tracked paths that differ from the index, or are not there.
    pub(super) changed: BTreeSet<Vec<u8>>,
    /// Tracked paths whose content has to be looked at, with what the index says they hold.
    pub(super) suspects: Vec<(Vec<u8>, Tracked)>,
    /// Sockets, pipes and devices, which are left out.
    pub(super) special: Vec<PathBuf>,
    /// Repositories within, whose `.git` is left out.
    pub(super) repositories: Vec<PathBuf>,
}

/// Walks a tree.
///
/// # Errors
/// [`SourceError::Io`] with the directory or file that could not be read; [`SourceError::Cancelled`].
pub(super) fn walk(
    root: &Path,
    rules: Rules,
    watch: Watch<'_>,
) -> Result<(Walk, Option<Index>), SourceError> {
    let opened = beneath::open_root(root).map_err(io_at("open", root))?;
    let mut level = None;
    for patterns in rules.everywhere {
        level = Level::push(level, 0, patterns);
    }
    let scope = Arc::new(Scope::new(rules.index, 0, false));
    let everything = 0..scope.index.as_ref().map_or(0, |index| index.entries().len());
    let walker = Walker {
        root,
        opened,
        ignore_file: rules.ignore_file,
        skipped: rules.skipped,
        nested: rules.nested,
        written: rules.written,
        file_mode: rules.file_mode,
    };
    let first = Job {
        path: Vec::new(),
        scope: Arc::clone(&scope),
        level,
        tracked: everything,
        excluded: false,
        submodule: false,
    };
    let parts = pool::grow(vec![first], Walk::default, |part: &mut Walk, job, deeper| {
        watch.check()?;
        walker.visit(part, job, deeper)
    })?;

    let mut whole = Walk::default();
    for part in parts {
        whole.add(part);
    }
    whole.listing.directories.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    whole.special.sort();
    whole.repositories.sort();
    let Some(scope) = Arc::into_inner(scope) else { return Ok((whole, None)) };
    if let Some(index) = &scope.index {
        for (entry, seen) in index.entries().iter().zip(&scope.seen) {
            let missing = !seen.load(Ordering::Relaxed) && !entry.unwatched && !entry.is_submodule();
            if missing || entry.conflicted {
                whole.changed.insert(index.path(entry).to_owned());
            }
        }
    }
    Ok((whole, scope.index))
}

impl Walk {
    fn add(&mut self, part: Walk) {
        self.listing.directories.extend(part.listing.directories);
        self.untracked += part.untracked;
        self.ignored += part.ignored;
        self.changed.extend(part.changed);
        self.suspects.extend(part.suspects);
        self.special.extend(part.special);
        self.repositories.extend(part.repositories);
    }
}

/// The patterns of a directory, on top of those of the directories above.
struct Level {
    above: Option<Arc<Level>>,
    /// Length of the directory's path with its slash.
    base: usize,
    patterns: Patterns,
}

impl Level {
    fn push(above: Option<Arc<Level>>, base: usize, patterns: Patterns) -> Option<Arc<Level>> {
        if patterns.is_empty() { above } else { Some(Arc::new(Level { above, base, patterns })) }
    }

    fn ignores(mut level: Option<&Arc<Level>>, path: &[u8], is_directory: bool) -> bool {
        while let Some(this) = level {
            if let Some(decision) =
                this.patterns.decide(path.get(this.base..).unwrap_or_default(), is_directory)
            {
                return decision;
            }
            level = this.above.as_ref();
        }
        false
    }
}

/// A repository: its index, and what of it was seen.
struct Scope {
    index: Option<Index>,
    seen: Vec<AtomicBool>,
    /// Length of the repository's path with its slash.
    base: usize,
    /// It lies within another one, and its files do not count.
    within: bool,
}

impl Scope {
    fn new(index: Option<Index>, base: usize, within: bool) -> Self {
        let seen = index.iter().flat_map(Index::entries).map(|_| AtomicBool::new(false)).collect();
        Self { index, seen, base, within }
    }

    fn find(&self, within: &Range<usize>, path: &[u8]) -> Option<(usize, &Tracked)> {
        self.index.as_ref()?.find(within, path.get(self.base..)?)
    }

    fn beneath(&self, within: &Range<usize>, directory: &[u8]) -> Range<usize> {
        let inner = directory.get(self.base..).unwrap_or_default();
        self.index.as_ref().map_or(0..0, |index| index.beneath(within, inner))
    }
}

struct Job {
    path: Vec<u8>,
    scope: Arc<Scope>,
    level: Option<Arc<Level>>,
    /// The entries of the index beneath it.
    tracked: Range<usize>,
    /// It is ignored, and only what is tracked beneath it is in.
    excluded: bool,
    /// The repository above has a commit in its place.
    submodule: bool,
}

struct Walker<'a> {
    root: &'a Path,
    opened: OwnedFd,
    ignore_file: &'static str,
    skipped: Option<Vec<u8>>,
    nested: bool,
    written: (u32, u32),
    file_mode: bool,
}

impl Walker<'_> {
    fn at(&self, path: &[u8]) -> PathBuf {
        beneath::under(self.root, path)
    }

    fn visit(&self, part: &mut Walk, job: Job, deeper: &mut Vec<Job>) -> Result<(), SourceError> {
        let Job { path, mut scope, mut level, mut tracked, excluded, submodule } = job;
        let failed = || io_at("read", self.at(&path));
        let opened = match beneath::open_directory(&self.opened, &path) {
            Ok(opened) => opened,
            // It went between the reading of its parent and now.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !path.is_empty() => return Ok(()),
            Err(error) => return Err(failed()(error)),
        };
        let mode = fstat(&opened).map_err(|error| failed()(error))?.st_mode & 0o7777;
        let (names, found) = read(&opened).map_err(io_at("read", self.at(&path)))?;
        let name_of = |(start, length): (u32, u32)| {
            names.get(start as usize..(start + length) as usize).unwrap_or_default()
        };
        let has = |name: &[u8]| found.iter().any(|(at, _)| name_of(*at) == name);
        let slash = if path.is_empty() { 0 } else { path.len() + 1 };

        if slash > 0 && has(b".git") && tracked.is_empty() {
            part.repositories.push(beneath::path_of(&path));
            if self.nested {
                part.untracked += u64::from(!scope.within && !submodule);
                scope = Arc::new(nested_scope(&opened, &self.at(&path), slash));
                tracked = 0..scope.index.as_ref().map_or(0, |index| index.entries().len());
                level = None;
            }
        }
        if !excluded && has(self.ignore_file.as_bytes()) {
            let file = beneath::read_small(&opened, self.ignore_file);
            let patterns = file.map_err(io_at("read", self.at(&join(&path, self.ignore_file.as_bytes()))))?;
            level = Level::push(level, slash, Patterns::parse(&patterns.unwrap_or_default()));
        }

        let mut full = path.clone();
        if slash > 0 {
            full.push(b'/');
        }
        let mut entries = Vec::with_capacity(found.len());
        for (at, mut kind) in found {
            let name = name_of(at);
            if name == b".git" {
                continue;
            }
            full.truncate(slash);
            full.extend_from_slice(name);
            if self.skipped.as_ref() == Some(&full) {
                continue;
            }
            let mut stat = None;
            if kind == FileType::Unknown {
                stat = look(&opened, name).map_err(io_at("read", self.at(&full)))?;
                let Some(stat) = &stat else { continue };
                kind = FileType::from_raw_mode(stat.st_mode);
            }
            match kind {
                FileType::Directory => {
                    let submodule = scope.find(&tracked, &full).is_some();
                    full.push(b'/');
                    let tracked = scope.beneath(&tracked, &full);
                    full.pop();
                    let ignored = excluded || Level::ignores(level.as_ref(), &full, true);
                    if ignored && tracked.is_empty() && !submodule {
                        part.ignored += u64::from(!scope.within);
                        continue;
                    }
                    deeper.push(Job {
                        path: full.clone(),
                        scope: Arc::clone(&scope),
                        level: level.clone(),
                        tracked,
                        excluded: ignored && !submodule,
                        submodule,
                    });
                }
                FileType::RegularFile | FileType::Symlink => {
                    let known = scope.find(&tracked, &full);
                    if known.is_none() && (excluded || Level::ignores(level.as_ref(), &full, false)) {
                        part.ignored += u64::from(!scope.within);
                        continue;
                    }
                    let stat = match stat {
                        Some(stat) => Some(stat),
                        None => look(&opened, name).map_err(io_at("read", self.at(&full)))?,
                    };
                    let Some(entry) = stat.as_ref().and_then(|stat| Entry::of(at, stat)) else { continue };
                    entries.push(entry);
                    match known {
                        None => part.untracked += u64::from(!scope.within),
                        Some((number, known)) => {
                            if let Some(seen) = scope.seen.get(number) {
                                seen.store(true, Ordering::Relaxed);
                            }
                            if !scope.within {
                                self.judge(part, &full, &entry, known);
                            }
                        }
                    }
                }
                _ if excluded || Level::ignores(level.as_ref(), &full, false) => {}
                _ => part.special.push(beneath::path_of(&full)),
            }
        }
        let mut directory = Directory { path, mode, names, entries: Vec::new() };
        entries.sort_unstable_by(|a, b| directory.name(a).cmp(directory.name(b)));
        directory.entries = entries;
        part.listing.directories.push(directory);
        Ok(())
    }

    /// Compares a file with what the index remembers, as git does where `core.checkStat` is `minimal`.
    fn judge(&self, part: &mut Walk, path: &[u8], entry: &Entry, known: &Tracked) {
        if known.unwatched {
            return;
        }
        let size = u32::try_from(entry.marks.size & u64::from(u32::MAX)).unwrap_or_default();
        let executable = |mode: u32| self.file_mode && !entry.symlink && mode & 0o100 != 0;
        let differs = known.conflicted
            || known.intended
            || known.is_submodule()
            || known.is_symlink() != entry.symlink
            || executable(known.mode) != executable(entry.mode)
            || (known.size != size && known.size != 0);
        let seconds = entry.marks.mtime.div_euclid(1_000_000_000);
        let nanoseconds = entry.marks.mtime.rem_euclid(1_000_000_000);
        let same_time = i64::from(known.mtime.0) == seconds
            && (known.mtime.1 == 0 || i64::from(known.mtime.1) == nanoseconds);
        if differs {
            part.changed.insert(path.to_owned());
        } else if !same_time || known.mtime >= self.written || known.size != size {
            part.suspects.push((path.to_owned(), known.clone()));
        }
    }
}

/// The scope of a repository within the tree. One whose index cannot be read has only its own ignore
/// files: nothing but the choice of its files depends on it.
fn nested_scope(opened: &OwnedFd, path: &Path, base: usize) -> Scope {
    let git_directory = match beneath::read_small(opened, ".git") {
        Ok(Some(link)) => link
            .strip_prefix(b"gitdir: ")
            .map(|target| path.join(std::ffi::OsStr::from_bytes(target.trim_ascii_end()))),
        _ => Some(path.join(".git")),
    };
    let data = git_directory.and_then(|directory| beneath::read_file(&directory.join("index")).ok());
    let index = data.flatten().and_then(|data| Index::parse(&data).ok());
    Scope::new(index, base, true)
}

/// A name's place among the names, and what kind of thing it is.
type Found = ((u32, u32), FileType);

/// The names in a directory.
fn read(opened: &OwnedFd) -> io::Result<(Vec<u8>, Vec<Found>)> {
    let mut names = Vec::new();
    let mut found = Vec::new();
    let mut buffer = vec![MaybeUninit::uninit(); 32 * 1024];
    let mut entries = RawDir::new(opened, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let too_many = |_| io::Error::from(io::ErrorKind::FileTooLarge);
            let start = u32::try_from(names.len()).map_err(too_many)?;
            found.push(((start, u32::try_from(name.len()).map_err(too_many)?), entry.file_type()));
            names.extend_from_slice(name);
        }
    }
    Ok((names, found))
}

/// Looks at a file; none when it has gone.
fn look(directory: &OwnedFd, name: &[u8]) -> io::Result<Option<Stat>> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
