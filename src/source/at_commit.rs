//! A source of which the pipeline is that of another commit (language L35): its file, and those it includes, are
//! read from git's objects; everything else that a pipeline asks is asked of the source itself.
//!
//! It never reads a working tree, and follows no link.

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository};

use super::captured::Captured;
use super::fetch::SILENCE;
use super::git::Source;
use super::patience::{self, Waited};
use super::resolve::full_commit;
use super::view::DirectoryView;
use super::watch::Watch;
use crate::plan::expression::Files;
use crate::plan::facts::{GitFacts, SourceView};

/// Git's modes of regular files.
const FILES: [i32; 3] = [0o100_644, 0o100_664, 0o100_755];

/// A source, and the commit that its pipeline is taken from.
#[derive(Debug)]
pub struct AtCommit<'a> {
    objects: PathBuf,
    commit: Oid,
    of: &'a dyn SourceView,
}

impl<'a> AtCommit<'a> {
    /// Takes the pipeline of a directory from a commit, named in full, of its repository.
    ///
    /// # Errors
    /// When that is no commit, or not there.
    pub fn of_directory(view: &'a DirectoryView, commit: &str) -> io::Result<Self> {
        let root = view.root().to_owned();
        let objects =
            patiently(view.root(), move || match Source::open(&root).map_err(io::Error::other)? {
                Some(source) => Ok(source.objects()),
                None => Err(io::Error::new(ErrorKind::NotFound, "there is no repository")),
            })?;
        Self::open(objects, commit, view)
    }

    /// Takes the pipeline of what was captured from a URL from a commit, named in full, of the repository there.
    ///
    /// # Errors
    /// As [`of_directory`](Self::of_directory).
    pub fn of_capture(captured: &'a Captured, commit: &str) -> io::Result<Self> {
        let base = captured.base.as_ref();
        let none = || io::Error::new(ErrorKind::NotFound, "there is no repository");
        Self::open(base.ok_or_else(none)?.path.join("tree/.git/objects"), commit, captured)
    }

    fn open(objects: PathBuf, commit: &str, of: &'a dyn SourceView) -> io::Result<Self> {
        let commit = full_commit(commit).ok_or_else(|| {
            io::Error::new(ErrorKind::InvalidInput, "it is not a commit in full, of 40 hexadecimal digits")
        })?;
        let found = Self { objects, commit, of };
        found.ask(move |repository| repository.find_commit(commit).map(|_| ()).map_err(git))?;
        Ok(found)
    }

    /// Asks for objects, and nothing else of a repository.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Repository) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let objects = self.objects.clone();
        patiently(&self.objects, move || {
            let path = objects.to_str().ok_or_else(|| io::Error::from(ErrorKind::InvalidFilename))?;
            let database = Odb::new().map_err(git)?;
            database.add_disk_alternate(path).map_err(git)?;
            question(&Repository::from_odb(database).map_err(git)?)
        })
    }
}

/// Has git do something on a thread that may be given up on.
fn patiently<T: Send + 'static>(
    place: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let name = place.display().to_string();
    match patience::wait(SILENCE, Watch::new(&name, &|| true), |_| work())? {
        Waited::Done(answer) => answer,
        Waited::Stopped | Waited::Silent => {
            Err(io::Error::new(ErrorKind::TimedOut, "git says nothing; the repository may be damaged"))
        }
    }
}

impl SourceView for AtCommit<'_> {
    fn git(&self) -> io::Result<GitFacts> {
        self.of.git()
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let (commit, path) = (self.commit, down(path)?);
        self.ask(move |repository| blob(repository, commit, &path, limit))
    }

    fn files(&self) -> &dyn Files {
        self.of.files()
    }
}

fn blob(repository: &Repository, commit: Oid, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let tree = repository.find_commit(commit).and_then(|commit| commit.tree()).map_err(git)?;
    let entry = match tree.get_path(path) {
        Ok(entry) => entry,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(git(error)),
    };
    if !FILES.contains(&entry.filemode_raw()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file in that commit"));
    }
    let (length, kind) = repository.odb().and_then(|objects| objects.read_header(entry.id())).map_err(git)?;
    if kind != ObjectType::Blob || u64::try_from(length).is_ok_and(|length| length > limit) {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is longer than {limit} bytes")));
    }
    Ok(Some(repository.find_blob(entry.id()).map_err(git)?.content().to_vec()))
}

/// A path that leads down from the root of a tree, without `.` in it.
fn down(path: &Path) -> io::Result<PathBuf> {
    let names = path.components().filter(|component| *component != Component::CurDir);
    let names = names.map(|component| match component {
        Component::Normal(name) => Ok(name),
        _ => Err(io::Error::new(ErrorKind::InvalidInput, "it does not lead down from the source's root")),
    });
    names.collect()
}

fn git(error: git2::Error) -> io::Error {
    match error.code() {
        ErrorCode::NotFound => io::Error::new(ErrorKind::NotFound, "the repository does not have it"),
        _ => io::Error::other(error.message().to_owned()),
    }
}
