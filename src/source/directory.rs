//! From the user's directory to a tree of our own: an immutable base, a layer with what has changed
//! since the base was made, and a fresh `.git`.
//!
//! It reads the user's directory and never writes there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, statat};

use super::cache::{Cache, Generation};
use super::captured::{Captured, Trees};
use super::error::{SourceError, io_at};
use super::fresh::Fresh;
use super::git::Source;
use super::index::Index;
use super::known::{self, Known};
use super::listing::{Delta, Listing};
use super::manifest::Manifest;
use super::objects::{self, Folder, Stamps};
use super::place::{self, Content, Copies, Place};
use super::walk::{self, Rules, Walk};
use super::watch::{GoesOn, Watch};
use super::{beneath, layers, lfs, overlay};
use crate::base::{RunId, Tree};
use crate::event::SourceSummary;
use crate::ledger::RunLedger;
use crate::plan::facts::GitFacts;

/// Generations that are kept without anybody working on them.
const KEPT: usize = 1;
/// A layer that holds more than this is worth a new base. Few files never are.
const LAYER_FILES: usize = 1_000;
const LAYER_SHARE: usize = 4;
const LAYER_BYTES: u64 = 256 << 20;

/// The repository's root that a directory belongs to, or the directory itself.
pub fn root_of(directory: &Path) -> PathBuf {
    let root = Source::open(directory).ok().flatten().map(|source| source.root().to_owned());
    root.or_else(|| directory.canonicalize().ok()).unwrap_or_else(|| directory.to_owned())
}

/// The path of the state directory from the root of a source, where it lies in there: it is no part of it.
pub(super) fn below(root: &Path, home: &Path) -> Option<Vec<u8>> {
    let home = home.canonicalize().ok()?;
    let below = home.strip_prefix(root).ok()?.as_os_str().as_bytes();
    (!below.is_empty()).then(|| below.to_owned())
}

/// Captures a directory, or the repository it is in, with its uncommitted work.
///
/// # Errors
/// [`SourceError`]; what was made for the run is removed again.
///
/// # Cancel safety
/// Blocks. It ends at the next file, with [`SourceError::Cancelled`], once `goes_on` says no.
pub fn capture_directory(
    home: &Path,
    directory: &Path,
    run: &RunId,
    ledger: &RunLedger,
    goes_on: GoesOn<'_>,
) -> Result<Captured, SourceError> {
    let name = directory.display().to_string();
    let survey = Survey::of(directory, Some(home), Watch::new(&name, goes_on))?;
    let trees = Trees::create(home, run, ledger)?;
    let made = match overlay::obstacle(trees.path()) {
        None => survey.layers(home, trees.path()),
        Some(obstacle) => survey.copy(trees.path(), &obstacle),
    };
    match made {
        Ok(made) => Ok(Captured {
            tree: made.tree,
            gid: place::workspace_gid(),
            summary: survey.summary(None),
            git: survey.facts.clone(),
            notes: survey.notes(made.notes),
            files: OnceLock::new(),
            trees: Some(trees),
            base: made.base,
        }),
        Err(error) => {
            // The first error is the one that matters; what is left is in the ledger.
            drop(trees.remove(ledger));
            Err(error)
        }
    }
}

/// Takes a directory, or the repository it is in, as it is, to be mounted itself.
///
/// # Errors
/// [`SourceError`] when it cannot be read.
///
/// # Cancel safety
/// Blocks. It ends at the next file, with [`SourceError::Cancelled`], once `goes_on` says no.
pub fn in_place(directory: &Path, goes_on: GoesOn<'_>) -> Result<Captured, SourceError> {
    let name = directory.display().to_string();
    let survey = Survey::of(directory, None, Watch::new(&name, goes_on))?;
    let gid = fs::metadata(&survey.root).map_err(io_at("read", &survey.root))?.gid();
    Ok(Captured {
        tree: Tree::Plain(survey.root.clone()),
        gid,
        summary: survey.summary(Some(survey.root.clone())),
        git: survey.facts.clone(),
        notes: Vec::new(),
        files: OnceLock::new(),
        trees: None,
        base: None,
    })
}

