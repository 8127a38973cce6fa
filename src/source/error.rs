//! What can go wrong between a directory or a URL and a captured tree, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::ledger::LedgerError;

/// A source that could not be captured, or a capture that could not be removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The system said no.
    #[error("cannot {operation} `{}`", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The source is there, and is not a directory.
    #[error("`{}` is not a directory", path.display())]
    NotADirectory {
        /// The source.
        path: PathBuf,
    },
    /// The repository has no files of its own to run on.
    #[error("`{}` is a bare git repository: it has no working tree", path.display())]
    Bare {
        /// The repository.
        path: PathBuf,
    },
    /// The repository is there, and git's library cannot read it.
    #[error("cannot read the git repository of `{}`", path.display())]
    Repository {
        /// The source.
        path: PathBuf,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// The index has a form that is not known here.
    #[error("cannot read the git index `{}`: it {problem}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// The text given as a URL is none that can be fetched from.
    #[error("`{url}` is not a git URL: {problem}")]
    BadUrl {
        /// The URL, without credentials.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The text given as a branch, tag or commit cannot be one.
    #[error("`{reference}` cannot be a branch, tag or commit: {problem}")]
    BadReference {
        /// The text.
        reference: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The repository has no such branch, tag or commit.
    #[error("`{url}` has no branch, tag or commit `{reference}`")]
    UnknownReference {
        /// The URL, without credentials.
        url: String,
        /// The text that was looked for.
        reference: String,
        /// What it has instead, the nearest first.
        known: Vec<String>,
    },
    /// The repository has no commit at all, or no default branch.
    #[error("`{url}` has no default branch")]
    Empty {
        /// The URL, without credentials.
        url: String,
        /// The branches it has.
        known: Vec<String>,
    },
    /// The other side wants to know who asks, and was not satisfied.
    #[error("`{url}` refused the credentials")]
    Refused {
        /// The URL, without credentials.
        url: String,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// The other side is not who it claims to be, or cannot prove it.
    #[error("the identity of `{url}` could not be verified")]
    Unverified {
        /// The URL, without credentials.
        url: String,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// Nobody answered.
    #[error("`{url}` cannot be reached")]
    Unreachable {
        /// The URL, without credentials.
        url: String,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// Somebody answered, and has no repository there.
    #[error("there is no git repository at `{url}`")]
    NoRepository {
        /// The URL, without credentials.
        url: String,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// It was reached, and something else went wrong.
    #[error("cannot fetch from `{url}`")]
    Fetch {
        /// The URL, without credentials.
        url: String,
        /// What libgit2 said.
        source: git2::Error,
    },
    /// The progress callback asked for the end.
    #[error("fetching from `{url}` was cancelled")]
    Cancelled {
        /// The URL, without credentials.
        url: String,
    },
    /// The trees of the run hold files that the caller may not remove.
    #[error("`{}` holds files that only root can remove", path.display())]
    NotOurs {
        /// The directory to remove with more rights.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The intent could not be written, so nothing was made.
    #[error("the run's ledger could not be written")]
    Ledger(#[source] LedgerError),
}

impl SourceError {
    /// What to do about it, when there is something to say.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "make it readable for yourself, or leave it out with a line in .gitignore".into()
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space, or set WINDLASS_HOME to a directory on another disk".into()
            }
            Self::Index { help, .. } => (*help).into(),
            Self::Bare { path } => format!("name it as a URL instead: file://{}", path.display()),
            Self::Repository { path, source } if source.code() == git2::ErrorCode::Owner => {
                format!(
                    "it belongs to another user; if you trust it: git config --global --add safe.directory '{}'",
                    path.display()
                )
            }
            Self::BadUrl { .. } => {
                "write https://HOST/PATH, ssh://HOST/PATH, HOST:PATH or file:///PATH".into()
            }
            Self::UnknownReference { known, .. } | Self::Empty { known, .. } if known.is_empty() => {
                "the repository is empty: push a commit first".into()
            }
            Self::UnknownReference { known, .. } => format!("it has {}", known.join(", ")),
            Self::Empty { known, .. } => format!("name one with --ref; it has {}", known.join(", ")),
            Self::Refused { url, .. } if url.starts_with("http") => {
                "put a user and a token into the URL (https://USER:TOKEN@HOST/PATH); they are stored nowhere"
                    .into()
            }
            Self::Refused { .. } => "load a key that it accepts into the ssh agent: ssh-add FILE".into(),
            Self::Unverified { url, .. } if url.starts_with("http") => {
                "its certificate must be valid, and issued by an authority that this machine trusts".into()
            }
            Self::Unverified { .. } => {
                "check its host key and add it to ~/.ssh/known_hosts: ssh-keyscan HOST".into()
            }
            Self::Unreachable { .. } => "check the host's name and the network".into(),
            Self::NoRepository { .. } => {
                "check the path; a private repository may answer like this when it is asked without credentials"
                    .into()
            }
            Self::NotOurs { .. } => "`windlass clean` removes them through the backend".into(),
            _ => return None,
        })
    }
}

/// Wraps what the system said with what was tried on which path.
pub(super) fn io_at<E: Into<io::Error>>(
    operation: &'static str,
    path: impl AsRef<Path>,
) -> impl FnOnce(E) -> SourceError {
    move |error| SourceError::Io { operation, path: path.as_ref().to_owned(), source: error.into() }
}
