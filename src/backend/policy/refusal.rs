//! Why a container is not created, in words.

use crate::backend::StartError;
use crate::base::{Reason, StepId};

/// A container that is not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {cause}", self.who())]
pub struct Refusal {
    /// The step that asked for it.
    pub step: StepId,
    /// Or the service that was to be started with it.
    pub service: Option<String>,
    /// What is wrong with it.
    pub cause: Cause,
}

/// Why a container is not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The boundary for secrets.
    #[error("takes a secret, and its source is not trusted with one")]
    Secret,
    /// A set-user-id program of an image is one more way to root.
    #[error("may gain privileges, and its source is not trusted with more than it starts with")]
    NewPrivileges,
    /// A tag may come to mean another image.
    #[error(
        "uses the image `{0}`, which is not named by its digest, and its source is not trusted with another"
    )]
    NotLocked(String),
    /// Not allowed.
    #[error(
        "asks for privileged mode, which makes it as powerful as this machine's root, and no setting allows it to its image"
    )]
    Privileged,
    /// Not allowed.
    #[error("asks for this machine's own network, and no setting allows it to its image")]
    HostNetwork,
    /// It would be shared with steps that may not have it.
    #[error("asks for this machine's own network and shares its network with other steps")]
    SharedHostNetwork,
    /// Not allowed.
    #[error("asks to mount `{0}` of this machine, and no setting allows it to its image")]
    HostMount(String),
    /// No mount, or one that asks for more than a mount.
    #[error(
        "asks for the mount `{0}`, which is not a path of this machine, a path of its own outside of /proc, /sys, /dev and windlass's, and `ro` or `rw`"
    )]
    MalformedMount(String),
    /// Not allowed.
    #[error("asks for the capability `{0}`, and no setting allows it to its image")]
    Capability(String),
    /// Not allowed.
    #[error("asks for the device `{0}`, and no setting allows it to its image")]
    Device(String),
    /// No device, or one that asks for more than a device.
    #[error(
        "asks for the device `{0}`, which is not a path of this machine, a path below /dev, and some of `rwm`"
    )]
    MalformedDevice(String),
    /// Not allowed.
    #[error("asks for the security option `{0}`, and no setting allows it to its image")]
    SecurityOption(String),
    /// A path that starts nowhere.
    #[error("starts in `{0}`, which is not an absolute path")]
    RelativeWorkdir(String),
    /// A path that may lead out of the container.
    #[error("starts in `{0}`; below /proc and /dev a path may lead out of the container")]
    WorkdirInProc(String),
    /// Unlimited processes can stop the whole machine.
    #[error("has no limit on its processes")]
    NoProcessLimit,
}

impl Refusal {
    fn who(&self) -> String {
        match &self.service {
            None => format!("step `{}`", self.step),
            Some(service) => format!("service `{service}` of step `{}`", self.step),
        }
    }
}

impl From<Refusal> for StartError {
    fn from(refusal: Refusal) -> Self {
        StartError { reason: Reason::CouldNotStart, message: refusal.to_string() }
    }
}
