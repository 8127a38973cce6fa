//! The files that an image is made of: those of a directory, or those in an archive. Both are read beneath a handle
//! and through no link that leads out, and nothing is written.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::error::Problem;
use crate::base::archive::{self, Index, Limits};
use crate::base::{Tree, hex};

/// What is read into memory as a whole: indexes, manifests, configurations. Registries take 4 MiB.
const LIMIT: u64 = 8 << 20;
/// An image has some thousand files at most.
const LIMITS: Limits = Limits { entries: 100_000, bytes: u64::MAX, path: 4096, depth: 64, kept: 16 << 20 };
/// How whole files are compressed, by their first bytes, and what undoes it.
const COMPRESSED: [(&[u8], &str, &str); 4] = [
    (b"\x1f\x8b", "gzip", "gunzip"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
    (b"\xfd7zXZ\0", "xz", "unxz"),
    (b"BZh", "bzip2", "bunzip2"),
];

/// The files of an image.
#[derive(Debug)]
pub(super) enum Files {
    Directory { tree: Tree, path: PathBuf },
    Archive { file: Arc<File>, index: Index },
}

/// The bytes of one file.
#[derive(Debug)]
pub(super) struct Content {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Files {
    /// Opens what is at a path of a tree.
    pub(super) fn open(tree: &Tree, path: &Path) -> Result<Self, Problem> {
        let unread = |error| unread(path, error);
        let about = tree.look(|layer| layer.metadata(path)).map_err(unread)?.ok_or(Problem::Absent)?;
        if about.file_type().is_char_device() {
            // A whiteout: it was there before.
            return Err(Problem::Absent);
        }
        if about.is_symlink() {
            return Err(Problem::Link { what: shown(path) });
        }
        if about.is_dir() {
            return Ok(Self::Directory { tree: tree.clone(), path: path.to_owned() });
        }
        if !about.is_file() {
            return Err(Problem::Special);
        }
        let file = tree.look(|layer| layer.open_file(path)).map_err(unread)?.ok_or(Problem::Absent)?;
        let mut first = [0; 6];
        let read = file.read_at(&mut first, 0).map_err(unread)?;
        let first = first.get(..read).unwrap_or_default();
        if let Some((_, how, tool)) = COMPRESSED.iter().find(|(magic, ..)| first.starts_with(magic)) {
            return Err(Problem::Compressed { how, tool });
        }
        let index = archive::index(io::BufReader::new(&file), &LIMITS).map_err(Problem::Archive)?;
        Ok(Self::Archive { file: Arc::new(file), index })
    }

    /// A file by its path from the image's root; none when there is none.
    pub(super) fn find(&self, name: &Path) -> Result<Option<Content>, Problem> {
        match self {
            Self::Archive { file, index } => Ok(index.file(name).map(|section| Content {
                file: Arc::clone(file),
                at: section.begin,
                end: section.begin.saturating_add(section.length),
            })),
            Self::Directory { tree, path } => {
                let file = tree.look(|layer| layer.open_file(&path.join(name)));
                let file = file.map_err(|error| unread(name, error))?;
                let content = |file: File| {
                    let end = file.metadata().map_err(|error| unread(name, error))?.len();
                    Ok(Content { file: Arc::new(file), at: 0, end })
                };
                file.map(content).transpose()
            }
        }
    }

    /// A file that must be there.
    pub(super) fn get(&self, name: &Path) -> Result<Content, Problem> {
        self.find(name)?.ok_or_else(|| Problem::Missing { what: shown(name) })
    }

    /// Everything in a file, which is not to be large.
    pub(super) fn read(&self, name: &Path) -> Result<Option<Vec<u8>>, Problem> {
        let Some(mut content) = self.find(name)? else { return Ok(None) };
        if content.length() > LIMIT {
            return Err(Problem::TooLarge { what: shown(name), limit: LIMIT });
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|error| unread(name, error))?;
        Ok(Some(bytes))
    }

    /// Everything in a file that has this digest.
    pub(super) fn read_blob(&self, name: &Path, digest: &str) -> Result<Vec<u8>, Problem> {
        let bytes = self.read(name)?.ok_or_else(|| Problem::Missing { what: shown(name) })?;
        if digest_of(&bytes) == digest {
            return Ok(bytes);
        }
        Err(Problem::Damaged { what: shown(name), digest: digest.to_owned() })
    }
}

impl Content {
    /// How many bytes are left.
    pub(super) fn length(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    /// The first bytes, fewer where there are no more. They stay to be read.
    pub(super) fn first(&self) -> io::Result<Vec<u8>> {
        let mut first = [0; 6];
        let mut ahead = Content { file: Arc::clone(&self.file), ..*self };
        let read = ahead.read(&mut first)?;
        Ok(first.get(..read).unwrap_or_default().to_vec())
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.length()).unwrap_or(usize::MAX).min(buffer.len());
        let Some(piece) = buffer.get_mut(..want).filter(|piece| !piece.is_empty()) else { return Ok(0) };
        let read = self.file.read_at(piece, self.at)?;
        self.at += read as u64;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }
}

/// The digest of some bytes, as images have it.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What is said of a part that cannot be read.
pub(super) fn unread(path: &Path, source: io::Error) -> Problem {
    match Errno::from_io_error(&source) {
        Some(Errno::LOOP) => Problem::Link { what: shown(path) },
        _ => Problem::Read { what: shown(path), source },
    }
}
