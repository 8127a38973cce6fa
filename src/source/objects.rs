//! The object files of a repository: where they lie, and which are not known yet.
//!
//! They are named by their content and never changed, so that one which is known is never looked at
//! again, and a folder whose marks are the same is not even listed. Nothing here reads an object.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, lstat};
use rustix::io::Errno;

use super::beneath;
use super::copy::settled_in;
use super::error::{SourceError, io_at};
use super::listing::Marks;

/// As far as git follows alternates of alternates.
const DEPTH: usize = 5;

/// The marks of folders whose files are all known, by the folder's path.
pub(super) type Stamps = BTreeMap<Vec<u8>, Marks>;

/// A folder of object files: `pack`, or the first two digits of their names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// The `objects` directory it lies in.
    pub(super) store: PathBuf,
    pub(super) name: Vec<u8>,
    pub(super) files: Vec<Vec<u8>>,
}

/// The folders that may hold something new, and the marks of all.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) folders: Vec<Folder>,
    pub(super) stamps: Stamps,
}

/// The `objects` directories of a repository: its own, and those it borrows from.
///
/// # Errors
/// [`SourceError::Io`] when the list of those it borrows from cannot be read.
pub(super) fn stores(objects: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut found = vec![objects.to_owned()];
    let mut at = 0;
    let mut last_of_depth = 1;
    for _ in 0..DEPTH {
        while let Some(store) = found.get(at).filter(|_| at < last_of_depth).cloned() {
            at += 1;
            let list = store.join("info/alternates");
            let Some(text) = beneath::read_file(&list).map_err(io_at("read", list))? else { continue };
            let lines =
                text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#"));
            for line in lines {
                let borrowed = store.join(OsStr::from_bytes(line));
                if borrowed.is_dir() && !found.contains(&borrowed) {
                    found.push(borrowed);
                }
            }
        }
        last_of_depth = found.len();
    }
    Ok(found)
}

/// Lists the object files in the folders whose marks are not the known ones.
///
/// # Errors
/// [`SourceError::Io`] with the folder.
pub(super) fn scan(stores: &[PathBuf], known: &Stamps) -> Result<Scan, SourceError> {
    let mut scan = Scan::default();
    for store in stores {
        for folder in names(store)?.into_iter().filter(|name| is_folder(name)) {
            let path = store.join(OsStr::from_bytes(&folder));
            let about = match lstat(&path) {
                // What a link leads to is not the repository's.
                Ok(about) if FileType::from_raw_mode(about.st_mode) != FileType::Directory => continue,
                Ok(about) => about,
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(error) => return Err(io_at("read", path)(error)),
            };
            let key = path.as_os_str().as_bytes().to_owned();
            let marks = Marks::of(&about);
            if known.get(&key) != Some(&marks) {
                let files: Vec<_> =
                    names(&path)?.into_iter().filter(|name| is_object(&folder, name)).collect();
                scan.folders.push(Folder { store: store.clone(), name: folder, files });
            }
            if settled_in(&about).is_none() {
                scan.stamps.insert(key, marks);
            }
        }
    }
    Ok(scan)
}

fn names(directory: &Path) -> Result<Vec<Vec<u8>>, SourceError> {
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_at("read", directory)(error)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_vec()));
    names.collect::<io::Result<_>>().map_err(io_at("read", directory))
}

fn is_folder(name: &[u8]) -> bool {
    name == b"pack" || (name.len() == 2 && is_hex(name))
}

fn is_object(folder: &[u8], name: &[u8]) -> bool {
    if folder != b"pack" {
        return matches!(name.len(), 38 | 62) && is_hex(name);
    }
    let Some(name) = name.strip_prefix(b"pack-") else { return false };
    let Some(dot) = name.iter().position(|&byte| byte == b'.') else { return false };
    let (hash, kind) = name.split_at(dot);
    is_hex(hash)
        && [".pack", ".idx", ".rev", ".bitmap", ".mtimes", ".promisor"]
            .iter()
            .any(|known| kind == known.as_bytes())
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_like_an_object_is_one() {
        let hash = [b'a'; 38];
        assert!(is_object(b"ab", &hash));
        assert!(!is_object(b"ab", b"tmp_obj_x"));
        assert!(is_object(b"pack", b"pack-0af.idx"));
        assert!(!is_object(b"pack", b"pack-0af.keep"));
        assert!(!is_object(b"pack", b"../../etc/passwd"));
        assert!(is_folder(b"0f") && !is_folder(b"..") && !is_folder(b"info"));
    }
}
