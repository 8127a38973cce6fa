//! The user's repository, read: where it is, what it says of itself, and what a fresh `.git` made
//! from it holds besides objects.
//!
//! It writes nothing, not even a refreshed index; it runs no hook, no filter and no other program.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use git2::{Config, ErrorCode, ObjectType, Oid, Repository};

use super::beneath;
use super::error::{SourceError, io_at};
use super::fresh::Fresh;
use super::index::{Index, Tracked};
use super::obstacle;
use super::patience::Pulse;
use super::pattern::Patterns;
use super::remote;
use crate::plan::facts::GitFacts;

/// The user's repository.
pub(super) struct Source {
    repository: Repository,
    root: PathBuf,
}

/// Refs that mean something to one working tree or one operation only.
const PRIVATE: [&[u8]; 3] = [b"refs/bisect/", b"refs/worktree/", b"refs/rewritten/"];

impl Source {
    /// Opens the repository that a directory is in; none when there is no repository.
    ///
    /// # Errors
    /// [`SourceError::Repository`], [`SourceError::Bare`].
    pub(super) fn open(directory: &Path) -> Result<Option<Self>, SourceError> {
        let failed = |source| SourceError::Repository { path: directory.to_owned(), source };
        let directory = &directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        if let Some(path) = obstacle::above(directory) {
            let why = io::Error::other("it is a pipe or a device, and no file");
            return Err(io_at("read", path)(why));
        }
        let none: [&Path; 0] = [];
        let discover = |from: &Path| Repository::discover_path(from, none);
        let found = match discover(directory) {
            Ok(found) => found,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let repository = Repository::open(&found).map_err(failed)?;
        let Some(root) = repository.workdir() else {
            return Err(SourceError::Bare { path: directory.to_owned() });
        };
        let root = root.canonicalize().map_err(io_at("open", root))?;
        // `core.worktree` may name any directory, and that would be captured instead.
        if !directory.starts_with(&root) || discover(&root).ok().as_deref() != Some(repository.path()) {
            return Err(SourceError::Elsewhere { path: directory.to_owned(), root });
        }
        Ok(Some(Self { repository, root }))
    }

    /// The root of its working tree.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The repository, to be read.
    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Its directory of objects.
    pub(super) fn objects(&self) -> PathBuf {
        self.repository.commondir().join("objects")
    }

    fn failed(&self) -> impl Fn(git2::Error) -> SourceError {
        |source| SourceError::Repository { path: self.root.clone(), source }
    }

    /// The index, read, and what a fresh `.git` holds. The refs are read before anybody lists the
    /// objects, so that no ref can name an object that is not copied.
    pub(super) fn read(&self, pulse: &Pulse) -> Result<(Index, Fresh), SourceError> {
        let mut fresh = Fresh::default();
        let path = self.repository.path().join("index");
        let mut index = Index::default();
        if let Some(data) = read_optional(&path)? {
            index = Index::parse(&data).map_err(|(problem, help)| SourceError::Index {
                path: path.clone(),
                problem,
                help,
            })?;
            let about = fs::metadata(&path).map_err(io_at("read", &path))?;
            fresh.index =
                Some((data, about.mtime().saturating_mul(1_000_000_000).saturating_add(about.mtime_nsec())));
        }
        self.refs(&mut fresh, pulse).map_err(self.failed())?;
        let common = self.repository.commondir();
        for name in ["shallow", "info/exclude", "info/attributes"] {
            if let Some(data) = read_optional(&common.join(name))? {
                fresh.files.push((name.into(), data));
            }
        }
        let config =
            self.repository.config().and_then(|mut config| config.snapshot()).map_err(self.failed())?;
        fresh.files.push(("config".into(), fresh_config(Some(&config), &origin(&config))));
        Ok((index, fresh))
    }

    fn refs(&self, fresh: &mut Fresh, pulse: &Pulse) -> Result<(), git2::Error> {
        let head = self.repository.find_reference("HEAD")?;
        let text = match (head.symbolic_target_bytes(), head.target()) {
            (Some(target), _) => [b"ref: ", target, b"\n"].concat(),
            (None, target) => format!("{}\n", target.unwrap_or(Oid::ZERO_SHA1)).into_bytes(),
        };
        fresh.files.push(("HEAD".into(), text));
        let mut packed = Vec::new();
        for reference in self.repository.references()? {
            pulse.beat();
            let Ok(reference) = reference else { continue };
            let name = reference.name_bytes();
            let odd = std::str::from_utf8(name).is_ok_and(|name| !git2::Reference::is_valid_name(name));
            if odd || PRIVATE.iter().any(|private| name.starts_with(private)) {
                continue;
            }
            if let Some(target) = reference.symbolic_target_bytes() {
                fresh.files.push((beneath::path_of(name), [b"ref: ", target, b"\n"].concat()));
            } else if let Some(target) = reference.target() {
                packed.push((name.to_owned(), target));
            }
        }
        fresh.files.push(("packed-refs".into(), packed_refs(packed)));
        Ok(())
    }

    /// What a pipeline may ask about the commit.
    pub(super) fn facts(&self) -> Result<GitFacts, SourceError> {
        let failed = self.failed();
        let config = self.repository.config().and_then(|mut config| config.snapshot()).map_err(&failed)?;
        let mut facts = GitFacts { url: origin(&config), ..GitFacts::default() };
        let head = self.repository.find_reference("HEAD").map_err(&failed)?;
        if let Some(target) = head.symbolic_target_bytes() {
            let branch = target.strip_prefix(b"refs/heads/").unwrap_or_default();
            facts.branch = String::from_utf8_lossy(branch).into_owned();
        }
        let commit = match self.repository.head() {
            Ok(head) => head.peel_to_commit().map_err(&failed)?,
            Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
                return Ok(facts);
            }
            Err(error) => return Err(failed(error)),
        };
        facts.sha = commit.id().to_string();
        facts.author = String::from_utf8_lossy(commit.author().name_bytes()).into_owned();
        facts.tag = self.tag_of(commit.id()).map_err(&failed)?.unwrap_or_default();
        Ok(facts)
    }

