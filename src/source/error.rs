//! What can go wrong between a directory or a URL and a captured tree, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::ledger::LedgerError;

/// What a server or libgit2 said, on one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Said(String);

impl From<git2::Error> for Said {
    fn from(error: git2::Error) -> Self {
        let words: Vec<_> = error.message().split_whitespace().collect();
        Self(words.join(" ").trim_end_matches([';', '.']).to_owned())
    }
}

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
    /// The repository's configuration says that its files are in another directory.
    #[error("the repository of `{}` has its working tree at `{}`", path.display(), root.display())]
    Elsewhere {
        /// The source.
        path: PathBuf,
        /// What would be captured instead.
        root: PathBuf,
    },
    /// What was fetched cannot be files here.
    #[error("`{url}` cannot be checked out")]
    Checkout {
        /// The URL, without credentials.
        url: String,
        /// What was said.
        source: Said,
    },
    /// A submodule that is not fetched, for its own sake or for ours.
    #[error("the submodule `{path}` of `{url}` cannot be fetched: {problem}")]
    Submodule {
        /// The URL of the repository it is in, without credentials.
        url: String,
        /// Where it is in there.
        path: String,
        /// What is wrong with it.
        problem: String,
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
    #[error("`{url}` {}", if tried.is_empty() { "asks for credentials, and there are none" } else { "refused the credentials" })]
    Refused {
        /// The URL, without credentials.
        url: String,
        /// What it was offered, in words.
        tried: Vec<String>,
        /// A key that could not be offered for want of its passphrase.
        locked: Option<PathBuf>,
    },
    /// The other side knows who asks, and says no.
    #[error("`{url}` may not be read with these credentials, or with none")]
    Forbidden {
        /// The URL, without credentials.
        url: String,
        /// What was said.
        source: Said,
    },
    /// The other side is not who it claims to be, or cannot prove it.
    #[error("the identity of `{url}` could not be verified: {problem}")]
    Unverified {
        /// The URL, without credentials.
        url: String,
        /// Why.
        problem: String,
        /// What to do.
        help: String,
    },
    /// The other side names another host.
    #[error("`{url}` leads to another host, and is not followed there")]
    Redirected {
        /// The URL, without credentials.
        url: String,
        /// What was said.
        source: Said,
    },
    /// The repository is there, and reading it comes to no end.
    #[error("reading the git repository of `{}` has come to no end in {seconds} s", path.display())]
    Stuck {
        /// The source.
        path: PathBuf,
        /// How long that was waited for.
        seconds: u64,
    },
    /// Somebody answered, and then said nothing any more.
    #[error("`{url}` has been silent for {seconds} s")]
    Silent {
        /// The URL, without credentials.
        url: String,
        /// How long that was waited for.
        seconds: u64,
    },
    /// Nobody answered.
    #[error("`{url}` cannot be reached")]
    Unreachable {
        /// The URL, without credentials.
        url: String,
        /// What was said.
        source: Said,
    },
    /// Somebody answered, and has no repository there.
    #[error("there is no git repository at `{url}`")]
    NoRepository {
        /// The URL, without credentials.
        url: String,
        /// What was said.
        source: Said,
    },
    /// It answered as a git server, and in a way that is not known here.
    #[error("the answer of `{url}` cannot be read: is it a shallow repository?")]
    Unread {
        /// The URL, without credentials.
        url: String,
    },
    /// It was reached, and something else went wrong.
    #[error("cannot fetch from `{url}`")]
    Fetch {
        /// The URL, without credentials.
        url: String,
        /// What was said.
        source: Said,
    },
    /// Whoever asked for it wants it no more.
    #[error("the capture of `{what}` was cancelled")]
    Cancelled {
        /// The directory, or the URL without credentials.
        what: String,
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
            Self::Elsewhere { root, .. } => {
                format!("name that directory if you mean it, or: git config --unset core.worktree ({})", root.display())
            }
            Self::Submodule { .. } => "leave out --submodules, or have the repository mended".into(),
            Self::BadUrl { .. } => {
                "write https://HOST/PATH, ssh://HOST/PATH, HOST:PATH or file:///PATH".into()
            }
            Self::UnknownReference { known, .. } | Self::Empty { known, .. } if known.is_empty() => {
                "the repository is empty: push a commit first".into()
            }
            Self::UnknownReference { known, .. } => format!("it has {}", known.join(", ")),
            Self::Empty { known, .. } => format!("name one with --ref; it has {}", known.join(", ")),
            Self::Refused { url, tried, locked } => refused(url, tried, locked.as_deref()),
            Self::Forbidden { .. } => "check what the user or token may read".into(),
            Self::Unverified { help, .. } => help.clone(),
            Self::Redirected { .. } => "if you trust where it leads, name that URL instead".into(),
            Self::Stuck { path, .. } => format!("it may be damaged: git -C '{}' fsck", path.display()),
            Self::Unread { .. } => "clone it with git, and run on that directory".into(),
            Self::Silent { .. } => "try again later; is it a git server at all?".into(),
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

fn refused(url: &str, tried: &[String], locked: Option<&Path>) -> String {
    let offered =
        if tried.is_empty() { String::new() } else { format!("it was offered {}; ", tried.join(", ")) };
    let next = match locked {
        Some(key) => format!("{0} has a passphrase: ssh-add {0}", key.display()),
        None if url.starts_with("http") => {
            "set up a git credential helper, or name a user and a token (https://USER:TOKEN@HOST/PATH); they are stored nowhere".into()
        }
        None => "load a key that it accepts into the ssh agent: ssh-add FILE".into(),
    };
    offered + &next
}

/// Wraps what the system said with what was tried on which path.
pub(super) fn io_at<E: Into<io::Error>>(
    operation: &'static str,
    path: impl AsRef<Path>,
) -> impl FnOnce(E) -> SourceError {
    move |error| SourceError::Io { operation, path: path.as_ref().to_owned(), source: error.into() }
}
