//! From our words to the cluster's: names, labels and manifests; pure functions, tested without a cluster.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::options::Options;
use crate::backend::{ContainerSpec, Privileges};
use crate::base::{InstanceId, RunId, hex};
use crate::helper::{self, DIRECTORY, PATH};

/// Where steps see the workspace.
pub(super) const WORKSPACE: &str = "/workspace";
/// The one container of every pod.
pub(super) const CONTAINER: &str = "step";
pub(super) const INSTANCE_LABEL: &str = "dev.windlass/instance";
pub(super) const RUN_LABEL: &str = "dev.windlass/run";
const STEP: &str = "dev.windlass/step";
/// Bytes of the helper in one `ConfigMap`: it may hold a megabyte, names included.
const PART: usize = 900 << 10;
/// A name that also names a host is no longer.
const MAX_NAME: usize = 63;
/// Seconds that a lease is good for.
pub(super) const LEASE: u64 = 60;

/// What all objects of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) instance: InstanceId,
    pub(super) run: RunId,
    /// The run's lease, once it is there: what it owns goes with it.
    pub(super) owner: Option<OwnerReference>,
    pub(super) gid: u32,
}

/// What a pod mounts besides the helper.
#[derive(Clone, Debug, Default)]
pub(super) struct Workspace {
    pub(super) claim: String,
    /// The node that the claim is bound to.
    pub(super) node: Option<String>,
}

/// The name of a run's lease, and the beginning of all others.
pub(super) fn run_name(run: &RunId) -> String {
    format!("windlass-{run}")
}

/// The name of something of a run: valid whatever it is called, and no other's.
pub(super) fn name(run: &RunId, label: &str, attempt: u32) -> String {
    let (begin, end) = (run_name(run), format!("-{attempt}"));
    let room = MAX_NAME - begin.len() - 1 - end.len();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if label.len() <= room && label.chars().all(plain) && !label.starts_with('-') {
        return format!("{begin}-{label}{end}");
    }
    let digest = hex(&Sha256::digest(label.as_bytes()));
    let shown: String = label.to_lowercase().chars().map(|c| if plain(c) { c } else { '-' }).collect();
    let shown: String = shown.trim_matches('-').chars().take(room - 9).collect();
    format!("{begin}-{shown}-{}{end}", &digest[..8])
}