/// What the user's directory is and holds.
struct Survey<'w> {
    watch: Watch<'w>,
    root: PathBuf,
    source: Option<Source>,
    fresh: Option<Fresh>,
    facts: GitFacts,
    walk: Walk,
    changed: u64,
    lfs: Option<String>,
}

/// Walks the working tree of a repository, and adds to `changed` what differs from the index.
pub(super) fn look(
    source: &Source,
    index: Index,
    fresh: &Fresh,
    changed: &mut BTreeSet<Vec<u8>>,
    skipped: Option<Vec<u8>>,
    watch: Watch<'_>,
) -> Result<(Walk, Option<Index>), SourceError> {
    let rules = Rules {
        ignore_file: ".gitignore",
        skipped,
        everywhere: source.excludes()?,
        index: Some(index),
        written: fresh.index_written(),
        file_mode: source.file_mode(),
        nested: true,
    };
    let (mut walk, index) = walk::walk(source.root(), rules, watch)?;
    changed.append(&mut walk.changed);
    for (path, known) in &walk.suspects {
        watch.check()?;
        if !changed.contains(path) && !source.holds(path, known) {
            changed.insert(path.clone());
        }
    }
    Ok((walk, index))
}

struct Made {
    tree: Tree,
    base: Option<Generation>,
    notes: Vec<String>,
}

impl<'w> Survey<'w> {
    fn of(directory: &Path, home: Option<&Path>, watch: Watch<'w>) -> Result<Self, SourceError> {
        let about = fs::metadata(directory).map_err(io_at("read", directory))?;
        if !about.is_dir() {
            return Err(SourceError::NotADirectory { path: directory.to_owned() });
        }
        let directory = directory.canonicalize().map_err(io_at("read", directory))?;
        // A state directory within the tree would hold a copy of itself.
        let within = |root: &Path| below(root, home?);
        let Some(Known { source, index, fresh, facts, mut changed }) = known::read(&directory, watch)? else {
            let rules =
                Rules { ignore_file: ".windlassignore", skipped: within(&directory), ..Rules::default() };
            let (walk, _) = walk::walk(&directory, rules, watch)?;
            let facts = GitFacts::default();
            return Ok(Self {
                watch,
                root: directory,
                source: None,
                fresh: None,
                facts,
                walk,
                changed: 0,
                lfs: None,
            });
        };
        let (walk, _) = look(&source, index, &fresh, &mut changed, within(source.root()), watch)?;
        let lfs = lfs::note(source.root(), &walk.listing, watch)?;
        Ok(Self {
            watch,
            root: source.root().to_owned(),
            source: Some(source),
            fresh: Some(fresh),
            facts,
            walk,
            changed: changed.len() as u64,
            lfs,
        })
    }

    fn summary(&self, in_place: Option<PathBuf>) -> SourceSummary {
        let named = [&self.facts.branch, &self.facts.tag].into_iter().find(|name| !name.is_empty());
        SourceSummary {
            location: self.root.display().to_string(),
            commit: Some(self.facts.sha.clone()).filter(|sha| !sha.is_empty()),
            reference: named.cloned(),
            changed: self.changed,
            untracked: if self.source.is_some() { self.walk.untracked } else { 0 },
            ignored: self.walk.ignored,
            in_place,
        }
    }

    fn notes(&self, mut notes: Vec<String>) -> Vec<String> {
        let listed = |paths: &[PathBuf]| {
            let mut names: Vec<_> = paths.iter().take(3).map(|path| path.display().to_string()).collect();
            if paths.len() > names.len() {
                names.push("…".into());
            }
            names.join(", ")
        };
        if !self.walk.repositories.is_empty() {
            notes.push(format!(
                "repositories within are captured without their .git: {}",
                listed(&self.walk.repositories)
            ));
        }
        if !self.walk.special.is_empty() {
            notes.push(format!("sockets, pipes and devices are left out: {}", listed(&self.walk.special)));
        }
        for lender in self.stores().unwrap_or_default().iter().skip(1) {
            notes.push(format!(
                "the objects that the repository borrows are in the workspace: {}",
                lender.display()
            ));
        }
        if self.source.as_ref().is_some_and(Source::is_partial) {
            notes
                .push("the repository is a partial clone: git in a step cannot fetch what is missing".into());
        }
        notes.extend(self.lfs.clone());
        notes
    }

