//! A fresh `.git`, written: no hooks, no logs, no alternates, no config but our own.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, chmod, utimensat};

use super::beneath;
use super::copy::{file_mode, times};
use super::error::{SourceError, io_at};
use super::objects::Folder;
use super::place;

/// What a fresh `.git` holds besides objects.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// Paths within `.git`, and content.
    pub(super) files: Vec<(PathBuf, Vec<u8>)>,
    /// The index, and its time: an entry that is as young as the index has to be looked at again.
    pub(super) index: Option<(Vec<u8>, i64)>,
}

impl Fresh {
    /// When the index was written, in seconds and nanoseconds.
    pub(super) fn index_written(&self) -> (u32, u32) {
        let time = self.index.as_ref().map_or(0, |(_, time)| *time);
        let seconds = u32::try_from(time.div_euclid(1_000_000_000)).unwrap_or_default();
        (seconds, u32::try_from(time.rem_euclid(1_000_000_000)).unwrap_or_default())
    }
}

/// Writes it into a tree, which may hold its objects already or have them in a layer below.
///
/// # Errors
/// [`SourceError::Io`] with the file.
pub(super) fn write(tree: &Path, fresh: &Fresh) -> Result<(), SourceError> {
    let mut wanted: BTreeSet<PathBuf> = ["objects", "refs/heads", "refs/tags"].map(PathBuf::from).into();
    wanted.extend(fresh.files.iter().filter_map(|(path, _)| path.parent()).map(Path::to_owned));
    directories(tree, wanted.iter().map(PathBuf::as_path))?;
    let git = tree.join(".git");
    for (path, data) in &fresh.files {
        write_file(&git.join(path), data)?;
    }
    if let Some((data, time)) = &fresh.index {
        let path = git.join("index");
        write_file(&path, data)?;
        utimensat(CWD, &path, &times(*time), AtFlags::empty()).map_err(io_at("set the time of", &path))?;
    }
    Ok(())
}

/// Makes the directories for object files in a tree.
///
/// # Errors
/// [`SourceError::Io`] with the directory.
pub(super) fn object_directories(tree: &Path, folders: &[Folder]) -> Result<(), SourceError> {
    if folders.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<_> =
        folders.iter().map(|folder| beneath::under(Path::new("objects"), &folder.name)).collect();
    directories(tree, names.iter().map(PathBuf::as_path))
}

/// Makes directories within `.git`, and those above them.
fn directories<'a>(tree: &Path, wanted: impl Iterator<Item = &'a Path>) -> Result<(), SourceError> {
    let opened = beneath::open_root(tree).map_err(io_at("open", tree))?;
    let mut all = BTreeSet::from([PathBuf::from(".git")]);
    for path in wanted {
        let path = Path::new(".git").join(path);
        let above = path.ancestors().filter(|path| !path.as_os_str().is_empty());
        all.extend(above.map(Path::to_owned));
    }
    for path in &all {
        place::directory(&opened, tree, path.as_os_str().as_bytes(), 0o755)?;
    }
    Ok(())
}

fn write_file(path: &Path, data: &[u8]) -> Result<(), SourceError> {
    let written = fs::write(path, data);
    written.map_err(io_at("write", path))?;
    let mode: Mode = file_mode(0o644);
    chmod(path, mode).map_err(|error| io_at("change the mode of", path)(io::Error::from(error)))
}
