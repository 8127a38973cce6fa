//! What crosses the line between engine and backend.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::policy::Policy;
use crate::base::substitution::Values;
use crate::base::{Reason, RunId, Secret, StepId, Tree};
use crate::event::{Stream, Usage};
use crate::image::local::{LocalError, LocalImage};
use crate::ledger::Object;
use crate::plan::{ImageFile, Network, Resources};

/// Bytes that a program may write to its file of outputs (language L21).
pub const MAX_OUTPUT: usize = 1 << 20;

/// Paths that are told of what was left out.
const MOST_LEFT_OUT: usize = 100;

/// Names that a program reaches others by, and where they are.
pub type Hosts = BTreeMap<String, IpAddr>;

/// What the steps of one run share.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// The run.
    pub run: RunId,
    /// The workspace: mounted at `/workspace` in every step; none for `run --image` without a source.
    pub workspace: Option<Tree>,
    /// One container of the run is all that ever sees the workspace, and nobody asks for a file of it once that was started:
    /// it need not outlive that container.
    pub workspace_once: bool,
    /// The group that files of the workspace belong to; every step has it as a supplementary group.
    pub workspace_gid: u32,
    /// Steps that use the same lane never run at the same time. How many steps use each lane.
    pub lanes: BTreeMap<u32, usize>,
    /// What containers may have; asked before each is created.
    pub policy: Arc<Policy>,
    /// The images in files that its containers may have, opened before anything could change them.
    pub images: LocalImages,
}

/// Images in files, each with why it cannot be used where it cannot.
pub type LocalImages = BTreeMap<ImageFile, Result<Arc<LocalImage>, StartError>>;

/// What a container runs in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerImage {
    /// What a registry or the engine knows by this name.
    Reference(String),
    /// One of [`RunSpec::images`].
    File(ImageFile),
}

impl From<&str> for ContainerImage {
    fn from(reference: &str) -> Self {
        Self::Reference(reference.to_owned())
    }
}

impl fmt::Display for ContainerImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(reference) => f.write_str(reference),
            Self::File(file) => file.fmt(f),
        }
    }
}

/// The final description of one attempt's container; what [`Policy::check`] sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// The step.
    pub step: StepId,
    /// From 1.
    pub attempt: u32,
    /// The name of the service that it is, started with this attempt; none for the step itself.
    pub service: Option<String>,
    /// Its image, present already.
    pub image: ContainerImage,
    /// What it runs.
    pub program: ProgramSpec,
    /// The environment beyond the image's.
    pub env: BTreeMap<String, String>,
    /// Secrets that its program gets, and nobody who looks at the container.
    pub secrets: Vec<GivenSecret>,
    /// `uid[:gid]` or names; the image's own when absent.
    pub user: Option<String>,
    /// Where the program starts; `/workspace` when there is one, else the image's own.
    pub workdir: Option<String>,
    /// Whether the workspace is mounted.
    pub workspace: bool,
    /// The network.
    pub network: Network,
    /// It is a service, or is to reach some: it is where the services of the run are.
    pub among_services: bool,
    /// Limits; `pids` is always set.
    pub resources: Resources,
    /// From *go* until TERM.
    pub timeout: Duration,
    /// From TERM until KILL.
    pub grace: Duration,
    /// Bytes of output that are kept; the rest is counted and dropped.
    pub log_limit: u64,
    /// The lane it may share a network namespace in.
    pub lane: Option<u32>,
    /// Nothing in it gains rights that it does not have at its start, as by a set-user-id program.
    pub no_new_privileges: bool,
    /// What goes beyond an ordinary container.
    pub privileges: Privileges,
    /// Files of the workspace that it alone sees with values in the place of names; none for a service.
    pub substitution: Option<Substitution>,
}

/// What is said of patterns that no file fits.
pub(super) fn no_file(patterns: &[impl AsRef<str>]) -> String {
    let shown: Vec<String> = patterns.iter().map(|pattern| format!("`{}`", pattern.as_ref())).collect();
    format!("no file of the workspace fits {}, which `substitute` names", shown.join(", "))
}

/// Values in files of the workspace, in a layer that one container sees (language L30).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitution {
    /// Patterns of the files.
    pub patterns: Vec<String>,
    /// The secrets that may stand in them, by name.
    pub secrets: BTreeMap<String, Secret>,
}

/// A secret that a program gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenSecret {
    /// Its value.
    pub value: Secret,
    /// Where the program finds it.
    pub place: SecretPlace,
}

/// Where a program finds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// In the environment variable of this name.
    Variable(String),
    /// At this path, in a file in memory that the program's user alone may read.
    File(String),
}

