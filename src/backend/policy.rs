//! The one place that decides what a container may have, whatever front end wrote it and whatever
//! backend runs it: each backend asks [`check`] with the final spec, just before it creates anything.
//!
//! It never changes a spec, and never looks at the machine: links in host paths are the user's own,
//! as only the user's settings can allow one.

use std::path::{Component, Path, PathBuf};

use super::ContainerSpec;
use crate::base::StepId;

/// Whether the source of a run may use what the user's settings allow (language L35).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A directory of this machine, or a URL given by hand.
    Trusted,
    /// Anything else, as an event from a fork: no allowance counts.
    Untrusted,
}

/// What goes beyond an ordinary container and is allowed all the same. By default nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowances {
    /// All capabilities and devices.
    pub privileged: bool,
    /// The machine's own network.
    pub host_network: bool,
    /// Directories of the machine that may be mounted, with all below them.
    pub host_mounts: Vec<PathBuf>,
    /// Capabilities, as `NET_ADMIN`.
    pub capabilities: Vec<String>,
    /// Devices of the machine, as `/dev/kvm`.
    pub devices: Vec<String>,
    /// Security options, word for word.
    pub security_options: Vec<String>,
}

/// A container that is not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step `{step}` {cause}")]
pub struct Refusal {
    /// The step that asked for it.
    pub step: StepId,
    /// What is wrong with it.
    pub cause: Cause,
}

/// Why a container is not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// Not allowed.
    #[error(
        "asks for privileged mode, which makes it as powerful as this machine's root, and no setting allows it"
    )]
    Privileged,
    /// Not allowed.
    #[error("asks for this machine's own network, and no setting allows it")]
    HostNetwork,
    /// Not allowed.
    #[error("asks to mount `{0}` of this machine, and no setting allows it")]
    HostMount(String),
    /// Not allowed.
    #[error("asks for the capability `{0}`, and no setting allows it")]
    Capability(String),
    /// Not allowed.
    #[error("asks for the device `{0}`, and no setting allows it")]
    Device(String),
    /// Not allowed.
    #[error("asks for the security option `{0}`, and no setting allows it")]
    SecurityOption(String),
    /// A path that starts nowhere.
    #[error("starts in `{0}`, which is not an absolute path")]
    RelativeWorkdir(String),
    /// A path that may lead out of the container.
    #[error("starts in `{0}`; below /proc a path may lead out of the container")]
    WorkdirInProc(String),
    /// Unlimited processes can stop the whole machine.
    #[error("has no limit on its processes")]
    NoProcessLimit,
}

/// Refuses a spec that goes beyond an ordinary container.
///
/// # Errors
/// [`Refusal`] with the first thing that is not allowed.
pub fn check(spec: &ContainerSpec, trust: Trust) -> Result<(), Refusal> {
    check_with(spec, trust, &Allowances::default())
}

/// Refuses a spec that goes beyond an ordinary container and these allowances, which count for
/// trusted sources only.
///
/// # Errors
/// [`Refusal`] with the first thing that is not allowed.
pub fn check_with(spec: &ContainerSpec, trust: Trust, allowances: &Allowances) -> Result<(), Refusal> {
    let nothing = Allowances::default();
    let allowed = match trust {
        Trust::Trusted => allowances,
        Trust::Untrusted => &nothing,
    };
    let causes = privileges(spec, allowed).into_iter().chain(workdir(spec)).chain(limits(spec));
    match causes.into_iter().next() {
        Some(cause) => Err(Refusal { step: spec.step.clone(), cause }),
        None => Ok(()),
    }
}

fn privileges(spec: &ContainerSpec, allowed: &Allowances) -> Option<Cause> {
    let asked = &spec.privileges;
    let capability = |name: &str| {
        let upper = name.to_ascii_uppercase();
        upper.strip_prefix("CAP_").map(str::to_owned).unwrap_or(upper)
    };
    let allowed_capability =
        |name: &&String| !allowed.capabilities.iter().any(|one| capability(one) == capability(name));
    let device = |text: &str| normal(text.split(':').next().unwrap_or_default());
    let allowed_device = |text: &&String| {
        let path = device(text);
        path.is_none() || !allowed.devices.iter().any(|one| device(one) == path)
    };
    (asked.privileged && !allowed.privileged)
        .then_some(Cause::Privileged)
        .or_else(|| (asked.host_network && !allowed.host_network).then_some(Cause::HostNetwork))
        .or_else(|| {
            let mount = asked.host_mounts.iter().find(|mount| !is_allowed_mount(mount, allowed));
            mount.cloned().map(Cause::HostMount)
        })
        .or_else(|| asked.capabilities.iter().find(allowed_capability).cloned().map(Cause::Capability))
        .or_else(|| asked.devices.iter().find(allowed_device).cloned().map(Cause::Device))
        .or_else(|| {
            let option =
                asked.security_options.iter().find(|option| !allowed.security_options.contains(option));
            option.cloned().map(Cause::SecurityOption)
        })
}

fn is_allowed_mount(mount: &str, allowed: &Allowances) -> bool {
    let Some(host) = normal(mount.split(':').next().unwrap_or_default()) else { return false };
    allowed.host_mounts.iter().filter_map(|one| normal(one.to_str()?)).any(|one| host.starts_with(one))
}

fn workdir(spec: &ContainerSpec) -> Option<Cause> {
    let given = spec.workdir.as_ref()?;
    match normal(given) {
        None => Some(Cause::RelativeWorkdir(given.clone())),
        Some(path) => path.starts_with("/proc").then(|| Cause::WorkdirInProc(given.clone())),
    }
}

fn limits(spec: &ContainerSpec) -> Option<Cause> {
    // Container runtimes take 0 for unlimited.
    spec.resources.pids.is_none_or(|pids| pids == 0).then_some(Cause::NoProcessLimit)
}

