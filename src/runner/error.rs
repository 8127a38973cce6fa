//! Why a run could not begin.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::secrets::{self, SecretProblem};
use crate::backend::BackendError;
use crate::backend::lacks::Unmet;
use crate::base::{Diagnostic, SourceText};
use crate::frontend::{FindError, NotAccepted};
use crate::ledger::{LedgerError, Object};
use crate::source::SourceError;
use crate::store::StoreError;

/// A run that did not begin. Nothing of it is left, but for what `left` names.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotRun {
    /// Why.
    #[source]
    pub error: RunError,
    /// What could not be removed in time; `clean` will.
    pub left: Vec<Object>,
}

impl From<RunError> for NotRun {
    /// An error before anything was made.
    fn from(error: RunError) -> Self {
        Self { error, left: Vec::new() }
    }
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The source is no directory that can be read.
    #[error("cannot open the directory `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no pipeline file, or it cannot be read.
    #[error(transparent)]
    Find(FindError),
    /// There is no commit to take the pipeline from (language L35).
    #[error("the pipeline cannot be taken from the commit `{commit}`")]
    NoBase {
        /// As given.
        commit: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The pipeline file is not valid.
    #[error("`{}` is not valid", .0.text.name)]
    Invalid(Invalid),
    /// The pipeline does not take the inputs or the environment that it is given.
    #[error(transparent)]
    NotAccepted(NotAccepted),
    /// The image of `run --image` is no reference.
    #[error("`{image}` is not an image: {problem}")]
    Image {
        /// As given.
        image: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The backend cannot do what the pipeline asks for (language L34).
    #[error("{what}")]
    Refused {
        /// What it is, and where.
        what: String,
        /// The ways out.
        help: Option<String>,
    },
    /// The pipeline asks for what the backend lacks (language L34).
    #[error("{}", joined(.0))]
    Unmet(Vec<Unmet>),
    /// Steps cannot work on the directory itself (language L15).
    #[error("`--in-place` cannot work on `{}`: {backend} does not see this machine's files", path.display())]
    OutOfReach {
        /// The directory.
        path: PathBuf,
        /// Where steps run.
        backend: String,
    },
    /// Steps cannot get their secrets.
    #[error("{}", listed(.0))]
    Secrets(Vec<SecretProblem>),
    /// A gate was to be opened that is not there (`--approve`).
    #[error("there is nothing to approve: {}", no_gate(name, *is_step))]
    NoGate {
        /// The name that was given.
        name: String,
        /// There is a step of this name, without a gate.
        is_step: bool,
        /// The steps that have one.
        gates: Vec<String>,
    },
    /// The source could not be captured.
    #[error(transparent)]
    Source(SourceError),
    /// The backend cannot be used.
    #[error(transparent)]
    Backend(BackendError),
    /// The ledger could not be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger's directory could not be opened.
    #[error("cannot open the ledger in `{}`", home.display())]
    NoLedger {
        /// The state directory.
        home: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The record of the run could not be begun.
    #[error(transparent)]
    Store(StoreError),
    /// Somebody asked for the end before anything had started.
    #[error("cancelled before anything had started")]
    Cancelled,
    /// A task of ours panicked.
    #[error("{task} broke down")]
    Panicked {
        /// Which.
        task: &'static str,
    },
}

/// A pipeline file that is not valid.
#[derive(Debug)]
pub struct Invalid {
    /// The file.
    pub text: SourceText,
    /// All that was found in it.
    pub diagnostics: Vec<Diagnostic>,
}

/// What kind of thing is at fault; each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// What was asked for by hand: a source, an image, a file's name.
    Usage,
    /// The pipeline.
    Invalid,
    /// The backend.
    Backend,
    /// The state directory.
    Store,
    /// This program.
    Bug,
}

impl RunError {
    /// What kind of thing is at fault; none when the run was cancelled.
    pub fn class(&self) -> Option<Class> {
        Some(match self {
            RunError::Cancelled | RunError::Source(SourceError::Cancelled { .. }) => return None,
            RunError::Ledger(_)
            | RunError::NoLedger { .. }
            | RunError::Store(_)
            | RunError::Source(SourceError::Ledger(_)) => Class::Store,
            // A capture fails for want of space in the state directory alone.
            RunError::Source(SourceError::Io { source, .. }) if is_full(source) => Class::Store,
            RunError::Directory { .. }
            | RunError::NoBase { .. }
            | RunError::NotAccepted(_)
            | RunError::Image { .. }
            | RunError::OutOfReach { .. }
            | RunError::Secrets(_)
            | RunError::Source(_)
            | RunError::NoGate { .. }
            | RunError::Find(FindError::Missing { .. }) => Class::Usage,
            RunError::Find(_) | RunError::Invalid(_) | RunError::Refused { .. } | RunError::Unmet(_) => {
                Class::Invalid
            }
            RunError::Backend(error) if error.is_state => Class::Store,
            RunError::Backend(_) => Class::Backend,
            RunError::Panicked { .. } => Class::Bug,
        })
    }

    /// What to do about it, where there is something to say.
    pub fn help(&self) -> Option<String> {
        match self {
            RunError::Refused { help, .. } => help.clone(),
            RunError::Unmet(unmet) => {
                let help: Vec<_> = unmet.iter().map(|unmet| unmet.help).collect();
                Some(help.join("\n"))
            }
            RunError::OutOfReach { .. } => Some(
                "leave `--in-place` out: a copy is sent to the engine; or use an engine on this machine"
                    .to_owned(),
            ),
            RunError::NotAccepted(refused) => Some(refused.help()),
            RunError::Secrets(problems) => Some(secrets::help(problems)),
            RunError::NoGate { gates, .. } if gates.is_empty() => {
                Some("no step of this pipeline has a gate; leave `--approve` out".to_owned())
            }
            RunError::NoGate { gates, .. } => {
                let names: Vec<_> = gates.iter().map(|name| format!("`{name}`")).collect();
                Some(format!("the steps with a gate are {}", names.join(", ")))
            }
            RunError::Source(error) => error.help(),
            RunError::Find(error) => error.hint().map(str::to_owned),
            RunError::Backend(error) => error.help.clone(),
            RunError::Ledger(_) | RunError::NoLedger { .. } | RunError::Store(_) => Some(
                "free space on the disk of the state directory, or set WINDLASS_HOME to another place"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

fn joined(unmet: &[Unmet]) -> String {
    unmet.iter().map(|unmet| unmet.what.as_str()).collect::<Vec<_>>().join("; ")
}

fn listed(problems: &[SecretProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn no_gate(name: &str, is_step: bool) -> String {
    if is_step { format!("the step `{name}` has no gate") } else { format!("there is no step `{name}`") }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem)
}
