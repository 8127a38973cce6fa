//! Services that run the program of their image: heard, ended and removed as the others are, by other means.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use rustix::process::Signal;
use windlass::backend::kubernetes::{Options, connect};
use windlass::backend::policy::{Policy, Trust};
use windlass::backend::{Backend, ContainerSpec, Hosts, How, Privileges, ProgramSpec, Progress, RunSpec};
use windlass::base::{InstanceId, RunId, StepId};
use windlass::ledger::Ledger;
use windlass::plan::{Network, Resources};

use crate::bed::{Bed, IMAGE};
use crate::logs::numbers;
use crate::place::{Place, full};

/// The service, as its log is called.
const DB: &str = "unit%2edb";

/// A pipeline of one step with one service, whose image's entry point is the first word of its arguments.
fn beside(service: &str, script: &str) -> String {
    format!(
        "stages:\n  - name: test\n    steps:\n      - name: unit\n        image: {IMAGE}\n        services:\n          \
         db: {{ image: {IMAGE}, {service} }}\n        run: {script:?}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_service_is_there_once_and_in_order() {
    let args = "args: [sh, -c, \"seq 1 20000; echo $$ $(echo at) $WORD; sleep 600\"], env: { WORD: end }, ready: { log: 1 at end, timeout: 10m }";
    let place = Place::new(&beside(args, "echo ready")).await;
    let _ran = place.windlass(&["run", "--output", "json"]).await.code(0);
    let mut expected = numbers(20_000);
    // It is PID 1, and the cluster puts nothing into its arguments.
    expected.extend(b"1 at end\n");
    assert!(place.log(DB) == expected, "{} bytes", place.log(DB).len());
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_early_fails_its_step_with_its_last_lines() {
    // Both on one stream: two have no order.
    let args = "args: [sh, -c, \"echo up >&2; sleep 1; echo disk full >&2; exit 3\"], ready: { log: up, timeout: 10m }";
    let place = Place::new(&beside(args, "sleep 600")).await;
    let ran = place.windlass(&["run", "--output", "json"]).await.code(1);
    let (outcome, message) = ran.end();
    assert_eq!(outcome, "failed service_failed");
    assert_eq!(message, "service `db` ended early: exit code 3");
    assert_eq!(place.log(DB), b"up\ndisk full\n");
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_removes_one_whose_runner_was_killed() {
    let args =
        "args: [sh, -c, \"echo up; sleep 600\"], env: { WORD: hidden }, ready: { log: up, timeout: 10m }";
    let place = Place::new(&beside(args, "echo up; sleep 600")).await;
    let mut running = place.start(&["run"]);
    running.wait_for(&place.bed, "│ up").await;
    let before = place.bed.settled().await;
    for kind in ["pods/", "secrets/"] {
        assert!(before.iter().any(|name| name.starts_with(kind) && name.contains("-unit-db-")), "{before:?}");
    }
    running.signal(Signal::KILL);
    let _killed = running.finish().await;
    if full() {
        ends_by_itself(&place).await;
    }
    let ran = place.windlass(&["clean"]).await.code(0);
    for object in &before {
        let (_, name) = object.split_once('/').unwrap();
        assert!(ran.stdout.contains(name), "{name} is not named:\n{}{}", ran.stdout, ran.stderr);
    }
    place.assert_clean().await;
}

/// Waits until no container of a service runs any more, for as long as that may take: four minutes.
async fn ends_by_itself(place: &Place) {
    let path = place.bed.path("/api/v1/namespaces/{}/pods");
    for _ in 0..4 * 60 {
        let pods = place.bed.ask("GET", &path, &serde_json::Value::Null).await;
        let mut pods = pods["items"].as_array().unwrap().iter();
        if pods.all(|pod| pod["status"]["phase"] == "Failed" || pod["status"]["phase"] == "Succeeded") {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("a pod whose runner was killed goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_stopped_may_say_a_last_word() {
    let bed = Bed::new().await;
    let home = tempfile::tempdir().unwrap();
    let options = Options { kubeconfig: Some(bed.kubeconfig()), ..Options::default() };
    let cluster = connect(options, &InstanceId::generate()).await.unwrap();
    let run = RunId::generate();
    let ledger = Arc::new(Ledger::open(home.path()).unwrap().begin(&run).unwrap());
    let spec = RunSpec {
        run,
        workspace: None,
        workspace_once: false,
        workspace_gid: 0,
        lanes: [].into(),
        policy: Arc::new(Policy { trust: Trust::Trusted, ..Policy::default() }),
        images: [].into(),
    };
    let session = cluster.open(spec, ledger).await.unwrap();
    let script =
        "trap 'sleep 1; seq 1 2000; echo ended; exit 0' TERM; echo up; while true; do sleep 0.1; done";
    let mut service = session.start(service(script)).await.unwrap();
    service.control.go(Hosts::new()).await;
    let (mut printed, mut ended) = (Vec::new(), None);
    while let Some(progress) = service.progress.next().await {
        match progress {
            Progress::Output(_, bytes) => printed.extend(bytes),
            Progress::Warned(message) => panic!("{message}"),
            Progress::Ended(end) => ended = Some(end),
        }
        if printed == b"up\n" {
            service.control.stop().await;
        }
    }
    let ended = ended.unwrap();
    let expected = [b"up\n".to_vec(), numbers(2000), b"ended\n".to_vec()].concat();
    let last = String::from_utf8_lossy(&printed[printed.len().saturating_sub(20)..]).into_owned();
    assert!(printed == expected, "{} bytes, the last of them {last:?}", printed.len());
    assert_eq!((ended.how, ended.usage.unwrap().log_bytes), (How::Stopped, printed.len() as u64));
    assert_eq!(session.close().await, Vec::<String>::new());
    bed.assert_empty().await;
}

/// A service that runs the program of its image, which is this script.
fn service(script: &str) -> ContainerSpec {
    ContainerSpec {
        step: StepId::new("unit"),
        attempt: 1,
        service: Some("db".to_owned()),
        image: IMAGE.into(),
        program: ProgramSpec::Entrypoint { args: ["sh", "-c", script].map(str::to_owned).to_vec() },
        env: [].into(),
        secrets: vec![],
        user: Some("1000:1000".to_owned()),
        workdir: None,
        workspace: false,
        network: Network::Own,
        among_services: true,
        resources: Resources { pids: Some(100), ..Resources::default() },
        timeout: Duration::from_mins(5),
        grace: Duration::from_mins(1),
        log_limit: 1 << 20,
        lane: None,
        no_new_privileges: false,
        privileges: Privileges::default(),
        substitution: None,
    }
}
