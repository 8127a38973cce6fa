//! What has changed since the default branch: the paths that differ between a commit and its merge base
//! with that branch. Reads objects and refs, and nothing of a working tree.

use std::collections::BTreeSet;
use std::path::Path;

use git2::{ErrorCode, Odb, Oid, Repository};

/// The reference that names the default branch of the repository that this one was cloned from.
pub(super) const DEFAULT_BRANCH: &str = "refs/remotes/origin/HEAD";
/// What default branches are called where nothing says.
const USUAL: [&str; 2] = ["main", "master"];

/// Finds the commit of the default branch: the origin's, else the one that new repositories get.
pub(super) fn default_branch(repository: &Repository) -> Option<Oid> {
    let commit = |name: &str| repository.find_reference(name).ok()?.peel_to_commit().ok().map(|it| it.id());
    let set = repository.config().and_then(|config| config.get_string("init.defaultBranch")).ok();
    let names = || set.as_deref().into_iter().chain(USUAL);
    commit(DEFAULT_BRANCH)
        .or_else(|| names().find_map(|name| commit(&format!("refs/remotes/origin/{name}"))))
        .or_else(|| names().find_map(|name| commit(&format!("refs/heads/{name}"))))
}

/// Finds the paths that differ between a commit and its merge base with another one; none when there is
/// no such base, or not all of the history between.
///
/// # Errors
/// When an object cannot be read.
pub(super) fn since(
    repository: &Repository,
    head: Oid,
    other: Oid,
) -> Result<Option<BTreeSet<Vec<u8>>>, git2::Error> {
    let known = |result: Result<Oid, git2::Error>| match result {
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        result => result.map(Some),
    };
    let Some(base) = known(repository.merge_base(head, other))? else { return Ok(None) };
    let tree = |commit: Oid| repository.find_commit(commit)?.tree();
    let diff = repository.diff_tree_to_tree(Some(&tree(base)?), Some(&tree(head)?), None)?;
    let mut paths = BTreeSet::new();
    for delta in diff.deltas() {
        let sides = [delta.old_file().path_bytes(), delta.new_file().path_bytes()];
        paths.extend(sides.into_iter().flatten().map(<[u8]>::to_vec));
    }
    Ok(Some(paths))
}

/// A repository of objects alone.
///
/// # Errors
/// When they cannot be opened.
pub(super) fn of_objects(objects: &Path) -> Result<Repository, git2::Error> {
    let store = Odb::new()?;
    let path = objects.to_str().ok_or_else(|| git2::Error::from_str("its path is not UTF-8"))?;
    store.add_disk_alternate(path)?;
    Repository::from_odb(store)
}