/// The name of the pod that fetches an image, and what its helper is told, which is next to nothing.
pub(super) fn fetching(run: &RunId, image: &str) -> (String, [&'static str; 1]) {
    (name(run, &format!("image.{image}"), 1), ["remove"])
}

/// The name of the pod that fills the workspace.
pub(super) fn upload_name(run: &RunId) -> String {
    name(run, "workspace.upload", 1)
}

/// The labels that everything we make carries.
fn labels(common: &Common) -> BTreeMap<String, String> {
    BTreeMap::from([
        (INSTANCE_LABEL.to_owned(), common.instance.to_string()),
        (RUN_LABEL.to_owned(), common.run.to_string()),
    ])
}

fn meta(common: &Common, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        labels: Some(labels(common)),
        owner_references: common.owner.clone().map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// The object that a run is: whoever deletes it deletes all of the run.
pub(super) fn lease(common: &Common) -> Lease {
    let spec = json!({"holderIdentity": common.instance.as_str(), "leaseDurationSeconds": LEASE});
    let mut lease: Lease = typed(json!({"spec": spec}));
    lease.metadata = meta(common, run_name(&common.run));
    if let Some(spec) = &mut lease.spec {
        spec.renew_time = Some(MicroTime(Timestamp::now()));
    }
    lease
}

/// The helper, in as many `ConfigMap`s as it takes.
pub(super) fn helper(common: &Common) -> Vec<ConfigMap> {
    let parts = helper::EXECUTABLE.chunks(PART).enumerate().map(|(number, part)| {
        let mut data = BTreeMap::from([(number.to_string(), ByteString(part.to_vec()))]);
        if number == 0 {
            data.insert("boot".to_owned(), ByteString(helper::BOOT.to_vec()));
        }
        ConfigMap {
            metadata: meta(common, helper_name(&common.run, number)),
            binary_data: Some(data),
            immutable: Some(true),
            ..ConfigMap::default()
        }
    });
    parts.collect()
}

fn helper_name(run: &RunId, number: usize) -> String {
    format!("{}-helper-{number}", run_name(run))
}

/// The volume that the workspace is in.
pub(super) fn claim(common: &Common, options: &Options) -> PersistentVolumeClaim {
    let mut spec = json!({
        "accessModes": [if options.shared_workspace { "ReadWriteMany" } else { "ReadWriteOnce" }],
        "resources": {"requests": {"storage": options.workspace_size}},
    });
    put(&mut spec, "storageClassName", options.storage_class.clone());
    let mut claim: PersistentVolumeClaim = typed(json!({"spec": spec}));
    claim.metadata = meta(common, format!("{}-workspace", run_name(&common.run)));
    claim
}

/// The pod of a step or a service, whose helper waits for what it is told.
pub(super) fn step(
    common: &Common,
    options: &Options,
    spec: &ContainerSpec,
    workspace: Option<&Workspace>,
) -> Pod {
    let name = name(&common.run, &spec.label(), spec.attempt);
    let workspace = workspace.filter(|_| spec.workspace);
    let mut limits = Map::new();
    if let Some(memory) = spec.resources.memory {
        limits.insert("memory".to_owned(), json!(memory.0.to_string()));
    }
    if let Some(millis) = spec.resources.cpu_millis {
        limits.insert("cpu".to_owned(), json!(format!("{millis}m")));
    }
    let mut pod = held(common, options, &name, &spec.image.to_string(), &["pod"], workspace, |container| {
        put(container, "workingDir", spec.workdir.clone());
        put(
            container,
            "resources",
            (!limits.is_empty()).then(|| json!({"limits": limits, "requests": limits})),
        );
        security(container, options, spec);
    });
    if let Some(inner) = pod.spec.as_mut() {
        inner.host_network = spec.privileges.host_network.then_some(true);
        inner.termination_grace_period_seconds =
            Some(i64::try_from(spec.grace.as_secs()).unwrap_or(i64::MAX).saturating_add(5));
        host_mounts(inner, &spec.privileges);
    }
    pod.metadata.annotations = Some(BTreeMap::from([(STEP.to_owned(), spec.label())]));
    pod
}

/// A pod that has the helper do one thing and end: `what` are its arguments.
pub(super) fn task(
    common: &Common,
    options: &Options,
    name: &str,
    image: &str,
    what: &[&str],
    workspace: Option<&Workspace>,
) -> Pod {
    held(common, options, name, image, what, workspace, |container| {
        let user = if options.restricted { options.user } else { workspace.map(|_| 0) };
        put(container, "securityContext", Some(context(options, user)));
    })
}

fn held(
    common: &Common,
    options: &Options,
    name: &str,
    image: &str,
    args: &[&str],
    workspace: Option<&Workspace>,
    finish: impl FnOnce(&mut Value),
) -> Pod {
    let parts: Vec<_> = (0..helper::EXECUTABLE.len().div_ceil(PART))
        .map(|number| json!({"configMap": {"name": helper_name(&common.run, number)}}))
        .collect();
    let mut volumes = vec![
        json!({"name": "helper", "projected": {"sources": parts, "defaultMode": 0o555}}),
        json!({"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}),
    ];
    let mut mounts = vec![
        json!({"name": "helper", "mountPath": PATH, "readOnly": true}),
        json!({"name": "memory", "mountPath": DIRECTORY}),
    ];
    if let Some(workspace) = workspace {
        volumes.push(json!({"name": "workspace", "persistentVolumeClaim": {"claimName": workspace.claim}}));
        mounts.push(json!({"name": "workspace", "mountPath": WORKSPACE}));
    }
    let command: Vec<_> = std::iter::once(boot()).chain(args.iter().map(|&arg| arg.to_owned())).collect();
    let mut container = json!({
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        // It outlives every connection: the helper is told by what comes, not by its end.
        "stdin": true,
        "volumeMounts": mounts,
    });
    finish(&mut container);
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
    let secrets: Vec<_> = options.pull_secrets.iter().map(|name| json!({"name": name})).collect();
    put(&mut spec, "imagePullSecrets", (!secrets.is_empty()).then_some(secrets));
    put(&mut spec, "serviceAccountName", options.service_account.clone());
    put(&mut spec, "nodeSelector", (!options.node_selector.is_empty()).then_some(&options.node_selector));
    put(&mut spec, "affinity", workspace.and_then(|workspace| workspace.node.as_deref()).map(on_node));
    if options.restricted
        && let Some(context) = spec.get_mut("securityContext")
    {
        // Nobody in it may change whose a volume is.
        put(context, "fsGroup", Some(common.gid));
    }
    let mut pod: Pod = typed(json!({"spec": spec}));
    pod.metadata = meta(common, name.to_owned());
    pod
}

/// What puts the helper together and becomes it.
pub(super) fn boot() -> String {
    format!("{PATH}/boot")
}

/// A pod on this node and no other, as a volume may be on one node at a time.
fn on_node(node: &str) -> Value {
    let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}})
}

/// What the container may do, and as whom the helper begins.
fn security(container: &mut Value, options: &Options, spec: &ContainerSpec) {
    // The helper becomes the step's user itself, which takes root. The image's own user is known to the runtime alone.
    let asked = spec.user.as_deref().filter(|_| options.restricted);
    let mut numbers = asked.into_iter().flat_map(|user| user.split(':')).map(|part| part.parse::<i64>().ok());
    let (own, group) = (numbers.next().flatten(), numbers.next().flatten());
    let user = if options.restricted { own.or(options.user) } else { spec.user.as_ref().map(|_| 0) };
    let mut context = context(options, user);
    put(&mut context, "runAsGroup", group);
    let asked = &spec.privileges;
    put(&mut context, "allowPrivilegeEscalation", spec.no_new_privileges.then_some(false));
    put(&mut context, "privileged", asked.privileged.then_some(true));
    if !asked.capabilities.is_empty() {
        put(&mut context, "capabilities", Some(json!({"add": asked.capabilities})));
    }
    if asked.security_options.iter().any(|option| option == UNCONFINED) {
        put(&mut context, "seccompProfile", Some(json!({"type": "Unconfined"})));
    }
    put(container, "securityContext", Some(context));
}

/// The one security option of Docker's that a pod can have.
pub(super) const UNCONFINED: &str = "seccomp=unconfined";

fn context(options: &Options, user: Option<i64>) -> Value {
    let mut context = if options.restricted {
        json!({
            "runAsNonRoot": true,
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        })
    } else {
        json!({})
    };
    put(&mut context, "runAsUser", user);
    put(&mut context, "runAsGroup", user.filter(|user| *user == 0));
    context
}

fn host_mounts(pod: &mut k8s_openapi::api::core::v1::PodSpec, asked: &Privileges) {
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

fn put(to: &mut Value, key: &str, value: Option<impl serde::Serialize>) {
    if let (Some(to), Some(value)) = (to.as_object_mut(), value) {
        to.insert(key.to_owned(), json!(value));
    }
}

fn typed<T: DeserializeOwned>(manifest: Value) -> T {
    serde_json::from_value(manifest).expect("what is written here has the shape of its kind")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backend::{GivenSecret, ProgramSpec, SecretPlace};
    use crate::base::{Bytes, Secret, StepId};
    use crate::plan::{Network, Resources};

    fn common() -> Common {
        let run = RunId::new("01arz3ndektsv4rrffq69g5fav");
        Common { instance: InstanceId::new("i"), run, owner: None, gid: 7 }
    }

    fn spec() -> ContainerSpec {
        ContainerSpec {
            step: StepId::new("unit"),
            attempt: 2,
            service: None,
            image: "busybox".into(),
            program: ProgramSpec::Command(vec!["true".to_owned()]),
            env: [("WORD".to_owned(), "of the environment".to_owned())].into(),
            secrets: vec![GivenSecret {
                value: Secret::new("hunter2 is the value").unwrap(),
                place: SecretPlace::Variable("TOKEN".to_owned()),
            }],
            user: None,
            workdir: None,
            workspace: true,
            network: Network::Own,
            among_services: true,
            resources: Resources { memory: Some(Bytes(64 << 20)), cpu_millis: Some(500), pids: Some(100) },
            timeout: Duration::from_secs(1),
            grace: Duration::from_secs(10),
            log_limit: 1,
            lane: None,
            no_new_privileges: true,
            substitution: None,
            privileges: Privileges::default(),
        }
    }

    #[test]
    fn names_are_valid_and_unique_whatever_a_step_is_called() {
        let run = &common().run;
        let long = "x".repeat(300);
        let labels =
            ["unit", "unit.db", "unit-db", "Unit", "ünit", "u_nit", "", "-", "a-", &long, &long[1..]];
        let names: std::collections::BTreeSet<_> = labels.iter().map(|label| name(run, label, 1)).collect();
        assert_eq!(names.len(), labels.len());
        for name in names {
            let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.len() <= MAX_NAME && name.chars().all(valid) && name.ends_with("-1"), "{name}");
        }
        assert_eq!(name(run, "unit", 2), format!("windlass-{run}-unit-2"));
    }

    #[test]
    fn a_pod_has_what_was_asked_for_and_no_secret() {
        let workspace = Workspace { claim: "c".to_owned(), node: Some("n1".to_owned()) };
        let pod = step(&common(), &Options::default(), &spec(), Some(&workspace));
        let shown = serde_json::to_string(&pod).unwrap();
        assert!(!shown.contains("hunter2") && !shown.contains("of the environment"), "{shown}");
        let inner = pod.spec.unwrap();
        let container = &inner.containers[0];
        let limits = container.resources.as_ref().unwrap().limits.as_ref().unwrap();
        assert_eq!((limits["memory"].0.as_str(), limits["cpu"].0.as_str()), ("67108864", "500m"));
        assert_eq!(inner.automount_service_account_token, Some(false));
        assert!(shown.contains("\"n1\"") && shown.contains("\"claimName\":\"c\""));
        let context = container.security_context.as_ref().unwrap();
        assert_eq!((context.run_as_user, context.allow_privilege_escalation), (None, Some(false)));
    }

    #[test]
    fn a_restricted_pod_is_never_root() {
        let options = Options { restricted: true, user: Some(1000), ..Options::default() };
        let context = |user: Option<&str>| {
            let pod =
                step(&common(), &options, &ContainerSpec { user: user.map(str::to_owned), ..spec() }, None);
            pod.spec.unwrap().containers[0].security_context.clone().unwrap()
        };
        let found = context(None);
        assert_eq!((found.run_as_user, found.run_as_non_root), (Some(1000), Some(true)));
        assert_eq!(found.capabilities.unwrap().drop.unwrap(), ["ALL"]);
        assert_eq!(context(Some("1234")).run_as_user, Some(1234));
        let found = context(Some("1234:5"));
        assert_eq!((found.run_as_user, found.run_as_group), (Some(1234), Some(5)));
    }

    #[test]
    fn the_helper_fits_its_config_maps() {
        let parts = helper(&common());
        let bytes =
            |part: &ConfigMap| part.binary_data.iter().flatten().map(|(_, data)| data.0.len()).sum::<usize>();
        assert!(parts.iter().all(|part| bytes(part) < 1 << 20));
        let whole: Vec<u8> = parts
            .iter()
            .enumerate()
            .flat_map(|(number, part)| part.binary_data.as_ref().unwrap()[&number.to_string()].0.clone())
            .collect();
        assert!(whole == crate::helper::EXECUTABLE);
    }
}
