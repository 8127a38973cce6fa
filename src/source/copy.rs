//! Copies single files and links, cloned where the file system can, with their times, and with the
//! modes that a workspace has. Never follows a link.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, copy_file_range, fchmod, fstat,
    ftruncate, futimens, ioctl_ficlone, linkat, openat, readlinkat, seek, symlinkat, utimensat,
};
use rustix::io::{Errno, read, write};

use super::beneath;
use super::error::SourceError;
use super::listing::{Entry, Marks};
use super::watch::Watch;

/// A part of a large file after which it is asked whether to go on.
const PART: usize = 64 << 20;
/// Up to this size a read and a write beat a copy within the kernel.
const SMALL: usize = 256 << 10;
/// A file that changes under our hands is read again this often.
const TRIES: u32 = 5;
/// Two changes within one tick of the kernel's clock leave the same time behind.
const TICK: Duration = Duration::from_millis(20);
/// The same, on file systems that keep no fraction of a second.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// What came of copying a file.
#[derive(Debug)]
pub(super) enum Copied {
    /// It was copied as it was at the time of these marks.
    Done(Entry),
    /// It changed all the while; what was copied last may be torn.
    Torn(Entry),
    /// It is gone, or something else has its name.
    Gone,
}

/// Which side of a copy failed, or that it was told to stop.
#[derive(Debug)]
pub(super) enum Failed {
    Stopped(SourceError),
    Read(io::Error),
    Write(io::Error),
}

/// Copies files from one file system to another, and remembers what those can do.
pub(super) struct Copier<'w> {
    watch: Watch<'w>,
    cannot_clone: AtomicBool,
    cannot_splice: AtomicBool,
}

/// The mode of a file in a workspace: its group may do what its owner may.
pub(super) fn file_mode(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o777 | (mode & 0o700) >> 3)
}

/// The mode of a directory in a workspace: its files belong to its group, which may change it.
pub(super) fn directory_mode(mode: u32) -> Mode {
    Mode::from_raw_mode(0o2770 | mode & 0o007)
}

impl<'w> Copier<'w> {
    /// One that knows nothing of the file systems yet.
    pub(super) fn new(watch: Watch<'w>) -> Self {
        Self { watch, cannot_clone: AtomicBool::new(false), cannot_splice: AtomicBool::new(false) }
    }

    /// Copies a file or a link from one directory to another, where its name is free.
    pub(super) fn copy(
        &self,
        from: &OwnedFd,
        to: &OwnedFd,
        name: &[u8],
        entry: &Entry,
        buffer: &mut Vec<u8>,
    ) -> Result<Copied, Failed> {
        if entry.symlink {
            copy_link(from, to, name, entry)
        } else {
            self.copy_file(from, to, name, entry, buffer)
        }
    }

