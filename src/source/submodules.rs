//! Submodules of what was fetched from a URL, where they are asked for: from the same host alone, two deep,
//! each at the very commit that is named, and their files without a `.git`.
//!
//! `.gitmodules` is read from the commit, never from the disk; names and paths in it are never used as
//! paths of ours.

use std::fs;
use std::path::{Path, PathBuf};

use git2::build::CheckoutBuilder;
use git2::{Commit, ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};

use super::beneath;
use super::error::{Said, SourceError, io_at};
use super::fetch::{self, Fetcher};
use super::remote::Remote;

/// A submodule's submodules are fetched, and theirs are not.
const DEPTH: usize = 2;
/// More than this in one tree is no project.
const MOST: usize = 100;
const LARGEST: usize = 1 << 20;
const REGULAR: [i32; 2] = [0o100_644, 0o100_755];

/// A place in a tree where another repository's commit belongs.
#[derive(Debug)]
struct Link {
    path: String,
    commit: Oid,
}

/// Fetches the submodules of a commit into its checkout, and names those that are too deep.
///
/// # Errors
/// [`SourceError::Submodule`] with the one that is not as it must be; as [`Fetcher::fetch`].
pub(super) fn fill(
    fetcher: Fetcher<'_>,
    commit: &Commit<'_>,
    repository: &Repository,
    tree: &Path,
    draft: &Path,
) -> Result<Vec<String>, SourceError> {
    let mut filler = Filler { draft, made: 0, left: Vec::new() };
    filler.level(fetcher, commit, repository, tree, 1)?;
    Ok(filler.left)
}

struct Filler<'a> {
    draft: &'a Path,
    made: usize,
    left: Vec<String>,
}

impl Filler<'_> {
    fn level(
        &mut self,
        fetcher: Fetcher<'_>,
        commit: &Commit<'_>,
        repository: &Repository,
        tree: &Path,
        depth: usize,
    ) -> Result<(), SourceError> {
        let parent = fetcher.remote;
        let failed = |source| SourceError::Checkout { url: parent.url.clone(), source: Said::from(source) };
        let links = links(commit).map_err(failed)?;
        if depth > DEPTH {
            self.left.extend(links.into_iter().map(|link| link.path));
            return Ok(());
        }
        let Some(first) = links.first() else { return Ok(()) };
        let bad = |path: &str, problem: String| SourceError::Submodule {
            url: parent.url.clone(),
            path: path.to_owned(),
            problem,
        };
        let text = modules(commit, repository).map_err(|problem| bad(&first.path, problem))?;
        for link in &links {
            self.made += 1;
            if self.made > MOST {
                return Err(bad(&link.path, format!("there are more than {MOST}")));
            }
            let url = url_of(&text, &link.path)
                .ok_or_else(|| bad(&link.path, ".gitmodules gives no URL for it".into()))?;
            let remote = resolve(parent, &url).map_err(|problem| bad(&link.path, problem))?;
            let fetcher = Fetcher { remote: &remote, ..fetcher };
            let place = self.draft.join(format!("submodule-{}", self.made));
            fs::create_dir(&place).map_err(io_at("create", &place))?;
            let fetched = fetcher.fetch(fetch::init(&place)?, Some(link.commit))?;
            let commit = fetched
                .find_commit(link.commit)
                .map_err(|_| bad(&link.path, format!("`{}` has no commit {}", remote.url, link.commit)))?;
            let target = target(tree, &link.path).map_err(|problem| bad(&link.path, problem))?;
            let mut how = CheckoutBuilder::new();
            how.force().update_index(false).target_dir(&target);
            let failed =
                |source| SourceError::Checkout { url: remote.url.clone(), source: Said::from(source) };
            fetched.checkout_tree(commit.as_object(), Some(&mut how)).map_err(failed)?;
            self.level(fetcher, &commit, &fetched, &target, depth + 1)?;
            drop(commit);
            drop(fetched);
            crate::base::safe_dir::remove_tree(&place).map_err(io_at("remove", place))?;
        }
        Ok(())
    }
}

fn links(commit: &Commit<'_>) -> Result<Vec<Link>, git2::Error> {
    let mut links = Vec::new();
    commit.tree()?.walk(TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() == Some(ObjectType::Commit) {
            let path = format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes()));
            links.push(Link { path, commit: entry.id() });
        }
        TreeWalkResult::Ok
    })?;
    Ok(links)
}

