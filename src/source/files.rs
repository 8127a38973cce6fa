//! What expressions ask about the files of a source: those that a capture has, and no others.
//!
//! Looks at nothing before somebody asks, and at each thing once.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use git2::Oid;
use sha2::{Digest, Sha256};

use super::beneath;
use super::captured::Captured;
use super::directory::{below, look};
use super::error::{SourceError, io_at};
use super::fetch::SILENCE;
use super::git::Source;
use super::known::{self, Known};
use super::listing::{Listing, join};
use super::patience::{self, Waited};
use super::since::{DEFAULT_BRANCH, default_branch, of_objects, since};
use super::walk::{self, Rules};
use super::watch::Watch;
use crate::base::{Tree, glob, hex};
use crate::plan::expression::Files;

/// Refs of a capture that are larger are not looked through.
const MOST_REFS: u64 = 64 << 20;

/// The files of a source, looked at when somebody asks.
#[derive(Debug)]
pub(super) struct LazyFiles {
    root: PathBuf,
    /// Our own directory in there, which is no part of the source.
    skipped: Option<Vec<u8>>,
    clone: Option<Cloned>,
    seen: OnceLock<Result<Seen, String>>,
    changes: OnceLock<Result<Changes, String>>,
}

/// The capture of a URL.
#[derive(Clone, Debug)]
struct Cloned {
    objects: PathBuf,
    commit: Option<Oid>,
    /// The commit of the server's default branch.
    default: Option<Oid>,
}

#[derive(Debug)]
struct Seen {
    listing: Listing,
    /// What is not as it is in the commit; nothing where there is no repository.
    local: BTreeSet<Vec<u8>>,
}

#[derive(Debug)]
enum Changes {
    Since(BTreeSet<Vec<u8>>),
    /// Nobody can tell, for this reason.
    Unknown(&'static str),
}

impl LazyFiles {
    /// Those of a directory, which is the root of its repository if it is in one.
    pub(super) fn of_directory(root: &Path, home: Option<&Path>) -> Self {
        let skipped = home.and_then(|home| below(root, home));
        Self { root: root.to_owned(), skipped, clone: None, seen: OnceLock::new(), changes: OnceLock::new() }
    }

    /// Those of a URL's capture.
    pub(super) fn of_capture(captured: &Captured) -> Self {
        let root = match &captured.tree {
            Tree::Plain(root) => root,
            // The layers above it hold `.git` alone.
            Tree::Layers { lowers, upper, .. } => lowers.last().unwrap_or(upper),
        };
        let read = |path: &str| {
            let data = captured.read(Path::new(path), MOST_REFS).ok().flatten()?;
            String::from_utf8(data).ok()
        };
        let default = read(&format!(".git/{DEFAULT_BRANCH}")).and_then(|text| {
            let name = text.trim().strip_prefix("ref: ")?.to_owned();
            let refs = read(".git/packed-refs")?;
            let mut lines = refs.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(_, found)| *found == name).and_then(|(commit, _)| Oid::from_str(commit).ok())
        });
        let commit = Oid::from_str(&captured.git.sha).ok();
        let clone = Some(Cloned { objects: root.join(".git/objects"), commit, default });
        Self { clone, ..Self::of_directory(root, None) }
    }

