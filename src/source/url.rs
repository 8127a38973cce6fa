//! From a git URL to a tree of our own: a base for each commit, made once, and a fresh `.git`.
//!
//! What was fetched for one commit is shared with the next, so that only what is new is fetched.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use git2::{Commit, Oid, Repository, build::CheckoutBuilder};
use rustix::fs::{AtFlags, chmodat};

use super::cache::{Cache, Generation};
use super::captured::{Captured, Trees};
use super::copy::{directory_mode, file_mode};
use super::error::{Said, SourceError, io_at};
use super::fetch::{self, Fetcher};
use super::fresh::{self, Fresh};
use super::git::{fresh_config, packed_refs};
use super::index::Index;
use super::layers;
use super::objects::{self, Stamps};
use super::place::{self, Content, Place};
use super::remote::{self, Remote};
use super::resolve::{self, Head, Named, Wanted};
use super::since::DEFAULT_BRANCH;
use super::walk::{self, Rules};
use super::watch::{GoesOn, Watch};
use super::{beneath, lfs, overlay, submodules};
use crate::base::RunId;
use crate::event::SourceSummary;
use crate::ledger::RunLedger;
use crate::plan::facts::GitFacts;

/// Commits of one repository that are kept, so that going back and forth fetches nothing.
const KEPT: usize = 4;

/// What is captured of a URL.
#[derive(Clone, Copy, Debug)]
pub struct FromUrl<'a> {
    /// The URL.
    pub url: &'a str,
    /// A branch, a tag or a commit; the default branch when absent.
    pub reference: Option<&'a str>,
    /// Whether its submodules are captured too.
    pub submodules: bool,
    /// How long the server may be silent before it is given up on.
    pub silence: Duration,
}

impl<'a> FromUrl<'a> {
    /// The default branch of a URL without submodules, from a server that may be silent for a minute.
    pub fn new(url: &'a str) -> Self {
        Self { url, reference: None, submodules: false, silence: fetch::SILENCE }
    }
}

/// Captures the repository behind a URL.
///
/// # Errors
/// [`SourceError`]; what was made for the run is removed again.
///
/// # Cancel safety
/// Blocks. It ends within moments, with [`SourceError::Cancelled`], once `goes_on` says no.
pub fn capture_url(
    home: &Path,
    from: FromUrl<'_>,
    run: &RunId,
    ledger: &RunLedger,
    goes_on: GoesOn<'_>,
) -> Result<Captured, SourceError> {
    let remote = Remote::parse(from.url)?;
    from.reference.map_or(Ok(()), remote::check_reference)?;
    let watch = Watch::new(&remote.url, goes_on);
    let kind: &[u8] = if from.submodules { b"url with submodules" } else { b"url" };
    let cache = Cache::open(home, &[kind, remote.url.as_bytes()], watch)?;
    let fetcher = Fetcher { remote: &remote, silence: from.silence, watch };
    let (base, wanted) = base(&cache, fetcher, from)?;
    let content = Base::read(&base)?;
    let trees = Trees::create(home, run, ledger)?;
    let fresh = content.fresh(&remote, &wanted.named);
    let made = match overlay::obstacle(trees.path()) {
        None => layers::over(trees.path(), &base.path.join("tree"), Some(&fresh)),
        Some(obstacle) => layers::copy_of(trees.path(), &base.path.join("tree"), &fresh, &obstacle, watch),
    };
    let (branch, tag) = match &wanted.named {
        Named::Branch(branch) => (branch.clone(), String::new()),
        Named::Tag(tag) => (String::new(), tag.clone()),
        Named::Commit(_) => (String::new(), String::new()),
    };
    let reference = [&branch, &tag].into_iter().find(|name| !name.is_empty()).cloned();
    match made {
        Ok((tree, mut notes)) => {
            if content.has_submodules() && !from.submodules {
                notes.push("submodules are not fetched; --submodules does that".into());
            }
            notes.extend(content.notes.lines().map(str::to_owned));
            Ok(Captured {
                tree,
                gid: place::workspace_gid(),
                summary: SourceSummary {
                    location: remote.url.clone(),
                    commit: Some(content.commit.clone()),
                    reference,
                    ..SourceSummary::default()
                },
                git: GitFacts { sha: content.commit, branch, tag, author: content.author, url: remote.url },
                notes,
                files: OnceLock::new(),
                trees: Some(trees),
                base: Some(base),
            })
        }
        Err(error) => {
            // The first error is the one that matters; what is left is in the ledger.
            drop(trees.remove(ledger));
            Err(error)
        }
    }
}

