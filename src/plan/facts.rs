//! What a pipeline may ask, when it is compiled, about the source it is compiled for.
//!
//! Owns the questions and the form of the answers; who answers is another room's business.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use super::expression::Files;

/// What git says of a commit; every text is empty when it is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitFacts {
    /// The commit, in full.
    pub sha: String,
    /// The branch that is checked out, without `refs/heads/`.
    pub branch: String,
    /// A tag that stands for the commit, without `refs/tags/`.
    pub tag: String,
    /// The name of the commit's author.
    pub author: String,
    /// Where the repository comes from, without credentials.
    pub url: String,
}

/// A source as it is looked at while its pipeline is compiled. Every call may touch a disk, so none is made
/// unless the file asks for it.
pub trait SourceView: fmt::Debug + Sync {
    /// Says which commit it is.
    ///
    /// # Errors
    /// When its repository cannot be read.
    fn git(&self) -> io::Result<GitFacts>;

    /// Reads a file by its path from the source's root; none when there is none.
    ///
    /// # Errors
    /// When it is a link or leads through one, when it is larger than `limit` bytes, or cannot be read.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>>;

    /// Its files, as expressions ask about them.
    fn files(&self) -> &dyn Files {
        &NoSource
    }
}

/// A source without a file and without a repository.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSource;

impl SourceView for NoSource {
    fn git(&self) -> io::Result<GitFacts> {
        Ok(GitFacts::default())
    }

    fn read(&self, _: &Path, _: u64) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

impl Files for NoSource {
    fn exist(&self, _: &[String]) -> Result<bool, String> {
        Ok(false)
    }

    fn changed(&self, _: &[String]) -> Result<bool, String> {
        Ok(false)
    }

    fn hash(&self, _: &[String]) -> Result<String, String> {
        Ok(String::new())
    }
}

impl GitFacts {
    /// The facts by the names that expressions have for them.
    pub fn named(self) -> BTreeMap<String, String> {
        let Self { sha, branch, tag, author, url } = self;
        let named = [("sha", sha), ("branch", branch), ("tag", tag), ("author", author), ("url", url)];
        named.map(|(name, value)| (name.to_owned(), value)).into()
    }
}
