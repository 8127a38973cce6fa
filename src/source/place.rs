//! Makes a tree of ours from the user's: its directories, its files, its objects, and the marks of
//! overlayfs for what is gone. Writes beneath the given directory only, and reads beneath the user's.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Dev, FileType, Gid, Mode, chmodat, chown, mkdirat, mknodat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::beneath;
use super::copy::{self, Copied, Copier, Failed, directory_mode};
use super::error::{SourceError, io_at};
use super::listing::{Entry, Listing, Pick, split};
use super::objects::Folder;
use super::pool;
use super::watch::Watch;

/// The group of a workspace's files where windlass runs as root. It lies in the range that systemd
/// documents as used by nobody (60578 to 61183), so that no account of this machine or of an image
/// gains anything by it.
pub const WORKSPACE_GID: u32 = 61_000;

/// Files of one directory that a thread takes at once.
const BATCH: usize = 128;

/// Where a tree is made, and from what.
pub(super) struct Place<'a> {
    /// The user's tree.
    pub(super) from: &'a Path,
    /// The directory to fill.
    pub(super) to: &'a Path,
    /// An older tree of ours whose unchanged files may be shared.
    pub(super) old: Option<&'a Path>,
    pub(super) watch: Watch<'a>,
}

/// What is to be copied.
pub(super) struct Content<'a> {
    pub(super) listing: &'a Listing,
    pub(super) files: &'a [Pick],
    /// Of those, the ones that the older tree has as well; sorted.
    pub(super) unchanged: &'a BTreeSet<Pick>,
    pub(super) folders: &'a [Folder],
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The marks that the copied files had, where those differ from the listing's; none for a file
    /// that was gone.
    pub(super) corrected: Vec<(Pick, Option<Entry>)>,
    /// Files that changed all the while.
    pub(super) torn: Vec<PathBuf>,
    /// An object was gone when its turn came: the folders have to be listed again.
    pub(super) objects_gone: bool,
}

impl Copies {
    /// What the user should know of it.
    pub(super) fn notes(&self) -> Vec<String> {
        let names = self.torn.iter().map(|path| path.display());
        names.map(|path| format!("{path} was being written all the while it was captured")).collect()
    }
}

/// The group that files of a workspace belong to.
pub(super) fn workspace_gid() -> u32 {
    if geteuid().is_root() { WORKSPACE_GID } else { getegid().as_raw() }
}

/// Makes the root of a tree; what is made in it inherits its group.
///
/// # Errors
/// [`SourceError::Io`].
pub(super) fn root(path: &Path, mode: u32) -> Result<(), SourceError> {
    std::fs::create_dir(path).map_err(io_at("create", path))?;
    if geteuid().is_root() {
        chown(path, None, Some(Gid::from_raw(WORKSPACE_GID))).map_err(io_at("change the group of", path))?;
    }
    rustix::fs::chmod(path, directory_mode(mode)).map_err(io_at("change the mode of", path))
}

/// Makes directories of a listing beneath a root, those above them included. They are numbered, and
/// the root's own number does nothing.
pub(super) fn directories(
    to: &Path,
    listing: &Listing,
    numbers: impl IntoIterator<Item = usize>,
) -> Result<(), SourceError> {
    let opened = beneath::open_root(to).map_err(io_at("open", to))?;
    let mut wanted = BTreeSet::new();
    for number in numbers {
        let mut next = listing.directories.get(number).map(|directory| directory.path.as_slice());
        while let Some(path) = next.filter(|path| !path.is_empty() && !wanted.contains(*path)) {
            wanted.insert(path);
            next = Some(split(path).0);
        }
    }
    for path in wanted {
        let mode = listing.directory(path).map_or(0o755, |directory| directory.mode);
        directory(&opened, to, path, mode)?;
    }
    Ok(())
}

/// Makes one directory whose parent is there, if it is not there already.
pub(super) fn directory(opened: &OwnedFd, to: &Path, path: &[u8], mode: u32) -> Result<(), SourceError> {
    match mkdirat(opened, path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(io_at("create", beneath::under(to, path))(error)),
    }
    chmodat(opened, path, directory_mode(mode), rustix::fs::AtFlags::empty())
        .map_err(io_at("change the mode of", beneath::under(to, path)))
}

/// Marks a path as gone for overlayfs. The directory it is in must be there.
pub(super) fn whiteout(to: &OwnedFd, path: &[u8]) -> Result<(), Errno> {
    const NOTHING: Dev = 0;
    mknodat(to, path, FileType::CharacterDevice, Mode::empty(), NOTHING)
}

enum Batch<'a> {
    Files(&'a [Pick]),
    Objects(&'a Folder, &'a [Vec<u8>]),
}