    fn root_mode(&self) -> u32 {
        self.walk.listing.root_mode()
    }

    fn stores(&self) -> Result<Vec<PathBuf>, SourceError> {
        self.source.as_ref().map_or(Ok(Vec::new()), |source| objects::stores(&source.objects()))
    }

    /// A tree of the run's own, where layers cannot be used.
    fn copy(&self, trees: &Path, obstacle: &str) -> Result<Made, SourceError> {
        let (listing, fresh) = (&self.walk.listing, self.fresh.as_ref());
        let (tree, notes) =
            layers::copy(trees, &self.root, listing, &self.stores()?, fresh, obstacle, self.watch)?;
        Ok(Made { tree, base: None, notes })
    }

    /// A base, a layer on it, and a layer of the run's own.
    fn layers(&self, home: &Path, trees: &Path) -> Result<Made, SourceError> {
        let device = fs::metadata(&self.root).map_err(io_at("read", &self.root))?.dev();
        let cache = Cache::open(
            home,
            &[b"directory", self.root.as_os_str().as_bytes(), &device.to_le_bytes()],
            self.watch,
        )?;
        let stores = self.stores()?;
        let known = cache.newest()?.map(|base| self.against(base, &stores)).transpose()?;
        let (known, mut notes) = match known {
            Some(known) if !known.is_large() => (known, Vec::new()),
            other => self.rebase(&cache, other, &stores)?,
        };
        cache.tidy(KEPT);
        let layer = layers::begin(trees, self.root_mode())?;
        let Near { base, delta, folders, .. } = known;
        let copies = self.fill_layer(&layer, delta, &folders, &base, &stores)?;
        notes.extend(copies.notes());
        let tree = layers::complete(trees, &base.path.join("tree"), self.root_mode(), self.fresh.as_ref())?;
        Ok(Made { tree, base: Some(base), notes })
    }

    /// What has to be laid over a base. One whose manifest is unreadable counts as too far away.
    fn against(&self, base: Generation, stores: &[PathBuf]) -> Result<Near, SourceError> {
        let manifest = fs::read(base.path.join("manifest")).ok().and_then(|data| Manifest::decode(&data));
        let delta = self.walk.listing.since(&manifest.as_ref().unwrap_or(&Manifest::default()).listing);
        let stamps = manifest.as_ref().map(|manifest| &manifest.stamps);
        let scan = objects::scan(stores, stamps.unwrap_or(&Stamps::new()))?;
        let mut known = Near { base, delta, folders: scan.folders, old: manifest, files: 0, bytes: 0 };
        known.drop_known_objects();
        known.measure(&self.walk.listing);
        Ok(known)
    }

    /// Makes a new base, unless another capture has made one meanwhile that is near enough.
    fn rebase(
        &self,
        cache: &Cache<'_>,
        known: Option<Near>,
        stores: &[PathBuf],
    ) -> Result<(Near, Vec<String>), SourceError> {
        let exclusive = cache.exclusive()?;
        let mut near = known;
        if let Some(newest) = exclusive.find(|_| true)?
            && near.as_ref().is_none_or(|near| near.base.number != newest.number)
        {
            let newer = self.against(newest, stores)?;
            if !newer.is_large() {
                return Ok((newer, Vec::new()));
            }
            near = Some(newer);
        }
        let (base, notes) = exclusive.make(|draft| self.fill_base(draft, near.as_ref(), stores))?;
        drop(near);
        drop(exclusive);
        Ok((self.against(base, stores)?, notes))
    }

