//! Names and manifests of what a run makes.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Container};

use super::names::{MAX_NAME, name};
use super::*;
use crate::backend::{ContainerSpec, GivenSecret, Privileges, ProgramSpec, SecretPlace};
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
    let labels = ["unit", "unit.db", "unit-db", "Unit", "ünit", "u_nit", "", "-", "a-", &long, &long[1..]];
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
    let volume = Volume::of("c".to_owned()).on(Some("n1".to_owned()));
    let pod = step(&common(), &Options::default(), &spec(), Some(&volume), false);
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
        let pod = step(
            &common(),
            &options,
            &ContainerSpec { user: user.map(str::to_owned), ..spec() },
            None,
            false,
        );
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
    let parts = helper(&common(), &Options::default());
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

#[test]
fn the_program_of_an_image_is_left_to_the_runtime_behind_a_gate() {
    let program = ProgramSpec::Entrypoint { args: vec!["$(WORD) $$".to_owned()] };
    let own = ContainerSpec { service: Some("db".to_owned()), program, grace: Duration::ZERO, ..spec() };
    let (given, pod) = (given(&common(), &own).unwrap(), own_pod(&own));
    let shown = serde_json::to_string(&pod).unwrap();
    assert!(!shown.contains("hunter2") && !shown.contains("of the environment"), "{shown}");
    let data: Vec<_> = given.data.iter().flatten().map(|(key, value)| (key.as_str(), &value.0[..])).collect();
    assert_eq!(data, [("TOKEN", &b"hunter2 is the value"[..]), ("WORD", b"of the environment")]);
    assert_eq!((given.metadata.name, given.immutable), (pod.metadata.name.clone(), Some(true)));
    let inner = pod.spec.unwrap();
    assert_eq!(inner.termination_grace_period_seconds, Some(1));
    let (gate, container) = (&inner.init_containers.unwrap()[0], &inner.containers[0]);
    assert_eq!((gate.name.as_str(), container.name.as_str()), (GATE, CONTAINER));
    assert_eq!((&container.command, container.stdin), (&None, None));
    // A cluster makes of it what it was.
    assert_eq!(container.args, Some(vec!["$$(WORD) $$$$".to_owned()]));
    let hosts = container.volume_mounts.iter().flatten().find(|mount| mount.mount_path == "/etc/hosts");
    assert_eq!(hosts.and_then(|mount| mount.read_only), Some(true));
}

fn own_pod(spec: &ContainerSpec) -> k8s_openapi::api::core::v1::Pod {
    own(&common(), &Options::default(), spec)
}

#[test]
fn every_container_has_the_usual_seccomp_profile_unless_it_asks_for_none() {
    let kind = |options: &[&str]| {
        let security_options = options.iter().map(|&option| option.to_owned()).collect();
        let privileges = Privileges { security_options, ..Privileges::default() };
        let pod = step(&common(), &Options::default(), &ContainerSpec { privileges, ..spec() }, None, true);
        let inner = pod.spec.unwrap();
        let all = inner.init_containers.into_iter().flatten().chain(inner.containers);
        all.map(|container| container.security_context.unwrap().seccomp_profile.unwrap().type_)
            .collect::<Vec<_>>()
    };
    assert_eq!(kind(&[]), ["RuntimeDefault", "RuntimeDefault"]);
    assert_eq!(kind(&[UNCONFINED]), ["RuntimeDefault", "Unconfined"]);
}

#[test]
fn an_image_brings_the_helper_where_one_is_set() {
    let options = Options { helper_image: Some("mine/helper".to_owned()), ..Options::default() };
    assert!(helper(&common(), &options).is_empty());
    let volume = Volume::of("c".to_owned());
    // The file of names wants a container of its own, which needs the helper too.
    let pods = [
        step(&common(), &options, &spec(), Some(&volume), true),
        task(&common(), &options, "p", "busybox", &["root".to_owned()], None),
        own(&common(), &options, &ContainerSpec { service: Some("db".to_owned()), ..spec() }),
    ];
    for pod in pods {
        let shown = serde_json::to_string(&pod).unwrap();
        assert!(!shown.contains("configMap"), "{shown}");
        let pod = pod.spec.unwrap();
        let first = &pod.init_containers.unwrap()[0];
        assert_eq!((first.name.as_str(), first.image.as_deref()), (INSTALLER, Some("mine/helper")));
        // A namespace may want every container to say what it needs.
        assert_eq!(first.resources, pod.containers[0].resources);
    }
}

#[test]
fn a_workspace_of_one_pod_is_filled_before_its_program_begins() {
    let volume = Volume::of_pod("2Gi".to_owned());
    let pod = step(&common(), &Options::default(), &spec(), Some(&volume), true).spec.unwrap();
    let source = pod.volumes.unwrap().into_iter().find(|volume| volume.name == "workspace").unwrap();
    assert_eq!(source.empty_dir.unwrap().size_limit.unwrap().0, "2Gi");
    let before: Vec<_> = pod.init_containers.as_ref().unwrap().iter().map(|one| one.name.as_str()).collect();
    assert_eq!(before, [FILLER, NAMES]);
    // Where the helper unpacks is where the program looks.
    let at = |container: &Container, name: &str| {
        let mounts = container.volume_mounts.as_ref().unwrap();
        mounts.iter().find(|mount| mount.name == name).cloned().unwrap()
    };
    let filler = &pod.init_containers.as_ref().unwrap()[0];
    let (whole, seen) = (at(filler, "workspace"), at(&pod.containers[0], "workspace"));
    let unpacks = filler.command.as_ref().unwrap().last().unwrap();
    assert_eq!(*unpacks, format!("{}/{}", whole.mount_path, seen.sub_path.unwrap()));
    assert_eq!((seen.mount_path.as_str(), filler.stdin), (WORKSPACE, Some(true)));
}
