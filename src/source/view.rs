//! How a source looks to the pipeline that is compiled for it: a directory as it is now, or a capture.
//!
//! It reads only what it is asked for, and writes nothing.

use std::io;
use std::path::{Path, PathBuf};

use super::captured::Captured;
use super::directory::root_of;
use super::files::LazyFiles;
use super::known;
use super::watch::Watch;
use crate::base::safe_dir::SafeDir;
use crate::plan::expression::Files;
use crate::plan::facts::{GitFacts, SourceView};

/// A directory, or the repository it is in, as it is now.
#[derive(Debug)]
pub struct DirectoryView {
    root: PathBuf,
    files: SafeDir,
    asked: LazyFiles,
}

impl DirectoryView {
    /// Opens a directory; the state directory `home` is no part of it, wherever it lies.
    ///
    /// # Errors
    /// When there is no such directory, or it may not be opened.
    pub fn open(directory: &Path, home: Option<&Path>) -> io::Result<Self> {
        let root = root_of(&directory.canonicalize()?);
        let files = SafeDir::open(&root)?;
        let asked = LazyFiles::of_directory(&root, home);
        Ok(Self { root, files, asked })
    }

    /// The root of the source.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl SourceView for DirectoryView {
    fn git(&self) -> io::Result<GitFacts> {
        let name = self.root.display().to_string();
        let known = known::read(&self.root, Watch::new(&name, &|| true)).map_err(io::Error::other)?;
        Ok(known.map(|known| known.facts).unwrap_or_default())
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match self.files.read_file(path, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn files(&self) -> &dyn Files {
        &self.asked
    }
}

impl SourceView for Captured {
    fn git(&self) -> io::Result<GitFacts> {
        Ok(self.git.clone())
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        Captured::read(self, path, limit)
    }

    fn files(&self) -> &dyn Files {
        self.files.get_or_init(|| LazyFiles::of_capture(self))
    }
}