impl ContainerSpec {
    /// What `${name}` stands for in the files that it has substituted: its environment, and the secrets that
    /// are listed for it.
    pub fn substitutes(&self) -> Values {
        let secrets = self.substitution.iter().flat_map(|substitution| &substitution.secrets);
        let secrets = secrets.map(|(name, secret)| (name.as_str(), secret.expose()));
        let env = self.env.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        secrets.chain(env).collect()
    }

    /// Names the container among those of all attempts with this number: `unit`, or `unit.db` for the
    /// service `db` that was started with it.
    pub fn label(&self) -> String {
        match &self.service {
            None => self.step.to_string(),
            Some(service) => format!("{}.{service}", self.step),
        }
    }
}

/// What a container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramSpec {
    /// A file with these bytes, appended to `interpreter`, followed by `args`.
    Script {
        /// The program that reads the file, with its own arguments.
        interpreter: Vec<String>,
        /// The script.
        body: String,
        /// Arguments after the file.
        args: Vec<String>,
    },
    /// This program with these arguments.
    Command(Vec<String>),
    /// The image's entry point; `args` replace its CMD when there are any.
    Entrypoint {
        /// Arguments.
        args: Vec<String>,
    },
}

/// What goes beyond an ordinary container; all of it is off unless the policy allows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// All capabilities and devices.
    pub privileged: bool,
    /// The machine's own network.
    pub host_network: bool,
    /// Paths of the machine, as `host:container`, with `:ro` where it is only read.
    pub host_mounts: Vec<String>,
    /// Added capabilities.
    pub capabilities: Vec<String>,
    /// Devices of the machine, as `host`, `host:container` or `host:container:rights`.
    pub devices: Vec<String>,
    /// Security options, such as `seccomp=unconfined`.
    pub security_options: Vec<String>,
}

/// What a started container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It printed something.
    Output(Stream, Bytes),
    /// Something about it that a person should know now; it goes on.
    Warned(String),
    /// It ended. Nothing follows.
    Ended(Ended),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub how: How,
    /// In words, where there is more to say.
    pub message: Option<String>,
    /// What it used; none when the end record was lost.
    pub usage: Option<Usage>,
    /// What it wrote to the file that `WINDLASS_OUTPUT` names, as it is, up to [`MAX_OUTPUT`] and one byte
    /// more.
    pub output: Vec<u8>,
}

/// How a container ended, before anybody asks who wanted it. Where several apply, the first of this
/// list is the one: the program's own word counts for more than what was done to it, except that
/// what we did (`TimedOut`, `Stopped`) is never reported as a signal or as out of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// The program could not be executed.
    CouldNotStart,
    /// It ran into its time limit and was ended for it.
    TimedOut,
    /// It was ended because `stop` or `kill` was called.
    Stopped,
    /// The kernel ended it for want of memory.
    OutOfMemory,
    /// It ended by itself with this code.
    Exited(i32),
    /// A signal that was not ours ended it.
    Signalled(i32),
    /// The place it ran in is gone; the reason is one of outcome *lost*.
    Lost(Reason),
}

/// How far a pull is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullProgress {
    /// Bytes so far.
    pub current: u64,
    /// Bytes in all, as far as known.
    pub total: u64,
}

/// An object found by its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundObject {
    /// The run it is of.
    pub run: RunId,
    /// What it is.
    pub object: Object,
}

/// A backend that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BackendError {
    /// What was tried and what came of it.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Our own state directory is at fault, not the backend.
    pub is_state: bool,
}

impl BackendError {
    /// A backend that does not do what it is asked for.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, is_state: false }
    }

    /// With what to do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// A container that could not be started, or an image that could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// Why, in the shared words.
    pub reason: Reason,
    /// What the daemon said.
    pub message: String,
}

/// What was fetched from a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Files, directories and links that are there now.
    pub entries: u64,
    /// Bytes of all files together.
    pub bytes: u64,
    /// What fitted and was left out, as it cannot be had elsewhere: pipes, devices, sockets, and links that lead out of the
    /// workspace. The first paths of these; no more than a hundred.
    pub left_out: Vec<String>,
    /// How many these are in all.
    pub left_out_in_all: u64,
}

impl Fetched {
    /// Counts something that was left out.
    pub(super) fn leave_out(&mut self, path: String) {
        self.left_out_in_all += 1;
        if self.left_out.len() < MOST_LEFT_OUT {
            self.left_out.push(path);
        }
    }
}

/// A workspace that cannot be looked into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkspaceError {
    /// The run has none.
    #[error("there is no workspace")]
    None,
    /// It cannot be looked into now.
    #[error("cannot look into the workspace: {0}")]
    Look(String),
    /// Files of it cannot be had.
    #[error("cannot fetch files of the workspace: {0}")]
    Fetch(String),
}

impl From<LocalError> for StartError {
    fn from(error: LocalError) -> Self {
        Self { reason: error.reason(), message: error.to_string() }
    }
}
