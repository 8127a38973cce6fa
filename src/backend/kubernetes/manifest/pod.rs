//! Pods whose program the helper runs: of steps, of services, and of what the helper does for us.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use serde_json::{Map, Value, json};

use super::super::options::{ARCHITECTURE, architecture};
use super::installer;
use super::names::{of_container, unpacking};
use super::security::{context, own_user, security};
use super::{CONTAINER, Common, FILLER, NAMES, Options, STEP, Volume, meta, put, typed};
use crate::backend::{ContainerSpec, Privileges};
use crate::helper::{DIRECTORY, PATH};

/// Where the container that goes before the program writes the names.
const NAMES_DIRECTORY: &str = "/windlass-names";

/// The pod of a step or a service, whose helper waits for what it is told. Where the helper may not write the names of
/// services (`names`), there is a file for them that it may write, which a container makes that goes before.
pub(in super::super) fn step(
    common: &Common,
    options: &Options,
    spec: &ContainerSpec,
    volume: Option<&Volume>,
    names: bool,
) -> Pod {
    let volume = volume.filter(|_| spec.workspace);
    let (mut volumes, mut mounts) = (volumes(common, options, volume), mounts(volume));
    let mut before = Vec::new();
    before.extend(volume.filter(|volume| volume.is_of_pod()).map(|volume| filler(options, spec, volume)));
    if names {
        volumes.push(names_volume());
        mounts.push(names_mount(false));
        let mut container = names_container(spec, NAMES, &["names", &names_file()]);
        put(&mut container, "securityContext", Some(context(options, own_user(options, spec).0)));
        before.push(container);
    }
    let mut container = helped(CONTAINER, &spec.image.to_string(), &["pod"], &mounts);
    put(&mut container, "workingDir", spec.workdir.clone());
    put(&mut container, "resources", resources(spec));
    put(&mut container, "securityContext", Some(security(options, spec, true)));
    let node = volume.and_then(|volume| volume.node.as_deref());
    let grace = spec.grace.saturating_add(Duration::from_secs(5));
    of_spec(common, spec, pod(common, options, (before, container), volumes, node), grace)
}

/// A pod that has the helper do one thing and end: `what` are its arguments.
pub(in super::super) fn task(
    common: &Common,
    options: &Options,
    name: &str,
    image: &str,
    what: &[String],
    volume: Option<&Volume>,
) -> Pod {
    let mut container = helped(CONTAINER, image, what, &mounts(volume));
    let user = filling_user(options).filter(|_| options.restricted || volume.is_some());
    put(&mut container, "securityContext", Some(context(options, user)));
    let node = volume.and_then(|volume| volume.node.as_deref());
    let spec = pod(common, options, (Vec::new(), container), volumes(common, options, volume), node);
    Pod { metadata: meta(common, name.to_owned()), spec: Some(spec), status: None }
}

/// The container that fills the workspace of its pod, before the one that has it.
fn filler(options: &Options, spec: &ContainerSpec, volume: &Volume) -> Value {
    let (whole, what) = unpacking(volume);
    let mut container = helped(FILLER, &spec.image.to_string(), &what, &mounts(Some(&whole)));
    put(&mut container, "resources", resources(spec));
    put(&mut container, "securityContext", Some(context(options, filling_user(options))));
    container
}

/// Whoever fills a workspace: root, who may make any file, where root is to be had.
fn filling_user(options: &Options) -> Option<i64> {
    if options.restricted { options.user } else { Some(0) }
}

/// What the pod of a container of a plan has whatever runs in it.
pub(super) fn of_spec(common: &Common, spec: &ContainerSpec, mut pod: PodSpec, grace: Duration) -> Pod {
    pod.host_network = spec.privileges.host_network.then_some(true);
    let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
    pod.termination_grace_period_seconds = Some(i64::try_from(seconds).unwrap_or(i64::MAX).max(1));
    host_mounts(&mut pod, &spec.privileges);
    let mut metadata = meta(common, of_container(&common.run, spec));
    metadata.annotations = Some(BTreeMap::from([(STEP.to_owned(), spec.label())]));
    Pod { metadata, spec: Some(pod), status: None }
}

/// What a container is limited to, if it is.
pub(super) fn resources(spec: &ContainerSpec) -> Option<Value> {
    let mut limits = Map::new();
    if let Some(memory) = spec.resources.memory {
        limits.insert("memory".to_owned(), json!(memory.0.to_string()));
    }
    if let Some(millis) = spec.resources.cpu_millis {
        limits.insert("cpu".to_owned(), json!(format!("{millis}m")));
    }
    (!limits.is_empty()).then(|| json!({"limits": limits, "requests": limits}))
}

