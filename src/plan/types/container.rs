//! What runs in a container and what it is given: images, programs, late strings, volumes, services.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::serial::{is_default, millis};
use crate::base::{Bytes, StepId};

/// What a step runs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Image {
    /// A registry reference.
    Reference(Text),
    /// An image that comes with the source.
    File(ImageFile),
    /// A copy-on-write view of this machine's own root.
    Host,
}

/// An OCI layout (a directory) or a saved archive (a file).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFile {
    /// From the root of the source, as it was captured; without a source an absolute path of this machine.
    pub path: String,
    /// Which of its images; may be left out where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl fmt::Display for ImageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = if self.path.starts_with('/') { "" } else { "./" };
        write!(f, "{root}{}", self.path)?;
        self.name.iter().try_for_each(|name| write!(f, "#{name}"))
    }
}

/// What a step runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Program {
    /// A script, written to a file that is appended to `interpreter`; the image's entry point is
    /// replaced. No native script ever holds a late string (T4).
    Script {
        /// The program that reads the file, with its own arguments.
        interpreter: Vec<String>,
        /// The script, byte for byte.
        body: Text,
        /// Arguments after the file.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<Text>,
    },
    /// A program with its arguments; the image's entry point is replaced.
    Command(Vec<Text>),
    /// The image's own entry point, with its own arguments when there are none here.
    Entrypoint {
        /// Replaces the image's CMD when not empty.
        args: Vec<Text>,
        /// The image's CMD stands in for a missing entry point, and `args` follow it instead of
        /// replacing it (Tekton).
        #[serde(default, skip_serializing_if = "is_default")]
        args_follow_cmd: bool,
    },
}

/// Another script in the same container after the program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AfterScript {
    /// What it runs.
    pub program: Program,
    /// Its own time limit.
    #[serde(with = "millis")]
    pub timeout: Duration,
    /// Whether its failure fails the step.
    pub required: bool,
}

/// A string that may hold outputs of earlier steps, resolved just before the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// Known now.
    Known(String),
    /// Known once the steps it names have ended.
    Late(Vec<Part>),
}

/// A piece of a late string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// Literal text.
    Literal(String),
    /// The output `key` of `step`.
    Output {
        /// The step that writes it.
        step: StepId,
        /// Its key.
        key: String,
    },
    /// The outputs `key` of all these steps, the instances of a matrix, as a JSON list in their order.
    Outputs {
        /// The steps that write it.
        steps: Vec<StepId>,
        /// Its key.
        key: String,
    },
    /// The element that an instance of a matrix is for; only in the template of a [`LateNode::Matrix`].
    Element,
}

/// A secret given to a step. Its value is in no plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretUse {
    /// The name it was declared by.
    pub name: String,
    /// The environment variable that takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// The tmpfs file that takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// It is not hidden in output, and may be short.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unmasked: bool,
}

/// Something that steps may mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Volume {
    /// The capture of the source.
    Capture {
        /// Shared by all that mount it, or a copy of its own for each.
        sharing: Sharing,
    },
    /// Empty at first.
    Empty {
        /// How long it lives.
        lifetime: Lifetime,
        /// In memory, never on a disk.
        #[serde(default, skip_serializing_if = "is_default")]
        in_memory: bool,
    },
    /// Given files.
    Files(BTreeMap<String, String>),
    /// Files of secrets: path in the volume to name of the secret.
    Secrets(BTreeMap<String, String>),
}

/// Whether those who mount a capture see each other's writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// One tree for all.
    Shared,
    /// A copy-on-write copy for each step.
    OwnCopy,
}

/// How long an empty volume lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// As long as the step that mounts it.
    Step,
    /// As long as the scope that names it.
    Scope,
    /// As long as the run.
    Run,
}

/// A volume at a place in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Name of the volume.
    pub volume: String,
    /// Absolute path in the container.
    pub path: String,
    /// Only this directory or file of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,
    /// Writes fail.
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only: bool,
}

/// The network of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// An address of its own, and a way out.
    #[default]
    Own,
    /// Loopback only.
    None,
}

/// Limits of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Memory and swap together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Processor time, in thousandths of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u32>,
    /// Processes and threads; the language's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

/// Steps that belong together: they run in turn or at once, may share localhost, and have services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The steps run one after another in the order of the plan, each still a container of its own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub in_turn: bool,
    /// One network namespace for all, so that `localhost` is common.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shares_localhost: bool,
    /// Containers that run beside the steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// The scope that it is a part of: its steps have the services of that one too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// A container that runs beside steps and is reachable by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name, and the host name by which steps reach it.
    pub name: String,
    /// Other host names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What it runs in.
    pub image: Image,
    /// What it runs.
    pub program: Program,
    /// Its environment beyond the image's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Text>,
    /// What it mounts where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Whether its early end fails the steps.
    pub on_exit: OnExit,
    /// When it counts as ready; nothing means as soon as it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// Limits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Resources,
}

/// Whether the early end of a service fails the steps it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExit {
    /// It does.
    Fail,
    /// It does not.
    Ignore,
}

/// When a service counts as ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// What is asked.
    pub probe: Probe,
    /// How long it may take.
    #[serde(with = "millis")]
    pub timeout: Duration,
}

/// What is asked of a service to learn whether it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Probe {
    /// The image's own health check, else its exposed ports.
    Image,
    /// A command inside the service ends with 0.
    Command(Vec<String>),
    /// A TCP port accepts.
    Port(u16),
    /// A line of its log contains this.
    Log(String),
    /// `GET http://localhost:PORT/PATH` answers 2xx.
    Http {
        /// The port.
        port: u16,
        /// The path, with its leading slash.
        path: String,
    },
}

impl Service {
    /// Every string of it that may be late.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        crate::plan::texts::of_service(self)
    }
}

impl Text {
    /// The text, when it is known already.
    pub fn known(&self) -> Option<&str> {
        match self {
            Text::Known(text) => Some(text),
            Text::Late(_) => None,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::Known(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::Known(text)
    }
}