    /// The first tag, by name, that stands for a commit.
    fn tag_of(&self, commit: Oid) -> Result<Option<String>, git2::Error> {
        let objects = self.repository.odb()?;
        let mut names = Vec::new();
        for tag in self.repository.references_glob("refs/tags/*")? {
            let Ok(tag) = tag else { continue };
            let direct = tag.target() == Some(commit) || tag.target_peel() == Some(commit);
            let annotated = || {
                let target = tag.target().filter(|_| tag.target_peel().is_none());
                target.is_some_and(|target| {
                    objects.read_header(target).is_ok_and(|(_, kind)| kind == ObjectType::Tag)
                        && tag.peel_to_commit().is_ok_and(|peeled| peeled.id() == commit)
                })
            };
            if direct || annotated() {
                let name = tag.name_bytes().strip_prefix(b"refs/tags/").unwrap_or_default();
                names.push(String::from_utf8_lossy(name).into_owned());
            }
        }
        Ok(names.into_iter().min())
    }

    /// What is ignored everywhere in it, the strongest last.
    pub(super) fn excludes(&self) -> Result<Vec<Patterns>, SourceError> {
        let config = self.repository.config().map_err(self.failed())?;
        let set = config.get_path("core.excludesFile").ok();
        let default = || {
            let base = std::env::var_os("XDG_CONFIG_HOME").filter(|base| !base.is_empty()).map(PathBuf::from);
            let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
            Some(base?.join("git/ignore"))
        };
        let own = self.repository.commondir().join("info/exclude");
        let mut all = Vec::new();
        // The user's own may well be a link.
        let set = set.or_else(default).map(|file| file.canonicalize().unwrap_or(file));
        for file in [set, Some(own)].into_iter().flatten() {
            all.push(Patterns::parse(&read_optional(&file)?.unwrap_or_default()));
        }
        Ok(all)
    }