/// A container that has the helper as its program.
pub(super) fn helped(name: &str, image: &str, args: &[impl AsRef<str>], mounts: &[Value]) -> Value {
    let args = args.iter().map(|arg| arg.as_ref().to_owned());
    let command: Vec<_> = std::iter::once(boot()).chain(args).collect();
    json!({
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        // It outlives every connection: the helper is told by what comes, not by its end.
        "stdin": true,
        "volumeMounts": mounts,
    })
}

/// The container that writes the file of names, before the one that has it as its `/etc/hosts`.
pub(super) fn names_container(spec: &ContainerSpec, name: &str, args: &[&str]) -> Value {
    let mut mounts = mounts(None);
    mounts.push(json!({"name": "names", "mountPath": NAMES_DIRECTORY}));
    let mut container = helped(name, &spec.image.to_string(), args, &mounts);
    put(&mut container, "resources", resources(spec));
    container
}

/// The file of names, where it is written.
pub(in super::super) fn names_file() -> String {
    format!("{NAMES_DIRECTORY}/hosts")
}

pub(super) fn names_volume() -> Value {
    json!({"name": "names", "emptyDir": {}})
}

/// The file of names, where the program sees it.
pub(super) fn names_mount(read_only: bool) -> Value {
    json!({"name": "names", "mountPath": "/etc/hosts", "subPath": "hosts", "readOnly": read_only})
}

/// What pods with the helper in them have as volumes.
pub(super) fn volumes(common: &Common, options: &Options, volume: Option<&Volume>) -> Vec<Value> {
    let mut volumes = vec![
        installer::volume(common, options),
        json!({"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}),
    ];
    volumes.extend(volume.map(|volume| volume.source("workspace")));
    volumes
}

/// Where their containers see those.
pub(super) fn mounts(volume: Option<&Volume>) -> Vec<Value> {
    let mut mounts = vec![
        json!({"name": installer::VOLUME, "mountPath": PATH, "readOnly": true}),
        json!({"name": "memory", "mountPath": DIRECTORY}),
    ];
    mounts.extend(volume.into_iter().flat_map(|volume| volume.mounts("workspace")));
    mounts
}

/// A pod of one container, and those that go before it.
pub(super) fn pod(
    common: &Common,
    options: &Options,
    (before, container): (Vec<Value>, Value),
    volumes: Vec<Value>,
    node: Option<&str>,
) -> PodSpec {
    let resources = container.get("resources").cloned();
    let mut spec = json!({
        "restartPolicy": "Never",
        "hostname": "windlass",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "containers": [container],
        "volumes": volumes,
        "securityContext": {"supplementalGroups": [common.gid]},
        "tolerations": options.tolerations,
    });
    let installer = installer::container(options, resources.as_ref());
    let first: Vec<_> = installer.into_iter().chain(before).collect();
    put(&mut spec, "initContainers", (!first.is_empty()).then_some(first));
    let secrets: Vec<_> = options.pull_secrets.iter().map(|name| json!({"name": name})).collect();
    put(&mut spec, "imagePullSecrets", (!secrets.is_empty()).then_some(secrets));
    put(&mut spec, "serviceAccountName", options.service_account.clone());
    put(&mut spec, "nodeSelector", Some(nodes(options)));
    put(&mut spec, "affinity", node.map(on_node));
    if options.restricted
        && let Some(context) = spec.get_mut("securityContext")
    {
        // Nobody in it may change whose a volume is.
        put(context, "fsGroup", Some(common.gid));
        // Not again for each pod: that takes its time, and changes the modes of what steps have made.
        put(context, "fsGroupChangePolicy", Some("OnRootMismatch"));
    }
    typed(spec)
}

/// What is the helper, or puts it together and becomes it.
pub(in super::super) fn boot() -> String {
    format!("{PATH}/boot")
}

/// The labels of nodes that may have a pod: whatever else they are, they can execute the helper.
fn nodes(options: &Options) -> BTreeMap<String, String> {
    let mut labels = options.node_selector.clone();
    labels.insert(ARCHITECTURE.to_owned(), architecture().to_owned());
    labels
}

/// A pod on this node and no other, as a volume may be on one node at a time.
fn on_node(node: &str) -> Value {
    let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}})
}

fn host_mounts(pod: &mut PodSpec, asked: &Privileges) {
    for (number, text) in asked.host_mounts.iter().enumerate() {
        let mut parts = text.splitn(3, ':');
        let (host, inside) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let name = format!("host-{number}");
        let volume = typed(json!({"name": name, "hostPath": {"path": host}}));
        pod.volumes.get_or_insert_default().push(volume);
        let mount = json!({"name": name, "mountPath": inside, "readOnly": parts.next() == Some("ro")});
        for container in &mut pod.containers {
            container.volume_mounts.get_or_insert_default().push(typed(mount.clone()));
        }
    }
}