/// Finds the base of the commit that is asked for, or fetches it.
fn base(
    cache: &Cache<'_>,
    fetcher: Fetcher<'_>,
    from: FromUrl<'_>,
) -> Result<(Generation, Wanted), SourceError> {
    let is = |commit: Oid| {
        let text = commit.to_string();
        move |path: &Path| fs::read_to_string(path.join("commit")).is_ok_and(|found| found == text)
    };
    let full = from.reference.and_then(resolve::full_commit);
    if let Some(commit) = full
        && let Some(base) = cache.find(is(commit))?
    {
        return Ok((base, Wanted { commit: full, named: Named::Commit(commit.to_string()) }));
    }
    let heads = fetcher.list(cache.directory())?;
    let wanted = resolve::resolve(&fetcher.remote.url, from.reference, &heads)?;
    if let Some(commit) = wanted.commit
        && let Some(base) = cache.find(is(commit))?
    {
        return Ok((base, wanted));
    }
    let exclusive = cache.exclusive()?;
    if let Some(commit) = wanted.commit
        && let Some(base) = exclusive.find(is(commit))?
    {
        return Ok((base, wanted));
    }
    let near = exclusive.find(|_| true)?;
    let (base, ()) = exclusive.make(|draft| {
        let filling = Filling { draft, fetcher, wanted: &wanted, heads: &heads, submodules: from.submodules };
        filling.fill(near.as_ref())
    })?;
    drop((near, exclusive));
    cache.tidy(KEPT);
    Ok((base, wanted))
}

/// A base that is being made.
struct Filling<'a> {
    draft: &'a Path,
    fetcher: Fetcher<'a>,
    wanted: &'a Wanted,
    heads: &'a [Head],
    submodules: bool,
}

impl Filling<'_> {
    /// Fetches into a draft and checks the commit out there.
    fn fill(&self, near: Option<&Generation>) -> Result<(), SourceError> {
        let (remote, watch) = (self.fetcher.remote, self.fetcher.watch);
        let tree = self.draft.join("tree");
        place::root(&tree, 0o755)?;
        let repository = fetch::init(&tree)?;
        if let Some(near) = near {
            share(near, &tree, watch)?;
        }
        let repository = self.fetcher.fetch(repository, self.wanted.commit)?;
        if let Some(list) = fetch::shallow(remote) {
            let path = tree.join(".git/shallow");
            fs::write(&path, list).map_err(io_at("write", path))?;
        }
        let failed = |source| SourceError::Checkout { url: remote.url.clone(), source: Said::from(source) };
        let commit = self.commit(&repository)?;
        let mut how = CheckoutBuilder::new();
        repository.checkout_tree(commit.as_object(), Some(how.force())).map_err(failed)?;
        watch.check()?;
        let save = |name: &str, data: &[u8]| {
            let path = self.draft.join(name);
            fs::write(&path, data).map_err(io_at("write", path))
        };
        save("refs", &packed_refs(refs(&repository, self.heads).map_err(failed)?))?;
        if let Some(default) = default_branch(self.heads) {
            save("default", default.as_bytes())?;
        }
        save("author", commit.author().name_bytes())?;
        save("commit", commit.id().to_string().as_bytes())?;
        let git = tree.join(".git");
        for name in ["index", "shallow"] {
            match fs::rename(git.join(name), self.draft.join(name)) {
                Err(error) if name == "index" => return Err(io_at("rename", git.join(name))(error)),
                _ => {}
            }
        }
        let mut notes = Vec::new();
        if self.submodules {
            let left = submodules::fill(self.fetcher, &commit, &repository, &tree, self.draft)?;
            if !left.is_empty() {
                notes.push(format!("submodules more than two deep are not fetched: {}", left.join(", ")));
            }
        }
        drop(commit);
        drop(repository);
        strip(&git)?;
        notes.extend(open_up(&tree, watch)?);
        let notes = notes.iter().map(|note| note.replace(char::is_control, "?") + "\n");
        save("notes", notes.collect::<String>().as_bytes())
    }

    fn commit<'r>(&self, repository: &'r Repository) -> Result<Commit<'r>, SourceError> {
        let (Named::Branch(asked) | Named::Tag(asked) | Named::Commit(asked)) = &self.wanted.named;
        let found = match self.wanted.commit {
            Some(commit) => repository.find_commit(commit),
            None => repository.find_commit_by_prefix(asked),
        };
        found.map_err(|_| resolve::unknown(&self.fetcher.remote.url, asked, self.heads))
    }
}

/// Gives the draft the objects and refs of another base, so that those are not fetched again.
fn share(near: &Generation, tree: &Path, watch: Watch<'_>) -> Result<(), SourceError> {
    let old = near.path.join("tree");
    let scan = objects::scan(&[old.join(".git/objects")], &Stamps::new())?;
    fresh::object_directories(tree, &scan.folders)?;
    let none = BTreeSet::new();
    let place = Place { from: &old, to: tree, old: Some(&old), watch };
    let listing = super::listing::Listing::default();
    let content = Content { listing: &listing, files: &[], unchanged: &none, folders: &scan.folders };
    place::fill(&place, &content)?;
    let shallow = near.path.join("shallow");
    if shallow.exists() {
        fs::copy(&shallow, tree.join(".git/shallow")).map_err(io_at("copy", shallow))?;
    }
    let refs = near.path.join("refs");
    fs::copy(&refs, tree.join(".git/packed-refs")).map(drop).map_err(io_at("copy", refs))
}