    fn copy_file(
        &self,
        from: &OwnedFd,
        to: &OwnedFd,
        name: &[u8],
        entry: &Entry,
        buffer: &mut Vec<u8>,
    ) -> Result<Copied, Failed> {
        let source = match beneath::open_file(from, name) {
            Ok(source) => source,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::NOTDIR) => return Ok(Copied::Gone),
            Err(error) => return Err(Failed::Read(error.into())),
        };
        let mut stat = fstat(&source).map_err(reading)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(Copied::Gone);
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let target = openat(to, name, flags, Mode::RUSR | Mode::WUSR).map_err(writing)?;
        let mut last = Entry::of(entry.name, &stat);
        for again in 0..TRIES {
            if again > 0 {
                seek(&source, SeekFrom::Start(0)).map_err(reading)?;
                seek(&target, SeekFrom::Start(0)).map_err(writing)?;
                ftruncate(&target, 0).map_err(writing)?;
            }
            let mut settled = settled_in(&stat);
            if let Some(wait) = settled.filter(|wait| *wait <= TICK) {
                thread::sleep(wait);
                stat = fstat(&source).map_err(reading)?;
                settled = settled_in(&stat);
            }
            let copied = self.content(&source, &target, &stat, buffer)?;
            let after = fstat(&source).map_err(reading)?;
            last = Entry::of(entry.name, &after);
            if Marks::of(&after) == Marks::of(&stat) && copied == Marks::of(&stat).size {
                finish(&target, &after)?;
                let mut done = last.ok_or(Failed::Read(io::ErrorKind::InvalidInput.into()))?;
                if settled.is_some() {
                    done.marks.ctime = 0;
                }
                return Ok(Copied::Done(done));
            }
            stat = after;
        }
        finish(&target, &stat)?;
        let mut torn = last.ok_or(Failed::Read(io::ErrorKind::InvalidInput.into()))?;
        torn.marks.ctime = 0;
        Ok(Copied::Torn(torn))
    }

    /// Copies a whole file's bytes, and says how many.
    fn content(
        &self,
        source: &OwnedFd,
        target: &OwnedFd,
        stat: &Stat,
        buffer: &mut Vec<u8>,
    ) -> Result<u64, Failed> {
        let size = Marks::of(stat).size;
        if size > 0 && !self.cannot_clone.load(Ordering::Relaxed) {
            if ioctl_ficlone(target, source).is_ok() {
                return Ok(size);
            }
            self.cannot_clone.store(true, Ordering::Relaxed);
        }
        let held = u64::try_from(stat.st_blocks).unwrap_or_default().saturating_mul(512);
        if size > SMALL as u64 && held < size / 2 {
            return self.sparse(source, target, size, buffer);
        }
        if size > SMALL as u64 && !self.cannot_splice.load(Ordering::Relaxed) {
            match self.splice(source, target, size) {
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                    self.cannot_splice.store(true, Ordering::Relaxed);
                }
                other => return other.map_err(|error| self.writing(error)),
            }
        }
        self.stream(source, target, u64::MAX, buffer)
    }

    /// Copies a file that is never changed once it has its name. False when it is gone.
    pub(super) fn copy_constant(
        &self,
        from: &OwnedFd,
        to: &OwnedFd,
        name: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<bool, Failed> {
        let source = match beneath::open_file(from, name) {
            Ok(source) => source,
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(Failed::Read(error.into())),
        };
        let stat = fstat(&source).map_err(reading)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Failed::Read(io::ErrorKind::InvalidData.into()));
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let target = openat(to, name, flags, Mode::RUSR | Mode::WUSR).map_err(writing)?;
        self.content(&source, &target, &stat, buffer)?;
        finish(&target, &stat)?;
        Ok(true)
    }

    fn splice(&self, source: &OwnedFd, target: &OwnedFd, size: u64) -> Result<u64, Errno> {
        let mut done = 0;
        loop {
            if self.watch.stopped() {
                return Err(Errno::CANCELED);
            }
            let wanted = usize::try_from(size.saturating_sub(done).max(1)).unwrap_or(usize::MAX).min(PART);
            match copy_file_range(source, None, target, None, wanted) {
                Ok(0) => return Ok(done),
                Ok(some) => done += some as u64,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Copies up to so many bytes through our own memory.
    fn stream(
        &self,
        source: &OwnedFd,
        target: &OwnedFd,
        limit: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<u64, Failed> {
        buffer.resize(SMALL, 0);
        let mut done = 0;
        while done < limit {
            self.watch.check().map_err(Failed::Stopped)?;
            let wanted = usize::try_from(limit - done).unwrap_or(usize::MAX).min(buffer.len());
            let space = buffer.get_mut(..wanted).unwrap_or_default();
            let length = match read(source, space) {
                Ok(length) => length,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(reading(error)),
            };
            let mut rest = buffer.get(..length).unwrap_or_default();
            while !rest.is_empty() {
                match write(target, rest) {
                    Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(writing(error)),
                }
            }
            done += length as u64;
            // A short read of a file is its end; asking once more would double the calls of small ones.
            if length < wanted {
                break;
            }
        }
        Ok(done)
    }

    /// Copies what a file holds, and leaves its holes.
    fn sparse(
        &self,
        source: &OwnedFd,
        target: &OwnedFd,
        size: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<u64, Failed> {
        let mut at = 0;
        while at < size {
            let start = match seek(source, SeekFrom::Data(at)) {
                Ok(start) => start,
                Err(Errno::NXIO) => break,
                Err(error) => return Err(reading(error)),
            };
            let end = seek(source, SeekFrom::Hole(start)).map_err(reading)?;
            seek(source, SeekFrom::Start(start)).map_err(reading)?;
            seek(target, SeekFrom::Start(start)).map_err(writing)?;
            at = start + self.stream(source, target, end - start, buffer)?;
            if at < end {
                break;
            }
        }
        ftruncate(target, size).map_err(writing)?;
        Ok(size)
    }

    fn writing(&self, error: Errno) -> Failed {
        match self.watch.check() {
            Err(stopped) if error == Errno::CANCELED => Failed::Stopped(stopped),
            _ => writing(error),
        }
    }
}

/// Gives a file of ours a second name. False when the file system will not.
pub(super) fn link(from: &OwnedFd, to: &OwnedFd, name: &[u8]) -> Result<bool, Failed> {
    match linkat(from, name, to, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(writing(error)),
    }
}

fn copy_link(from: &OwnedFd, to: &OwnedFd, name: &[u8], entry: &Entry) -> Result<Copied, Failed> {
    let target = match readlinkat(from, name, Vec::new()) {
        Ok(target) => target,
        Err(Errno::NOENT | Errno::INVAL) => return Ok(Copied::Gone),
        Err(error) => return Err(reading(error)),
    };
    symlinkat(target, to, name).map_err(writing)?;
    utimensat(to, name, &times(entry.marks.mtime), AtFlags::SYMLINK_NOFOLLOW).map_err(writing)?;
    // A link is never changed, only replaced, which gives it another inode: its marks are safe.
    Ok(Copied::Done(*entry))
}

fn finish(target: &OwnedFd, stat: &Stat) -> Result<(), Failed> {
    fchmod(target, file_mode(stat.st_mode)).map_err(writing)?;
    futimens(target, &times(Marks::of(stat).mtime)).map_err(writing)
}

/// Times for a file that keeps its modification time.
pub(super) fn times(mtime: i64) -> Timestamps {
    let time = Timespec { tv_sec: mtime.div_euclid(1_000_000_000), tv_nsec: mtime.rem_euclid(1_000_000_000) };
    Timestamps { last_access: time, last_modification: time }
}

/// How long it takes until a further change of a file would be seen by its time; none when it would
/// be by now.
pub(super) fn settled_in(stat: &Stat) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let whole = Duration::from_secs(u64::try_from(stat.st_ctime).unwrap_or_default());
    let fraction = u32::try_from(stat.st_ctime_nsec).unwrap_or_default();
    let tick = if fraction == 0 { COARSE_TICK } else { TICK };
    (whole + Duration::new(0, fraction) + tick).checked_sub(now).filter(|wait| !wait.is_zero())
}

fn reading(error: Errno) -> Failed {
    Failed::Read(error.into())
}

fn writing(error: Errno) -> Failed {
    Failed::Write(error.into())
}
