//! From an archive of somebody else's making to a directory of ours: whole, or not there at all.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::some;
use crate::backend::Fetched;
use crate::base::archive::{ArchiveError, Limits, extract};
use crate::base::safe_dir::{SafeDir, remove_tree};
use crate::base::{Tree, with_causes};

/// Why nothing has come.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::backend) enum Failed {
    /// The archive broke off.
    Cut(String),
    /// Another try would end the same.
    ForGood(String),
}

/// Copies what fits these patterns of a tree of this machine.
///
/// # Errors
/// Why it cannot, in words.
pub(in crate::backend) async fn from_tree(
    tree: &Tree,
    patterns: &[String],
    into: &Path,
    limits: &Limits,
) -> Result<Fetched, String> {
    let (tree, patterns, into, limits) = (tree.clone(), patterns.to_vec(), into.to_owned(), *limits);
    let fetched = tokio::task::spawn_blocking(move || {
        let (from, mut to) = io::pipe().map_err(|error| error.to_string())?;
        let packing = std::thread::spawn(move || some(&mut to, &tree, &patterns));
        let unpacked = drafted(&into, |draft| {
            let fetched = unpack(from, draft, &limits);
            // It ends when nobody takes it any more, and what is wrong with the tree says more.
            match packing.join() {
                Ok(Ok(left_out)) => {
                    fetched.map(|found| Fetched { entries: found.entries, bytes: found.bytes, ..left_out })
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => fetched,
                Ok(Err(error)) => Err(Failed::ForGood(error.to_string())),
                Err(_) => Err(Failed::ForGood("reading the tree broke down".to_owned())),
            }
        });
        unpacked.map_err(|(Failed::Cut(why) | Failed::ForGood(why))| why)
    });
    fetched.await.unwrap_or_else(|_| Err("unpacking it broke down".to_owned()))
}

/// Has a directory made beside its place, and puts it there once it is whole; nothing is left of it otherwise.
pub(in crate::backend) fn drafted(
    into: &Path,
    make: impl FnOnce(&Path) -> Result<Fetched, Failed>,
) -> Result<Fetched, Failed> {
    let failed = |error: io::Error| Failed::ForGood(format!("{}: {error}", into.display()));
    let mut name = into.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let draft: PathBuf = into.with_file_name(name);
    // Of one that was killed.
    remove_tree(&draft).and_then(|()| fs::create_dir(&draft)).map_err(failed)?;
    let made = make(&draft).and_then(|made| fs::rename(&draft, into).map(|()| made).map_err(failed));
    if made.is_err() {
        // What is left is removed by the next try.
        let _ = remove_tree(&draft);
    }
    made
}

/// Unpacks an archive into a directory that is empty.
pub(in crate::backend) fn unpack(from: impl Read, into: &Path, limits: &Limits) -> Result<Fetched, Failed> {
    let directory = SafeDir::open(into).map_err(|error| Failed::ForGood(error.to_string()))?;
    match extract(from, &directory, limits) {
        Ok(found) => Ok(Fetched { entries: found.entries, bytes: found.bytes, ..Fetched::default() }),
        Err(error @ (ArchiveError::CutOff { .. } | ArchiveError::Read { .. })) => {
            Err(Failed::Cut(with_causes(&error)))
        }
        Err(error) => Err(Failed::ForGood(with_causes(&error))),
    }
}
