//! From our words to the engine's: pure functions, tested without an engine.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType,
    MountVolumeOptions, VolumeCreateRequest,
};

use super::image::ImageFacts;
use super::parcel::{self, Content, Parcel};
use super::reach::Reach;
pub(super) use crate::backend::helped::WORKSPACE;
use crate::backend::{ContainerSpec, Privileges, ProgramSpec, helped};
use crate::base::{InstanceId, RunId, Tree};
use crate::helper::protocol::Go;
use crate::helper::{DIRECTORY, PATH};
use crate::plan::Network;

/// The engine keeps a copy of every log until the container is removed, for when our stream is cut.
/// It must hold all of it; frames add little to what a log limit lets through.
const LOG_SLACK: u64 = 8 << 20;

/// What all containers of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) instance: InstanceId,
    pub(super) run: RunId,
    /// Brings the helper in.
    pub(super) helper: Mount,
    /// Where it is then.
    pub(super) entrypoint: String,
    /// The workspace: a volume or a directory.
    pub(super) workspace: Option<Mount>,
    pub(super) gid: u32,
    /// The log driver that keeps bytes as they are.
    pub(super) log_driver: &'static str,
    pub(super) podman: bool,
}

/// How a container is on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join<'a> {
    /// A namespace of its own.
    Own(Network),
    /// A namespace of its own in the network of this name.
    Network(&'a str),
    /// That of another container.
    Container(&'a str),
}

/// The name of an attempt's container: always the same, so that one whose creation was not answered
/// can be found again.
pub(super) fn container_name(run: &RunId, spec: &ContainerSpec) -> String {
    format!("windlass-{run}-{}-{}", spec.label(), spec.attempt)
}

/// The name of the container through which volumes are filled.
pub(super) fn upload_name(run: &RunId) -> String {
    format!("windlass-{run}-upload")
}

/// The name of the workspace's volume.
fn workspace_name(run: &RunId) -> String {
    format!("windlass-{run}-workspace")
}

/// The name of the helper's volume.
fn helper_name(run: &RunId) -> String {
    format!("windlass-{run}-helper")
}

/// Where the helper is once it was sent: a volume is a directory.
pub(super) fn sent_path() -> String {
    format!("{PATH}/{}", parcel::HELPER)
}

/// The labels that everything we make carries.
pub(super) fn labels(instance: &InstanceId, run: &RunId) -> HashMap<String, String> {
    HashMap::from([
        (INSTANCE_LABEL.to_owned(), instance.to_string()),
        (RUN_LABEL.to_owned(), run.to_string()),
    ])
}

pub(super) const INSTANCE_LABEL: &str = "dev.windlass.instance";
pub(super) const RUN_LABEL: &str = "dev.windlass.run";

/// A container whose helper waits for *go*, without the limits of a step.
fn held(common: &Common, join: Join<'_>) -> ContainerCreateBody {
    ContainerCreateBody {
        // A name of its own cannot be given to one who joins another's namespace.
        hostname: (!matches!(join, Join::Container(_))).then(|| "windlass".to_owned()),
        // The helper becomes the step's user itself. Podman gives the root of a volume to its first
        // container's user and group, and that of the workspace is to stay what it is.
        user: Some(format!("0:{}", if common.podman { common.gid } else { 0 })),
        entrypoint: Some(vec![common.entrypoint.clone()]),
        cmd: Some(Vec::new()),
        working_dir: Some("/".to_owned()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // The helper's standard input ends with our connection: that is how it knows that we are gone.
        stdin_once: Some(true),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        labels: Some(labels(&common.instance, &common.run)),
        host_config: Some(HostConfig {
            mounts: Some(vec![common.helper.clone()]),
            tmpfs: Some(HashMap::from([(DIRECTORY.to_owned(), "mode=0755,size=64m".to_owned())])),
            network_mode: Some(match join {
                Join::Own(Network::Own) => "default".to_owned(),
                Join::Own(Network::None) => "none".to_owned(),
                Join::Network(name) => name.to_owned(),
                Join::Container(name) => format!("container:{name}"),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// The container of a step, but for its image, which the engine may know by another name.
pub(super) fn container(common: &Common, spec: &ContainerSpec, join: Join<'_>) -> ContainerCreateBody {
    let mut body = held(common, join);
    let host = body.host_config.get_or_insert_default();
    if spec.workspace {
        host.mounts.get_or_insert_default().extend(common.workspace.clone());
    }
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let memory = spec.resources.memory.map(|memory| signed(memory.0));
    host.memory = memory;
    // The same again: no swap beyond it.
    host.memory_swap = memory;
    host.nano_cpus = spec.resources.cpu_millis.map(|millis| i64::from(millis) * 1_000_000);
    host.pids_limit = spec.resources.pids.map(i64::from);
    privileges(host, &spec.privileges);
    if spec.no_new_privileges {
        host.security_opt.get_or_insert_default().push("no-new-privileges".to_owned());
    }
    host.log_config = Some(HostConfigLogConfig {
        typ: Some(common.log_driver.to_owned()),
        config: (common.log_driver == "local").then(|| {
            let size = spec.log_limit.saturating_add(LOG_SLACK).min(1 << 40);
            HashMap::from([
                ("max-size".to_owned(), size.to_string()),
                ("max-file".to_owned(), "1".to_owned()),
                ("compress".to_owned(), "false".to_owned()),
            ])
        }),
    });
    if let Some(workdir) = &spec.workdir {
        // The engine makes it when it is missing.
        body.working_dir = Some(workdir.clone());
    }
    body
}

/// Gives a container what the policy has let through.
fn privileges(host: &mut HostConfig, asked: &Privileges) {
    let some = |all: &Vec<String>| (!all.is_empty()).then(|| all.clone());
    host.privileged = Some(asked.privileged);
    if asked.host_network {
        host.network_mode = Some("host".to_owned());
    }
    host.cap_add = some(&asked.capabilities);
    host.security_opt = some(&asked.security_options);
    let devices: Vec<_> = asked.devices.iter().map(|text| device(text)).collect();
    host.devices = (!devices.is_empty()).then_some(devices);
    host.mounts.get_or_insert_default().extend(asked.host_mounts.iter().map(|text| bind(text)));
}

fn device(text: &str) -> DeviceMapping {
    let mut parts = text.splitn(3, ':').map(str::to_owned);
    let path = parts.next();
    DeviceMapping {
        path_in_container: parts.next().or_else(|| path.clone()),
        path_on_host: path,
        cgroup_permissions: Some(parts.next().unwrap_or_else(|| "rwm".to_owned())),
    }
}

/// A directory of the machine; one that is not there is an error, and is not made.
fn bind(text: &str) -> Mount {
    let mut parts = text.splitn(3, ':');
    Mount {
        source: parts.next().map(str::to_owned),
        target: parts.next().map(str::to_owned),
        typ: Some(MountType::BIND),
        read_only: Some(parts.next() == Some("ro")),
        ..Mount::default()
    }
}

/// What the helper is told, but for the names of services, which are known when it may go.
pub(super) fn go(common: &Common, spec: &ContainerSpec, image: &ImageFacts, linger: bool) -> Go {
    let own = || match &spec.program {
        ProgramSpec::Entrypoint { args } if !args.is_empty() => args,
        _ => &image.command,
    };
    let program = helped::program(&spec.program)
        .unwrap_or_else(|| (image.entrypoint.iter().chain(own()).cloned().collect(), None));
    let told = helped::go(spec, program, common.gid);
    Go {
        // The later of two wins.
        env: image.env.iter().cloned().chain(told.env).collect(),
        user: spec.user.clone().unwrap_or_else(|| image.user.clone()),
        workdir: if told.workdir.is_empty() { image.workdir.clone() } else { told.workdir },
        linger,
        ..told
    }
}

/// What the containers of a run are given, and what has to be made for that first.
#[derive(Debug, Default)]
pub(super) struct Provision {
    pub(super) helper: Mount,
    pub(super) entrypoint: String,
    pub(super) workspace: Option<Mount>,
    /// Volumes to create.
    pub(super) volumes: Vec<VolumeCreateRequest>,
    /// Those of them that are to be filled.
    pub(super) parcels: Vec<Parcel>,
}

/// Says how an engine of this reach gets helper and workspace.
pub(super) fn provide(
    instance: &InstanceId,
    run: &RunId,
    reach: Reach,
    helper: &Path,
    tree: Option<&Tree>,
) -> Provision {
    let mut provision = Provision::default();
    let mut volume = |name: String, target: &str, options: Option<String>| {
        let overlay = options.as_deref().map(|options| {
            let given = [("type", "overlay"), ("device", "overlay"), ("o", options)];
            given.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        });
        provision.volumes.push(VolumeCreateRequest {
            name: Some(name.clone()),
            driver: Some("local".to_owned()),
            driver_opts: overlay,
            labels: Some(labels(instance, run)),
            ..VolumeCreateRequest::default()
        });
        let mut mount = mount(MountType::VOLUME, name, target);
        // What the image has at that place is no part of it.
        mount.volume_options = Some(MountVolumeOptions { no_copy: Some(true), ..Default::default() });
        mount
    };
    let (mut lent, entrypoint) = if reach.helper {
        (mount(MountType::BIND, helper.display().to_string(), PATH), PATH.to_owned())
    } else {
        (volume(helper_name(run), PATH, None), sent_path())
    };
    lent.read_only = Some(true);
    let workspace = tree.map(|tree| match tree {
        _ if !reach.files => volume(workspace_name(run), WORKSPACE, None),
        Tree::Plain(path) => mount(MountType::BIND, path.display().to_string(), WORKSPACE),
        Tree::Layers { lowers, upper, work } => {
            let lower: Vec<_> = lowers.iter().map(|path| escape(&path.display().to_string())).collect();
            let options = format!(
                "lowerdir={},upperdir={},workdir={}",
                lower.join(":"),
                escape(&upper.display().to_string()),
                escape(&work.display().to_string())
            );
            volume(workspace_name(run), WORKSPACE, Some(options))
        }
    });
    if !reach.helper {
        provision.parcels.push(Parcel { volume: lent.clone(), content: Content::Helper });
    }
    if let (false, Some(volume), Some(tree)) = (reach.files, &workspace, tree) {
        provision.parcels.push(Parcel { volume: volume.clone(), content: Content::Tree(tree.clone()) });
    }
    Provision { helper: lent, entrypoint, workspace, ..provision }
}

pub(super) fn mount(typ: MountType, source: String, target: &str) -> Mount {
    Mount { target: Some(target.to_owned()), source: Some(source), typ: Some(typ), ..Mount::default() }
}

/// Overlayfs splits its options at commas and lower directories at colons.
fn escape(path: &str) -> String {
    path.chars().flat_map(|c| matches!(c, ',' | ':' | '\\').then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::backend::{GivenSecret, SecretPlace};
    use crate::base::{Bytes, Secret, StepId};
    use crate::helper::protocol::Hidden;
    use crate::plan::Resources;

    fn common() -> Common {
        Common {
            instance: InstanceId::new("instance"),
            run: RunId::new("run"),
            helper: mount(MountType::BIND, "/state/helper".to_owned(), PATH),
            entrypoint: PATH.to_owned(),
            workspace: Some(Mount { target: Some(WORKSPACE.to_owned()), ..Mount::default() }),
            gid: 7,
            log_driver: "local",
            podman: false,
        }
    }

    fn spec() -> ContainerSpec {
        ContainerSpec {
            step: StepId::new("unit"),
            attempt: 1,
            service: None,
            image: "busybox".into(),
            program: ProgramSpec::Command(vec!["true".to_owned()]),
            env: BTreeMap::from([("A".to_owned(), "step".to_owned())]),
            secrets: vec![GivenSecret {
                value: Secret::new("hunter2-hunter2").unwrap(),
                place: SecretPlace::Variable("TOKEN".to_owned()),
            }],
            user: None,
            workdir: None,
            workspace: true,
            network: Network::Own,
            among_services: false,
            resources: Resources { memory: Some(Bytes(1 << 20)), cpu_millis: Some(1500), pids: Some(9) },
            timeout: Duration::from_secs(1),
            grace: Duration::from_secs(2),
            log_limit: 1 << 20,
            lane: None,
            no_new_privileges: false,
            privileges: Privileges::default(),
            substitution: None,
        }
    }

    #[test]
    fn limits_and_mounts_are_in_the_engines_units() {
        let host = container(&common(), &spec(), Join::Own(Network::Own)).host_config.unwrap();
        assert_eq!((host.memory, host.memory_swap), (Some(1 << 20), Some(1 << 20)));
        assert_eq!((host.nano_cpus, host.pids_limit), (Some(1_500_000_000), Some(9)));
        let targets: Vec<_> = host.mounts.unwrap().into_iter().filter_map(|mount| mount.target).collect();
        assert_eq!(targets, [PATH, WORKSPACE]);
    }

    #[test]
    fn nothing_of_a_step_is_in_the_engines_configuration() {
        let body = container(&common(), &spec(), Join::Own(Network::None));
        assert_eq!(body.env, None);
        assert!(!format!("{body:?}").contains("hunter2"));
        assert_eq!(body.cmd, Some(Vec::new()));
        assert_eq!(body.host_config.unwrap().network_mode.as_deref(), Some("none"));
    }

    #[test]
    fn a_joined_container_has_no_hostname_of_its_own() {
        let body = container(&common(), &spec(), Join::Container("other"));
        assert_eq!(body.hostname, None);
        assert_eq!(body.host_config.unwrap().network_mode.as_deref(), Some("container:other"));
    }

    #[test]
    fn the_image_fills_what_the_step_leaves_open() {
        let image = ImageFacts {
            env: vec![("A".to_owned(), "image".to_owned()), ("B".to_owned(), "image".to_owned())],
            entrypoint: vec!["entry".to_owned()],
            command: vec!["default".to_owned()],
            user: "build".to_owned(),
            workdir: "/src".to_owned(),
            ..ImageFacts::default()
        };
        let told = go(&common(), &spec(), &image, false);
        assert_eq!(told.secrets, [("TOKEN".to_owned(), Hidden(b"hunter2-hunter2".to_vec()))]);
        assert_eq!(told.env.iter().rfind(|(name, _)| name == "A").unwrap().1, "step");
        assert_eq!((told.user.as_str(), told.workdir.as_str(), told.group), ("build", WORKSPACE, Some(7)));

        let argv =
            |program| go(&common(), &ContainerSpec { program, workspace: false, ..spec() }, &image, false);
        assert_eq!(argv(ProgramSpec::Entrypoint { args: vec![] }).argv, ["entry", "default"]);
        let with_args = argv(ProgramSpec::Entrypoint { args: vec!["x".to_owned()] });
        assert_eq!(with_args.argv, ["entry", "x"]);
        assert_eq!((with_args.workdir.as_str(), with_args.group), ("/src", None));
        let script = argv(ProgramSpec::Script {
            interpreter: vec!["sh".to_owned(), "-e".to_owned()],
            body: "true".to_owned(),
            args: vec!["x".to_owned()],
        });
        assert_eq!((script.argv, script.script.unwrap().0), (vec!["sh".into(), "-e".into(), "x".into()], 2));
    }

    #[test]
    fn privileges_that_were_let_through_are_applied() {
        let words = |text: &str| vec![text.to_owned()];
        let asked = Privileges {
            privileged: true,
            host_network: true,
            host_mounts: words("/srv/data:/data:ro"),
            capabilities: words("NET_ADMIN"),
            devices: words("/dev/kvm"),
            security_options: words("seccomp=unconfined"),
        };
        let spec = ContainerSpec { privileges: asked, ..spec() };
        let host = container(&common(), &spec, Join::Own(Network::Own)).host_config.unwrap();
        assert_eq!((host.privileged, host.network_mode.as_deref()), (Some(true), Some("host")));
        assert_eq!(
            (host.cap_add, host.security_opt),
            (Some(words("NET_ADMIN")), Some(words("seccomp=unconfined")))
        );
        let mut gains_nothing = spec.clone();
        gains_nothing.no_new_privileges = true;
        let made = container(&common(), &gains_nothing, Join::Own(Network::Own));
        let options = made.host_config.unwrap().security_opt.unwrap();
        assert_eq!(options, ["seccomp=unconfined", "no-new-privileges"]);
        let device = host.devices.unwrap().remove(0);
        assert_eq!(device.path_on_host, device.path_in_container);
        let bind = host.mounts.unwrap().pop().unwrap();
        assert_eq!((bind.source.as_deref(), bind.read_only), (Some("/srv/data"), Some(true)));
        let none = container(
            &common(),
            &ContainerSpec { privileges: Privileges::default(), ..spec },
            Join::Own(Network::Own),
        );
        let host = none.host_config.unwrap();
        assert_eq!(
            (host.privileged, host.cap_add, host.devices, host.security_opt),
            (Some(false), None, None, None)
        );
    }

    #[test]
    fn paths_survive_the_options_of_overlayfs() {
        let tree = Tree::Layers {
            lowers: vec![PathBuf::from("/a:b"), PathBuf::from("/c,d")],
            upper: PathBuf::from("/up"),
            work: PathBuf::from("/work"),
        };
        let mut provision = provided(Reach { files: true, helper: true }, &tree);
        let options = provision.volumes.remove(0).driver_opts.unwrap().remove("o").unwrap();
        assert_eq!(options, r"lowerdir=/a\:b:/c\,d,upperdir=/up,workdir=/work");
    }

    fn provided(reach: Reach, tree: &Tree) -> Provision {
        provide(&InstanceId::new("i"), &RunId::new("r"), reach, Path::new("/state/helper"), Some(tree))
    }

    #[test]
    fn an_engine_gets_by_volume_what_it_cannot_mount() {
        let tree = Tree::Plain(PathBuf::from("/tree"));
        let sources = |files, helper| {
            let provision = provided(Reach { files, helper }, &tree);
            let source = |mount: &Mount| mount.source.clone().unwrap();
            let sources = [source(&provision.helper), source(provision.workspace.as_ref().unwrap())];
            assert_eq!(provision.helper.read_only, Some(true));
            (sources.join(" "), provision.volumes.len(), provision.parcels.len())
        };
        assert_eq!(sources(true, true), ("/state/helper /tree".to_owned(), 0, 0));
        assert_eq!(sources(true, false), ("windlass-r-helper /tree".to_owned(), 1, 1));
        assert_eq!(sources(false, false), ("windlass-r-helper windlass-r-workspace".to_owned(), 2, 2));
    }
}