    /// Whether the executable bit tells anything in the working tree.
    pub(super) fn file_mode(&self) -> bool {
        let config = self.repository.config();
        config.and_then(|config| config.get_bool("core.fileMode")).unwrap_or(true)
    }

    /// Adds the paths whose index entry differs from the commit.
    pub(super) fn staged(&self, index: &Index, changed: &mut BTreeSet<Vec<u8>>) -> Result<(), SourceError> {
        let failed = self.failed();
        let tree = match self.repository.head() {
            Ok(head) => Some(head.peel_to_tree().map_err(&failed)?),
            Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => None,
            Err(error) => return Err(failed(error)),
        };
        // What git itself wrote at the last commit spares the comparison.
        if let (Some(known), Some(tree)) = (&index.tree, &tree)
            && tree.id().as_bytes() == known
        {
            return Ok(());
        }
        let diff = self.repository.diff_tree_to_index(tree.as_ref(), None, None).map_err(&failed)?;
        for delta in diff.deltas() {
            let path = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes());
            changed.extend(path.map(<[u8]>::to_vec));
        }
        Ok(())
    }

    /// Whether a file of the working tree holds what the index says.
    pub(super) fn holds(&self, path: &[u8], known: &Tracked) -> bool {
        let file = beneath::under(&self.root, path);
        let found = if known.is_symlink() {
            fs::read_link(&file)
                .ok()
                .and_then(|target| Oid::hash_object(ObjectType::Blob, target.as_os_str().as_bytes()).ok())
        } else {
            Oid::hash_file(ObjectType::Blob, &file).ok()
        };
        found.is_some_and(|found| found.as_bytes() == known.oid)
    }

    /// Whether it has only part of its history's objects, and relies on a remote for the others.
    pub(super) fn is_partial(&self) -> bool {
        let config = self.repository.config();
        config.is_ok_and(|config| config.get_entry("extensions.partialClone").is_ok())
    }
}

/// Where a repository was cloned from, without credentials.
fn origin(config: &Config) -> String {
    // What another file says that is included is not the repository's to show.
    let entry = config.get_entry("remote.origin.url").ok().filter(|entry| entry.include_depth() == 0);
    entry.and_then(|entry| entry.value().ok().map(remote::without_credentials)).unwrap_or_default()
}

/// A list of refs as git packs them.
pub(super) fn packed_refs(mut refs: Vec<(Vec<u8>, Oid)>) -> Vec<u8> {
    refs.sort();
    let mut text = b"# pack-refs with: sorted \n".to_vec();
    for (name, target) in refs {
        text.extend_from_slice(format!("{target} ").as_bytes());
        text.extend_from_slice(&name);
        text.push(b'\n');
    }
    text
}

/// The config of a fresh `.git`. Of the old one only what says how to read the working tree is kept,
/// and only words that are known, so that nothing in it can name a program, a path or another file.
pub(super) fn fresh_config(old: Option<&Config>, url: &str) -> Vec<u8> {
    const KEPT: [(&str, &[&str]); 4] = [
        ("fileMode", &["false"]),
        ("ignoreCase", &["true"]),
        ("autocrlf", &["true", "input"]),
        ("eol", &["lf", "crlf", "native"]),
    ];
    // Times and sizes survive the copy; inodes and the time of the last change of mode do not.
    let mut text = String::from(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\ttrustctime = false\n\tcheckStat = minimal\n",
    );
    for (key, words) in KEPT {
        let value = old.and_then(|old| old.get_str(&format!("core.{key}")).ok());
        if let Some(word) = words.iter().find(|word| value == Some(**word)) {
            text.extend(["\t", key, " = ", word, "\n"]);
        }
    }
    if !url.is_empty() && !url.chars().any(char::is_control) {
        let quoted = url.replace('\\', "\\\\").replace('"', "\\\"");
        text.extend([
            "[remote \"origin\"]\n\turl = \"",
            &quoted,
            "\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
        ]);
    }
    text.into_bytes()
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, SourceError> {
    beneath::read_file(path).map_err(io_at("read", path))
}