/// The text of a commit's `.gitmodules`.
fn modules(commit: &Commit<'_>, repository: &Repository) -> Result<String, String> {
    let tree = commit.tree().map_err(|error| Said::from(error).to_string())?;
    let entry = tree.get_name(".gitmodules").ok_or("there is no .gitmodules")?;
    if !REGULAR.contains(&entry.filemode()) {
        return Err(".gitmodules is no regular file".into());
    }
    let blob = repository.find_blob(entry.id()).map_err(|error| Said::from(error).to_string())?;
    if blob.size() > LARGEST {
        return Err(".gitmodules is larger than 1 MiB".into());
    }
    String::from_utf8(blob.content().to_vec()).map_err(|_| ".gitmodules is not UTF-8".into())
}

/// The URL that a `.gitmodules` gives for a path.
fn url_of(text: &str, wanted: &str) -> Option<String> {
    let (mut path, mut url) = (None, None);
    for line in text.lines().map(str::trim).chain(["[end]"]) {
        if line.starts_with('[') {
            if path.as_deref() == Some(wanted) && url.is_some() {
                return url;
            }
            (path, url) = (None, None);
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            match key.trim().to_ascii_lowercase().as_str() {
                "path" => path = Some(value.to_owned()),
                "url" => url = Some(value.to_owned()),
                _ => {}
            }
        }
    }
    None
}

/// Where a submodule comes from: on the host of the repository it is in, and with the same credentials.
fn resolve(parent: &Remote, url: &str) -> Result<Remote, String> {
    if parent.scheme == "file" {
        return Err("submodules of a file URL could be any repository of this machine".into());
    }
    let absolute = if url.starts_with("./") || url.starts_with("../") {
        relative(&parent.url, url).ok_or_else(|| format!("`{url}` leads above the host"))?
    } else {
        url.to_owned()
    };
    let mut remote = Remote::parse(&absolute).map_err(|error| error.to_string())?;
    if !parent.has_origin_of(&remote.url) {
        return Err(format!("`{}` is on another host or by another protocol", remote.url));
    }
    if remote.user.is_none() || remote.user == parent.user {
        (remote.user, remote.password) = (parent.user.clone(), parent.password.clone());
    }
    Ok(remote)
}

/// A URL relative to another one, as git resolves it.
fn relative(base: &str, url: &str) -> Option<String> {
    // The part that every `..` leaves alone: scheme and host.
    let fixed = match base.find("://") {
        Some(scheme) => scheme + 3 + base.get(scheme + 3..)?.find('/')?,
        None => base.find(':')?,
    };
    let (fixed, path) = base.split_at_checked(fixed + 1)?;
    let mut parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    for part in url.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(format!("{fixed}{}", parts.join("/")))
}

/// The empty directory that a checkout has left for a submodule; no part of its path is a link.
fn target(tree: &Path, path: &str) -> Result<PathBuf, String> {
    let empty = || -> std::io::Result<bool> {
        beneath::open_directory(beneath::open_root(tree)?, path.as_bytes())?;
        Ok(tree.join(path).read_dir()?.next().is_none())
    };
    match empty() {
        Ok(true) => Ok(tree.join(path)),
        Ok(false) => Err("something else is in its place".into()),
        Err(error) => Err(format!("its place cannot be opened: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_found_by_path() {
        let text = "[submodule \"../../x\"]\n\tpath = a\n\turl = ../a\n[submodule \"b\"]\nURL=\"https://h/b\"\n\tpath=b c\n";
        assert_eq!(url_of(text, "a").as_deref(), Some("../a"));
        assert_eq!(url_of(text, "b c").as_deref(), Some("https://h/b"));
        assert_eq!(url_of(text, "x"), None);
    }

    #[track_caller]
    fn check(parent: &str, url: &str, expected: Option<&str>) {
        let parent = Remote::parse(parent).expect("a URL");
        let found = resolve(&parent, url);
        assert_eq!(found.as_ref().ok().map(|remote| remote.url.as_str()), expected, "{url}: {found:?}");
        if let Ok(remote) = found {
            assert_eq!((remote.user, remote.password), (parent.user, parent.password));
        }
    }

    #[test]
    fn submodules_stay_on_the_host() {
        let https = "https://me:s3cret@host/team/a.git";
        check(https, "../b.git", Some("https://host/team/b.git"));
        check(https, "./b.git", Some("https://host/team/a.git/b.git"));
        check(https, "https://host/x", Some("https://host/x"));
        check(https, "../../b/", Some("https://host/b"));
        check("git@host:team/a", "../b", Some("git@host:team/b"));
        check("ssh://git@host:22/team/a", "../b", Some("ssh://git@host:22/team/b"));
        for bad in [
            "../../../b",
            "https://other/x",
            "https://host:444/x",
            "http://host/x",
            "ssh://host/x",
            "file:///etc",
            "/etc",
            "--upload-pack=x",
            "-oProxyCommand=x",
            "ext::sh -c x",
            "../-x\n",
            "https://host.evil/x",
            "https://host@evil/x",
        ] {
            check(https, bad, None);
        }
        check("file:///srv/a", "../b", None);
    }
}