/// Copies files and objects; their directories must be there.
///
/// # Errors
/// [`SourceError::Io`] with the file that could not be read or written; [`SourceError::Cancelled`].
pub(super) fn fill(place: &Place<'_>, content: &Content<'_>) -> Result<Copies, SourceError> {
    let mut batches = Vec::new();
    for same in content.files.chunk_by(|a, b| a.directory == b.directory) {
        batches.extend(same.chunks(BATCH).map(Batch::Files));
    }
    // The last ones are taken first: a pack is large, and should not be alone at the end.
    for folder in content.folders {
        batches.extend(folder.files.chunks(BATCH).map(|files| Batch::Objects(folder, files)));
    }
    let source = beneath::open_root(place.from).map_err(io_at("open", place.from))?;
    let target = beneath::open_root(place.to).map_err(io_at("open", place.to))?;
    let old = place.old.map(|old| beneath::open_root(old).map_err(io_at("open", old))).transpose()?;
    let filler = Filler { place, content, source, target, old, copier: Copier::new(place.watch) };
    let part = || (Copies::default(), Vec::new());
    let parts = pool::grow(batches, part, |(copies, buffer), batch, _| match batch {
        Batch::Files(picks) => filler.files(picks, copies, buffer),
        Batch::Objects(folder, files) => filler.objects(folder, files, copies, buffer),
    })?;
    let mut all = Copies::default();
    for (copies, _) in parts {
        all.corrected.extend(copies.corrected);
        all.torn.extend(copies.torn);
        all.objects_gone |= copies.objects_gone;
    }
    all.corrected.sort_unstable_by_key(|(pick, _)| *pick);
    all.torn.sort();
    Ok(all)
}

struct Filler<'a> {
    place: &'a Place<'a>,
    content: &'a Content<'a>,
    source: OwnedFd,
    target: OwnedFd,
    old: Option<OwnedFd>,
    copier: Copier<'a>,
}

impl Filler<'_> {
    fn files(&self, picks: &[Pick], copies: &mut Copies, buffer: &mut Vec<u8>) -> Result<(), SourceError> {
        let Some(first) = picks.first() else { return Ok(()) };
        let Some(directory) = self.content.listing.directories.get(first.directory) else { return Ok(()) };
        let path = directory.path.as_slice();
        let to = beneath::open_directory(&self.target, path)
            .map_err(io_at("open", beneath::under(self.place.to, path)))?;
        let from = match beneath::open_directory(&self.source, path) {
            Ok(from) => from,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                copies.corrected.extend(picks.iter().map(|pick| (*pick, None)));
                return Ok(());
            }
            Err(error) => return Err(io_at("open", beneath::under(self.place.from, path))(error)),
        };
        let old = self.old.as_ref().and_then(|old| beneath::open_directory(old, path).ok());
        for pick in picks {
            let Some(entry) = directory.entries.get(pick.entry) else { continue };
            self.place.watch.check()?;
            let name = directory.name(entry);
            let failed = |failed| match failed {
                Failed::Stopped(stopped) => stopped,
                Failed::Read(error) => {
                    io_at("read", beneath::under(&beneath::under(self.place.from, path), name))(error)
                }
                Failed::Write(error) => {
                    io_at("write", beneath::under(&beneath::under(self.place.to, path), name))(error)
                }
            };
            if let Some(old) = old.as_ref().filter(|_| self.content.unchanged.contains(pick))
                && copy::link(old, &to, name).map_err(failed)?
            {
                continue;
            }
            match self.copier.copy(&from, &to, name, entry, buffer).map_err(failed)? {
                Copied::Done(done) if done == *entry => {}
                Copied::Done(done) => copies.corrected.push((*pick, Some(done))),
                Copied::Torn(torn) => {
                    copies.corrected.push((*pick, Some(torn)));
                    copies.torn.push(beneath::under(&beneath::path_of(path), name));
                }
                Copied::Gone => copies.corrected.push((*pick, None)),
            }
        }
        Ok(())
    }

    fn objects(
        &self,
        folder: &Folder,
        files: &[Vec<u8>],
        copies: &mut Copies,
        buffer: &mut Vec<u8>,
    ) -> Result<(), SourceError> {
        let from = folder.store.join(beneath::path_of(&folder.name));
        let to = [b".git/objects/", folder.name.as_slice()].concat();
        let source = match beneath::open_root(&from) {
            Ok(source) => source,
            Err(Errno::NOENT) => {
                copies.objects_gone = true;
                return Ok(());
            }
            Err(error) => return Err(io_at("open", from)(error)),
        };
        let target = beneath::open_directory(&self.target, &to)
            .map_err(io_at("open", beneath::under(self.place.to, &to)))?;
        let old = self.old.as_ref().and_then(|old| beneath::open_directory(old, &to).ok());
        for name in files {
            self.place.watch.check()?;
            let failed = |failed| match failed {
                Failed::Stopped(stopped) => stopped,
                Failed::Read(error) => io_at("read", beneath::under(&from, name))(error),
                Failed::Write(error) => {
                    io_at("write", beneath::under(&beneath::under(self.place.to, &to), name))(error)
                }
            };
            if let Some(old) = &old
                && copy::link(old, &target, name).map_err(failed)?
            {
                continue;
            }
            match self.copier.copy_constant(&source, &target, name, buffer) {
                Ok(true) => {}
                Ok(false) => copies.objects_gone = true,
                // A repository and what it borrows from, or two rounds, may hold the same object.
                Err(Failed::Write(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }
}
