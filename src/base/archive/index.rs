//! Where the files of an archive lie in it, for whoever reads only some of them. Nothing is extracted.
//!
//! It is as strict as the extractor about what two programs could read in two ways. Links are kept as the names
//! that they lead to, inside the archive only.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::entries::{Entries, Entry};
use super::error::ArchiveError;
use super::header::Kind;
use super::{Limits, names};

/// How many links may lead from one to the next.
const MOST_LINKS: usize = 16;

/// What an archive holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    members: BTreeMap<PathBuf, Member>,
}

/// The bytes of a file in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// The first of them.
    pub begin: u64,
    /// How many there are.
    pub length: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Member {
    File(Section),
    Link(PathBuf),
}

impl Index {
    /// The file of this name, also by way of links.
    pub fn file(&self, path: &Path) -> Option<Section> {
        let mut path = path;
        for _ in 0..MOST_LINKS {
            match self.members.get(path)? {
                Member::File(section) => return Some(*section),
                Member::Link(target) => path = target,
            }
        }
        None
    }
}

/// Looks through an archive from its beginning to its end, and reads no file in it.
///
/// # Errors
/// [`ArchiveError`], which names the entry.
pub fn index(archive: impl Read + Seek, limits: &Limits) -> Result<Index, ArchiveError> {
    let mut entries = Entries::new(archive, limits);
    let mut members = BTreeMap::new();
    let mut kept = 0_u64;
    while let Some(entry) = entries.next()? {
        let refused = |problem| ArchiveError::Refused { entry: entry.place.clone(), problem };
        let path = names::inside(&entry.name, limits).map_err(refused)?;
        let begin = entries.skip(&entry)?;
        let member = match entry.kind {
            Kind::File => Member::File(Section { begin, length: entry.size }),
            Kind::HardLink => Member::Link(names::inside(&entry.link, limits).map_err(refused)?),
            Kind::Link => Member::Link(target(&path, &entry, limits).map_err(refused)?),
            _ => continue,
        };
        kept = kept.saturating_add((entry.name.len() + entry.link.len()) as u64);
        if kept > limits.kept {
            return Err(entries.too_much(limits.kept, "bytes of names"));
        }
        if members.insert(path, member).is_some() {
            return Err(entries.refused("is there twice"));
        }
    }
    Ok(Index { members })
}

/// The name that a symbolic link leads to.
fn target(path: &Path, entry: &Entry, limits: &Limits) -> Result<PathBuf, &'static str> {
    // It stays inside, and goes up at its beginning alone.
    names::target(path, &entry.link, limits)?;
    let mut leads = path.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(OsStr::from_bytes(&entry.link)).components() {
        match part {
            Component::ParentDir => {
                leads.pop();
            }
            Component::Normal(name) => leads.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(leads)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn archive(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().expect("a vector takes everything")
    }

    fn add(to: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        to.append_data(&mut header, path, content).expect("a vector takes everything");
    }

    fn link(to: &mut tar::Builder<Vec<u8>>, path: &str, target: &str) {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        to.append_link(&mut header, path, target).expect("a vector takes everything");
    }

    fn indexed(bytes: &[u8]) -> Result<Index, String> {
        index(Cursor::new(bytes), &Limits::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_found_by_their_names_and_by_links() {
        let bytes = archive(|to| {
            add(to, "./a/layer.tar", b"first");
            add(to, "b/json", b"{}");
            link(to, "b/layer.tar", "../a/layer.tar");
            link(to, "round", "round");
        });
        let index = indexed(&bytes).expect("it is an archive");
        let content = |path: &str| {
            let found = index.file(Path::new(path))?;
            let [begin, length] =
                [found.begin, found.length].map(|at| usize::try_from(at).expect("it is small"));
            bytes.get(begin..begin + length)
        };
        assert_eq!(content("a/layer.tar"), Some(b"first".as_slice()));
        assert_eq!(content("b/layer.tar"), Some(b"first".as_slice()));
        assert_eq!(content("b/json"), Some(b"{}".as_slice()));
        assert_eq!((content("round"), content("b"), content("c")), (None, None, None));
    }

    #[test]
    fn what_is_cut_off_or_leads_out_is_refused() {
        let whole = archive(|to| add(to, "a", &[7; 2000]));
        assert!(indexed(&whole[..1000]).expect_err("it is cut off").contains("cut off"));
        assert!(indexed(b"no archive").expect_err("it is none").contains("cut off"));
        assert!(indexed(&[b'x'; 512]).expect_err("it is none").contains("checksum"));
        let out = archive(|to| link(to, "a", "../b"));
        assert!(indexed(&out).expect_err("it leads out").contains("leads out"));
        let twice = archive(|to| {
            add(to, "a", b"1");
            add(to, "./a", b"2");
        });
        assert!(indexed(&twice).expect_err("it is ambiguous").contains("twice"));
    }
}
