//! The trees of one run: layers for an overlay mount, or a copy where those cannot be used.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{SourceError, io_at};
use super::fresh::{self, Fresh};
use super::listing::{Listing, Pick};
use super::objects::{self, Scan, Stamps};
use super::place::{self, Content, Copies, Place};
use super::walk::{self, Rules};
use super::watch::Watch;
use crate::base::Tree;

/// Object files may vanish while a repository is packed; then they are in the new pack.
const ROUNDS: u32 = 3;

/// Begins the layer of changes of a run. It is empty, and has the root's mode.
pub(super) fn begin(trees: &Path, root_mode: u32) -> Result<PathBuf, SourceError> {
    let layer = trees.join("layer");
    place::root(&layer, root_mode)?;
    Ok(layer)
}

/// Completes the layers of a run: the fresh `.git` above the layer of changes, and the run's own.
pub(super) fn complete(
    trees: &Path,
    base: &Path,
    root_mode: u32,
    fresh: Option<&Fresh>,
) -> Result<Tree, SourceError> {
    let (layer, upper, work) = (trees.join("layer"), trees.join("upper"), trees.join("work"));
    fresh.map_or(Ok(()), |fresh| fresh::write(&layer, fresh))?;
    place::root(&upper, root_mode)?;
    fs::create_dir(&work).map_err(io_at("create", &work))?;
    Ok(Tree::Layers { lowers: vec![layer, base.to_owned()], upper, work })
}

/// The layers of a run over a base that is all it needs.
pub(super) fn over(
    trees: &Path,
    base: &Path,
    fresh: Option<&Fresh>,
) -> Result<(Tree, Vec<String>), SourceError> {
    begin(trees, 0o755)?;
    Ok((complete(trees, base, 0o755, fresh)?, Vec::new()))
}

/// A copy of a base that is all a run needs.
pub(super) fn copy_of(
    trees: &Path,
    base: &Path,
    fresh: &Fresh,
    obstacle: &str,
    watch: Watch<'_>,
) -> Result<(Tree, Vec<String>), SourceError> {
    let (found, _) = walk::walk(base, Rules::default(), watch)?;
    copy(trees, base, &found.listing, &[base.join(".git/objects")], Some(fresh), obstacle, watch)
}

/// A copy of a whole tree.
pub(super) fn copy(
    trees: &Path,
    from: &Path,
    listing: &Listing,
    stores: &[PathBuf],
    fresh: Option<&Fresh>,
    obstacle: &str,
    watch: Watch<'_>,
) -> Result<(Tree, Vec<String>), SourceError> {
    let tree = trees.join("tree");
    let place = Place { from, to: &tree, old: None, watch };
    let (copies, _) = whole(&place, listing, &BTreeSet::new(), stores)?;
    fresh.map_or(Ok(()), |fresh| fresh::write(&tree, fresh))?;
    let mut notes = vec![format!("the workspace is a copy, not a layer: {obstacle}")];
    notes.extend(copies.notes());
    Ok((Tree::Plain(tree), notes))
}

/// Makes a whole tree, its objects included. The files that an older tree has as well are shared with it.
pub(super) fn whole(
    place: &Place<'_>,
    listing: &Listing,
    unchanged: &BTreeSet<Pick>,
    stores: &[PathBuf],
) -> Result<(Copies, Scan), SourceError> {
    place::root(place.to, listing.root_mode())?;
    place::directories(place.to, listing, 0..listing.directories.len())?;
    let files: Vec<Pick> = listing.files().collect();
    let scan = objects::scan(stores, &Stamps::new())?;
    let content = Content { listing, files: &files, unchanged, folders: &scan.folders };
    let copies = fill(place, &content, stores)?;
    Ok((copies, scan))
}

/// Copies files and objects; the latter again if some went meanwhile.
pub(super) fn fill(
    place: &Place<'_>,
    content: &Content<'_>,
    stores: &[PathBuf],
) -> Result<Copies, SourceError> {
    fresh::object_directories(place.to, content.folders)?;
    let copies = place::fill(place, content)?;
    let mut gone = copies.objects_gone;
    for _ in 1..ROUNDS {
        if !gone {
            break;
        }
        let scan = objects::scan(stores, &Stamps::new())?;
        fresh::object_directories(place.to, &scan.folders)?;
        let again = Content { files: &[], folders: &scan.folders, ..*content };
        gone = place::fill(place, &again)?.objects_gone;
    }
    Ok(copies)
}
