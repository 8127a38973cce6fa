//! The one place that decides what a container may have, whatever front end wrote it and whatever
//! backend runs it: each backend asks [`Policy::check`] with the final spec before it creates
//! anything, and applies exactly what was asked for then.
//!
//! An allowance is for one image, by its digest, and names each thing exactly: a directory of the
//! machine does not stand for those in it, as a step that may write to it could put a link there.
//!
//! It never changes a spec, and never looks at the machine: links in host paths are the user's own,
//! as only the user's settings can allow one.

mod asked;
mod refusal;
#[cfg(test)]
mod tests;

use super::{ContainerImage, ContainerSpec};
use asked::{capability, device, mount, normal};
pub use refusal::{Cause, Refusal};

/// Whether the source of a run may use what the user's settings allow (language L35).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// A directory of this machine, or a URL given by hand.
    Trusted,
    /// Anything else, as an event from a fork: no allowance counts, no step gets a secret or new privileges, and
    /// images are named by their digest.
    #[default]
    Untrusted,
}

/// What goes beyond an ordinary container and is allowed all the same, for one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The image that it is for: `sha256:` and 64 hexadecimal digits.
    pub image: String,
    /// All capabilities and devices.
    pub privileged: bool,
    /// The machine's own network.
    pub host_network: bool,
    /// Directories and files of the machine that may be mounted.
    pub mounts: Vec<String>,
    /// Capabilities, as `NET_ADMIN`.
    pub capabilities: Vec<String>,
    /// Devices of the machine, as `/dev/kvm`.
    pub devices: Vec<String>,
    /// Security options, word for word.
    pub security_options: Vec<String>,
}

/// What the containers of one run may have. By default nothing beyond an ordinary container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether the allowances count.
    pub trust: Trust,
    /// What the user's settings allow to the source of this run.
    pub allowances: Vec<Allowance>,
}

impl Policy {
    /// Refuses a spec that goes beyond an ordinary container and what is allowed to its image.
    ///
    /// # Errors
    /// [`Refusal`] with the first thing that is not allowed.
    pub fn check(&self, spec: &ContainerSpec) -> Result<(), Refusal> {
        let causes = self.distrust(spec).into_iter().chain(self.privileges(spec));
        let mut causes = causes.chain(workdir(spec)).chain(limits(spec));
        match causes.next() {
            Some(cause) => Err(Refusal { step: spec.step.clone(), service: spec.service.clone(), cause }),
            None => Ok(()),
        }
    }

    /// The first thing that an untrusted source does not get.
    fn distrust(&self, spec: &ContainerSpec) -> Option<Cause> {
        if self.trust == Trust::Trusted {
            None
        } else if !spec.secrets.is_empty() {
            Some(Cause::Secret)
        } else if !spec.no_new_privileges {
            Some(Cause::NewPrivileges)
        } else if !reference(&spec.image).is_some_and(is_locked) {
            Some(Cause::NotLocked(spec.image.to_string()))
        } else {
            None
        }
    }

    /// The first privilege that is not allowed.
    fn privileges(&self, spec: &ContainerSpec) -> Option<Cause> {
        let asked = &spec.privileges;
        let allowed: Vec<&Allowance> = match (self.trust, reference(&spec.image).and_then(digest)) {
            (Trust::Trusted, Some(digest)) => {
                self.allowances.iter().filter(|one| one.image == digest).collect()
            }
            _ => Vec::new(),
        };
        let any = |allows: &dyn Fn(&Allowance) -> bool| allowed.iter().any(|one| allows(one));
        if asked.privileged && !any(&|one| one.privileged) {
            return Some(Cause::Privileged);
        }
        if asked.host_network && !any(&|one| one.host_network) {
            return Some(Cause::HostNetwork);
        }
        if asked.host_network && spec.lane.is_some() {
            return Some(Cause::SharedHostNetwork);
        }
        for text in &asked.host_mounts {
            let Some(path) = mount(text) else { return Some(Cause::MalformedMount(text.clone())) };
            if !any(&|one| one.mounts.iter().any(|mount| normal(mount).as_ref() == Some(&path))) {
                return Some(Cause::HostMount(text.clone()));
            }
        }
        for text in &asked.capabilities {
            let name = capability(text);
            if !any(&|one| one.capabilities.iter().any(|allowed| capability(allowed) == name)) {
                return Some(Cause::Capability(text.clone()));
            }
        }
        for text in &asked.devices {
            let Some(path) = device(text) else { return Some(Cause::MalformedDevice(text.clone())) };
            if !any(&|one| one.devices.iter().any(|device| normal(device).as_ref() == Some(&path))) {
                return Some(Cause::Device(text.clone()));
            }
        }
        let option =
            asked.security_options.iter().find(|text| !any(&|one| one.security_options.contains(text)));
        option.cloned().map(Cause::SecurityOption)
    }
}

/// Whether a name stands for one image for ever: it has a digest. Names that something else gives a digest for are
/// to be replaced by that first.
pub fn is_locked(image: &str) -> bool {
    let hex = digest(image).and_then(|digest| digest.strip_prefix("sha256:"));
    hex.is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The name of an image. One in a file of the source has none, and whoever wrote the source may have changed it.
fn reference(image: &ContainerImage) -> Option<&str> {
    match image {
        ContainerImage::Reference(reference) => Some(reference),
        ContainerImage::File(_) => None,
    }
}

/// The digest that an image is named by; a tag says nothing of what it stands for.
fn digest(image: &str) -> Option<&str> {
    image.split_once('@').map(|(_, digest)| digest)
}

fn workdir(spec: &ContainerSpec) -> Option<Cause> {
    let given = spec.workdir.as_ref()?;
    let Some(path) = normal(given) else { return Some(Cause::RelativeWorkdir(given.clone())) };
    // Below /dev there are links to /proc, and there are links to descriptors.
    let outside = ["/proc", "/dev"].iter().any(|place| path.starts_with(place));
    outside.then(|| Cause::WorkdirInProc(given.clone()))
}

fn limits(spec: &ContainerSpec) -> Option<Cause> {
    // Container runtimes take 0 for unlimited.
    spec.resources.pids.is_none_or(|pids| pids == 0).then_some(Cause::NoProcessLimit)
}