    fn seen(&self) -> Result<&Seen, String> {
        self.seen
            .get_or_init(|| self.look().map_err(|error| error.to_string()))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn look(&self) -> Result<Seen, SourceError> {
        let name = self.root.display().to_string();
        let watch = Watch::new(&name, &|| true);
        let mut local = BTreeSet::new();
        let known = if self.clone.is_some() { None } else { known::read(&self.root, watch)? };
        let Some(Known { source, index, fresh, mut changed, .. }) = known else {
            // A clone was checked out with nothing beside it.
            let ignore_file = if self.clone.is_some() { "" } else { ".windlassignore" };
            let (walk, _) = walk::walk(
                &self.root,
                Rules { ignore_file, skipped: self.skipped.clone(), ..Rules::default() },
                watch,
            )?;
            return Ok(Seen { listing: walk.listing, local });
        };
        let (walk, index) = look(&source, index, &fresh, &mut changed, self.skipped.clone(), watch)?;
        local.append(&mut changed);
        let tracked: BTreeSet<&[u8]> =
            index.iter().flat_map(|index| index.entries().iter().map(|entry| index.path(entry))).collect();
        let untracked = paths(&walk.listing).filter(|path| !tracked.contains(path.as_slice()));
        local.extend(untracked);
        Ok(Seen { listing: walk.listing, local })
    }

    fn changes(&self) -> Result<&Changes, String> {
        let found = self.changes.get_or_init(|| self.compare().map_err(|error| error.to_string()));
        found.as_ref().map_err(Clone::clone)
    }

    /// Compares with the default branch, on a thread that may be given up on.
    fn compare(&self) -> Result<Changes, SourceError> {
        let name = self.root.display().to_string();
        let (root, clone) = (self.root.clone(), self.clone.clone());
        let compare = move |_: &_| {
            let failed = |source| SourceError::Repository { path: root.clone(), source };
            let (bare, repository, commit, default);
            let source = if clone.is_some() { None } else { Source::open(&root)? };
            match (&clone, &source) {
                (Some(clone), _) => {
                    bare = of_objects(&clone.objects).map_err(failed)?;
                    repository = &bare;
                    (commit, default) = (clone.commit, clone.default);
                }
                (None, Some(source)) => {
                    repository = source.repository();
                    let head = repository.head().ok().and_then(|head| head.peel_to_commit().ok());
                    (commit, default) = (head.map(|commit| commit.id()), default_branch(repository));
                }
                (None, None) => return Ok(Changes::Unknown("there is no repository")),
            }
            let Some(commit) = commit else { return Ok(Changes::Unknown("there is no commit yet")) };
            let Some(default) = default else {
                return Ok(Changes::Unknown("the repository's default branch is not known"));
            };
            let found = since(repository, commit, default).map_err(failed)?;
            let unknown = "the history that the commit has in common with the default branch is not here";
            Ok(found.map_or(Changes::Unknown(unknown), Changes::Since))
        };
        let stuck = || SourceError::Stuck { path: self.root.clone(), seconds: SILENCE.as_secs() };
        match patience::wait(SILENCE, Watch::new(&name, &|| true), compare)
            .map_err(io_at("start a thread for", &self.root))?
        {
            Waited::Done(found) => found,
            Waited::Stopped | Waited::Silent => Err(stuck()),
        }
    }

    fn digest(&self, path: &[u8]) -> io::Result<[u8; 32]> {
        let (directory, name) = super::listing::split(path);
        let opened = beneath::open_directory(beneath::open_root(&self.root)?, directory)?;
        let mut hash = Sha256::new();
        match beneath::open_file(&opened, name) {
            Ok(file) => {
                let mut file = File::from(file);
                let mut buffer = vec![0; 64 << 10];
                loop {
                    match file.read(&mut buffer)? {
                        0 => break,
                        read => hash.update(buffer.get(..read).unwrap_or_default()),
                    }
                }
            }
            Err(rustix::io::Errno::LOOP) => {
                let target = rustix::fs::readlinkat(&opened, name, Vec::new())?;
                hash.update(target.as_bytes());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(hash.finalize().into())
    }
}

impl Files for LazyFiles {
    fn exist(&self, patterns: &[String]) -> Result<bool, String> {
        check(patterns)?;
        Ok(paths(&self.seen()?.listing).any(|path| matches(patterns, &path)))
    }

    fn changed(&self, patterns: &[String]) -> Result<bool, String> {
        check(patterns)?;
        Ok(match self.changes()? {
            Changes::Unknown(_) => true,
            Changes::Since(since) => {
                let local = &self.seen()?.local;
                since.iter().chain(local).any(|path| matches(patterns, path))
            }
        })
    }

    fn hash(&self, patterns: &[String]) -> Result<String, String> {
        check(patterns)?;
        let mut found: Vec<_> = paths(&self.seen()?.listing).filter(|path| matches(patterns, path)).collect();
        if found.is_empty() {
            return Ok(String::new());
        }
        found.sort();
        let mut whole = Sha256::new();
        for path in found {
            let shown = || String::from_utf8_lossy(&path).into_owned();
            let content =
                self.digest(&path).map_err(|error| format!("cannot read `{}`: {error}", shown()))?;
            whole.update(&path);
            whole.update([0]);
            whole.update(content);
        }
        Ok(hex(&whole.finalize()))
    }

    fn unsure(&self) -> Option<String> {
        match self.changes() {
            Ok(Changes::Unknown(why)) => Some((*why).to_owned()),
            Ok(Changes::Since(_)) | Err(_) => None,
        }
    }
}

/// The paths of all files.
fn paths(listing: &Listing) -> impl Iterator<Item = Vec<u8>> {
    let files = listing.files().filter_map(|pick| listing.get(pick));
    files.map(|(directory, entry)| join(&directory.path, directory.name(entry)))
}

fn matches(patterns: &[String], path: &[u8]) -> bool {
    patterns.iter().any(|pattern| glob::matches(pattern.as_bytes(), path))
}

/// Refuses what can never match.
fn check(patterns: &[String]) -> Result<(), String> {
    if patterns.is_empty() {
        return Err("no pattern of files is given; name one: 'web/**'".to_owned());
    }
    patterns.iter().find_map(|pattern| glob::mistake(pattern)).map_or(Ok(()), Err)
}