    fn fill_base(
        &self,
        draft: &Path,
        near: Option<&Near>,
        stores: &[PathBuf],
    ) -> Result<Vec<String>, SourceError> {
        let mut listing = self.walk.listing.clone();
        let near = near.filter(|near| near.old.is_some());
        let unchanged = near.map_or_else(BTreeSet::new, |near| {
            let changed: BTreeSet<_> = near.delta.files.iter().copied().collect();
            listing.files().filter(|pick| !changed.contains(pick)).collect()
        });
        let old = near.map(|near| near.base.path.join("tree"));
        let tree = draft.join("tree");
        let place = Place { from: &self.root, to: &tree, old: old.as_deref(), watch: self.watch };
        let (copies, scan) = layers::whole(&place, &listing, &unchanged, stores)?;
        let notes = copies.notes();
        listing.correct(copies.corrected);
        let stamps = if copies.objects_gone { Stamps::new() } else { scan.stamps };
        let manifest = draft.join("manifest");
        fs::write(&manifest, Manifest { listing, stamps }.encode()).map_err(io_at("write", manifest))?;
        Ok(notes)
    }

    fn fill_layer(
        &self,
        layer: &Path,
        mut delta: Delta,
        folders: &[Folder],
        base: &Generation,
        stores: &[PathBuf],
    ) -> Result<Copies, SourceError> {
        let listing = &self.walk.listing;
        let numbers = delta.directories.iter().copied().chain(delta.files.iter().map(|pick| pick.directory));
        place::directories(layer, listing, numbers)?;
        let place = Place { from: &self.root, to: layer, old: None, watch: self.watch };
        let none = BTreeSet::new();
        let content = Content { listing, files: &delta.files, unchanged: &none, folders };
        let copies = layers::fill(&place, &content, stores)?;
        // A file that went while we came to it must not be seen as it is in the base.
        let base = base.path.join("tree");
        for (pick, _) in copies.corrected.iter().filter(|(_, entry)| entry.is_none()) {
            if let Some((directory, entry)) = listing.get(*pick) {
                let path = super::listing::join(&directory.path, directory.name(entry));
                if beneath::under(&base, &path).symlink_metadata().is_ok() {
                    delta.gone.push(path);
                }
            }
        }
        let opened = beneath::open_root(layer).map_err(io_at("open", layer))?;
        for path in &delta.gone {
            let parents = listing.number(super::listing::split(path).0);
            place::directories(layer, listing, parents)?;
            place::whiteout(&opened, path).map_err(io_at("mark as gone", beneath::under(layer, path)))?;
        }
        Ok(copies)
    }
}

/// A base, and what has to be laid over it.
struct Near {
    base: Generation,
    delta: Delta,
    /// Objects that it does not hold.
    folders: Vec<Folder>,
    /// Its manifest, if it is readable.
    old: Option<Manifest>,
    files: usize,
    bytes: u64,
}

impl Near {
    fn drop_known_objects(&mut self) {
        if self.folders.is_empty() {
            return;
        }
        let objects = self.base.path.join("tree/.git/objects");
        let Ok(opened) = beneath::open_root(&objects) else { return };
        for folder in &mut self.folders {
            let Ok(opened) = beneath::open_directory(&opened, &folder.name) else { continue };
            folder.files.retain(|name| statat(&opened, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW).is_err());
        }
        self.folders.retain(|folder| !folder.files.is_empty());
    }

    fn measure(&mut self, listing: &Listing) {
        let changed = self.delta.files.iter().filter_map(|pick| listing.get(*pick));
        let mut bytes: u64 = changed.map(|(_, entry)| entry.marks.size).sum();
        for folder in &self.folders {
            let from = folder.store.join(beneath::path_of(&folder.name));
            let sizes = folder.files.iter().filter_map(|name| beneath::under(&from, name).metadata().ok());
            bytes += sizes.map(|about| about.len()).sum::<u64>();
        }
        let objects: usize = self.folders.iter().map(|folder| folder.files.len()).sum();
        (self.files, self.bytes) = (self.delta.files.len() + self.delta.gone.len() + objects, bytes);
    }

    fn is_large(&self) -> bool {
        let Some(old) = &self.old else { return true };
        let many = self.files > LAYER_FILES && self.files * LAYER_SHARE > old.listing.files().count();
        many || self.bytes > LAYER_BYTES
    }
}