/// An absolute path without `.`, `..` and doubled slashes.
fn normal(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        return None;
    }
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                normal.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::backend::{Privileges, ProgramSpec};
    use crate::plan::{Network, Resources};

    fn spec(privileges: Privileges) -> ContainerSpec {
        ContainerSpec {
            step: StepId::new("unit"),
            attempt: 1,
            image: "busybox".to_owned(),
            program: ProgramSpec::Command(vec!["true".to_owned()]),
            env: BTreeMap::new(),
            user: None,
            workdir: Some("/workspace".to_owned()),
            workspace: true,
            network: Network::Own,
            resources: Resources { pids: Some(4096), ..Resources::default() },
            timeout: Duration::from_secs(1),
            grace: Duration::from_secs(1),
            log_limit: 1,
            lane: None,
            privileges,
        }
    }

    fn any_privileges() -> impl Strategy<Value = Privileges> {
        let words = || vec("[A-Z_/:a-z.]{0,12}", 0..2);
        (any::<bool>(), any::<bool>(), words(), words(), words(), words()).prop_map(|all| Privileges {
            privileged: all.0,
            host_network: all.1,
            host_mounts: all.2,
            capabilities: all.3,
            devices: all.4,
            security_options: all.5,
        })
    }

    fn everything() -> Allowances {
        Allowances {
            privileged: true,
            host_network: true,
            host_mounts: vec![PathBuf::from("/")],
            capabilities: vec!["ALL".to_owned()],
            devices: vec!["/dev/kvm".to_owned()],
            security_options: vec!["seccomp=unconfined".to_owned()],
        }
    }

    proptest! {
        #[test]
        fn no_privilege_passes_unless_a_setting_allows_it(privileges in any_privileges()) {
            let ordinary = privileges == Privileges::default();
            let spec = spec(privileges);
            prop_assert_eq!(check(&spec, Trust::Trusted).is_ok(), ordinary);
            prop_assert_eq!(check(&spec, Trust::Untrusted).is_ok(), ordinary);
            prop_assert_eq!(check_with(&spec, Trust::Untrusted, &everything()).is_ok(), ordinary);
        }

        #[test]
        fn no_spelling_of_proc_is_a_workdir(
            path in vec(prop_oneof![Just("proc"), Just(".."), Just("."), Just(""), Just("a")], 0..6),
        ) {
            let path = format!("/{}", path.join("/"));
            let mut real: Vec<&str> = Vec::new();
            for part in path.split('/') {
                match part {
                    "" | "." => {}
                    ".." => drop(real.pop()),
                    name => real.push(name),
                }
            }
            let mut spec = spec(Privileges::default());
            spec.workdir = Some(path.clone());
            prop_assert_eq!(check(&spec, Trust::Trusted).is_err(), real.first() == Some(&"proc"));
        }
    }

    #[track_caller]
    fn check_allowed(privileges: Privileges, allowances: &Allowances, refused: Option<&str>) {
        let result = check_with(&spec(privileges), Trust::Trusted, allowances);
        assert_eq!(result.err().map(|refusal| refusal.to_string()).as_deref(), refused);
    }

    #[test]
    fn an_allowance_covers_what_it_names_and_nothing_beside_it() {
        let data = Allowances { host_mounts: vec![PathBuf::from("/srv/data")], ..Allowances::default() };
        let mount = |path: &str| Privileges { host_mounts: vec![path.to_owned()], ..Privileges::default() };
        check_allowed(mount("/srv/data/x:/x"), &data, None);
        for path in ["/srv/data/../../etc:/x", "/srv/database:/x", "srv/data:/x", "/:/x", ""] {
            let words =
                format!("step `unit` asks to mount `{path}` of this machine, and no setting allows it");
            check_allowed(mount(path), &data, Some(&words));
        }
        let admin = Allowances { capabilities: vec!["NET_ADMIN".to_owned()], ..Allowances::default() };
        let capability =
            |name: &str| Privileges { capabilities: vec![name.to_owned()], ..Privileges::default() };
        check_allowed(capability("cap_net_admin"), &admin, None);
        check_allowed(
            capability("ALL"),
            &admin,
            Some("step `unit` asks for the capability `ALL`, and no setting allows it"),
        );
        let kvm = Allowances { devices: vec!["/dev/kvm".to_owned()], ..Allowances::default() };
        let device = |path: &str| Privileges { devices: vec![path.to_owned()], ..Privileges::default() };
        check_allowed(device("/dev/kvm:/dev/kvm:rw"), &kvm, None);
        check_allowed(
            device("/dev/kvm/../sda"),
            &kvm,
            Some("step `unit` asks for the device `/dev/kvm/../sda`, and no setting allows it"),
        );
    }

    #[test]
    fn workdir_and_process_limit() {
        let with = |change: fn(&mut ContainerSpec)| {
            let mut spec = spec(Privileges::default());
            change(&mut spec);
            check(&spec, Trust::Trusted).err().map(|refusal| refusal.cause)
        };
        assert_eq!(with(|spec| spec.workdir = None), None);
        assert_eq!(
            with(|spec| spec.workdir = Some("src".to_owned())),
            Some(Cause::RelativeWorkdir("src".to_owned()))
        );
        assert!(matches!(
            with(|spec| spec.workdir = Some("/x/..//proc/self/fd/8".to_owned())),
            Some(Cause::WorkdirInProc(_))
        ));
        assert_eq!(with(|spec| spec.resources.pids = None), Some(Cause::NoProcessLimit));
        assert_eq!(with(|spec| spec.resources.pids = Some(0)), Some(Cause::NoProcessLimit));
    }
}