/// The branches and tags whose objects were fetched, as a clone has them.
fn refs(repository: &Repository, heads: &[Head]) -> Result<Vec<(Vec<u8>, Oid)>, git2::Error> {
    let objects = repository.odb()?;
    let ours = |head: &Head| match head.name.strip_prefix("refs/heads/") {
        Some(branch) => Some(format!("refs/remotes/origin/{branch}")),
        None => head.name.starts_with("refs/tags/").then(|| head.name.clone()),
    };
    let found = heads.iter().filter_map(|head| Some((ours(head)?.into_bytes(), head.object)));
    Ok(found.filter(|(_, object)| objects.exists(*object)).collect())
}

/// The branch that the server checks out where nobody asks for another one.
fn default_branch(heads: &[Head]) -> Option<&str> {
    let head = heads.iter().find(|head| head.name == "HEAD")?;
    head.target.as_deref()?.strip_prefix("refs/heads/")
}

/// Leaves nothing of a `.git` but its objects.
fn strip(git: &Path) -> Result<(), SourceError> {
    for entry in git.read_dir().map_err(io_at("read", git))? {
        let entry = entry.map_err(io_at("read", git))?;
        if entry.file_name() != "objects" {
            let path = entry.path();
            crate::base::safe_dir::remove_tree(&path).map_err(io_at("remove", path))?;
        }
    }
    Ok(())
}

/// Gives a checked-out tree the modes of a workspace, and says what the user should know of it.
fn open_up(tree: &Path, watch: Watch<'_>) -> Result<Option<String>, SourceError> {
    let (found, _) = walk::walk(tree, Rules::default(), watch)?;
    let opened = beneath::open_root(tree).map_err(io_at("open", tree))?;
    let none = AtFlags::empty();
    for directory in &found.listing.directories {
        let failed = |path: &[u8]| io_at("change the mode of", beneath::under(tree, path));
        let path = if directory.path.is_empty() { b".".as_slice() } else { &directory.path };
        chmodat(&opened, path, directory_mode(directory.mode), none).map_err(failed(path))?;
        for entry in directory.entries.iter().filter(|entry| !entry.symlink) {
            let path = super::listing::join(&directory.path, directory.name(entry));
            chmodat(&opened, path.as_slice(), file_mode(entry.mode), none).map_err(failed(&path))?;
        }
    }
    let scan = objects::scan(&[tree.join(".git/objects")], &Stamps::new())?;
    fresh::object_directories(tree, &scan.folders)?;
    lfs::note(tree, &found.listing, watch)
}

/// What a base knows besides its tree.
struct Base {
    commit: String,
    /// Who made it.
    author: String,
    refs: Vec<u8>,
    /// Commits whose parents are not there; none in a base with all history.
    shallow: Option<Vec<u8>>,
    notes: String,
    /// The server's default branch.
    default: Option<String>,
    index: Vec<u8>,
    written: i64,
}

impl Base {
    fn read(base: &Generation) -> Result<Self, SourceError> {
        let get = |name: &str| {
            let path = base.path.join(name);
            fs::read(&path).map_err(io_at("read", path))
        };
        let index = base.path.join("index");
        let about = fs::metadata(&index).map_err(io_at("read", index))?;
        Ok(Self {
            commit: String::from_utf8_lossy(&get("commit")?).into_owned(),
            refs: get("refs")?,
            // These may be missing.
            shallow: get("shallow").ok(),
            notes: get("notes").map(|notes| String::from_utf8_lossy(&notes).into_owned()).unwrap_or_default(),
            author: get("author").map(|name| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default(),
            default: get("default").ok().and_then(|name| String::from_utf8(name).ok()),
            index: get("index")?,
            written: about.mtime().saturating_mul(1_000_000_000).saturating_add(about.mtime_nsec()),
        })
    }

    fn fresh(&self, remote: &Remote, named: &Named) -> Fresh {
        let head = match named {
            Named::Branch(branch) => format!("ref: refs/heads/{branch}\n"),
            Named::Tag(_) | Named::Commit(_) => format!("{}\n", self.commit),
        };
        let mut files = vec![
            ("HEAD".into(), head.into_bytes()),
            ("config".into(), fresh_config(None, &remote.url)),
            ("packed-refs".into(), self.refs.clone()),
        ];
        files.extend(self.shallow.clone().map(|shallow| ("shallow".into(), shallow)));
        if let Some(default) = &self.default {
            let name = format!("refs/remotes/origin/{default}");
            // A name that leads nowhere makes git complain.
            if self
                .refs
                .split(|byte| *byte == b'\n')
                .any(|line| line.ends_with(format!(" {name}").as_bytes()))
            {
                files.push((DEFAULT_BRANCH.into(), format!("ref: {name}\n").into_bytes()));
            }
        }
        if let Named::Branch(branch) = named {
            let path = Path::new("refs/heads").join(branch);
            files.push((path, format!("{}\n", self.commit).into_bytes()));
        }
        Fresh { files, index: Some((self.index.clone(), self.written)) }
    }

    fn has_submodules(&self) -> bool {
        Index::parse(&self.index)
            .is_ok_and(|index| index.entries().iter().any(super::index::Tracked::is_submodule))
    }
}
