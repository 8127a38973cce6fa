//! What nothing else may go on beside: an API server that is killed, and comes back with nothing in its memory, a node
//! that is gone, as far as anybody can see, and one that is not for everybody. They are this machine's, of programs in the directory that
//! `WINDLASS_TEST_CLUSTER` names; without it these tests fail.

use std::fs;
use std::path::PathBuf;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::Node;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bed::{IMAGE, ask};
use crate::logs::numbers;
use crate::place::{Place, Ran, Running};

/// The process of one of the programs of the test's cluster.
fn process(place: &Place, program: &str) -> Option<Pid> {
    let directory = std::env::var_os("WINDLASS_TEST_CLUSTER").expect(
        "WINDLASS_TEST_CLUSTER names the directory with the programs of a cluster of this machine, whose API server \
         is started again when it is killed",
    );
    let (program, server) = (PathBuf::from(directory).join(program), place.server());
    let address = server.rsplit_once(':').unwrap().0;
    let mut processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let id = path.file_name()?.to_str()?.parse().ok()?;
        let arguments = fs::read_to_string(path.join("cmdline")).ok()?;
        let is_it = fs::read_link(path.join("exe")).ok()? == program;
        (is_it && arguments.split('\0').any(|argument| argument == address)).then(|| Pid::from_raw(id))?
    });
    processes.next()
}

fn api_server(place: &Place) -> Option<Pid> {
    process(place, "kube-apiserver")
}

/// Kills the API server, and waits until there is another that answers.
async fn restart(place: &Place) {
    let before = api_server(place).expect("an API server runs");
    kill_process(before, Signal::KILL).unwrap();
    let pods = place.bed.path("/api/v1/namespaces/{}/pods");
    place
        .bed
        .wait("another API server", async || {
            api_server(place).is_some_and(|now| now != before)
                && ask(&place.bed.admin, "GET", &pods, &Value::Null).await.is_ok()
        })
        .await;
}

/// Runs this, and kills the API server at each of these words.
async fn run(place: &Place, words: &[&str]) -> Ran {
    let mut running = place.start(&["run"]);
    for word in words {
        running.wait_for(&place.bed, word).await;
        restart(place).await;
    }
    running.finish().await.code(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_outlive_an_api_server_that_is_killed() {
    let script =
        |lines: u32| format!("i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo $i; sleep 0.1; done");
    let (first, second) = (script(300), script(100));
    let place = Place::new(&format!(
        "defaults: {{ image: {IMAGE} }}\nstages:\n- {{ name: one, steps: [{{ name: long, run: {first:?} }}, \
         {{ name: short, run: 'echo up; sleep 1' }}] }}\n- {{ name: two, steps: [{{ name: late, run: {second:?} }}] }}\n"
    ))
    .await;
    // As soon as a step runs, in its middle, and while the next one begins.
    let ran = run(&place, &["short │ up", "long  │ 200", "long  └ passed"]).await;
    for (step, lines) in [("long", 300), ("late", 100)] {
        assert_eq!(place.log(step), numbers(lines), "{}{}", ran.stdout, ran.stderr);
    }
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_begins_and_ends_around_an_api_server_that_is_killed() {
    let place = Place::with_script("seq 1 1000").await;
    // Before there is any pod, and while the first is made.
    let _ran = run(&place, &["pipeline  run", "source "]).await;
    assert_eq!(place.log("unit"), numbers(1000));
    place.assert_clean().await;
}

/// A process that is stopped, and goes on however the test ends.
struct Stopped(Pid);

impl Stopped {
    fn now(pid: Pid) -> Self {
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_for_some_is_for_those_who_say_so() {
    let place = Place::with_script("echo on").await;
    let nodes: Api<Node> = Api::all(place.bed.admin.clone());
    let names =
        nodes.list(&ListParams::default()).await.unwrap().items.iter().map(ResourceExt::name_any).collect();
    let names: Vec<String> = names;
    let taint = async |taints: Value| {
        for name in &names {
            let patch = Patch::Merge(json!({ "spec": { "taints": taints } }));
            nodes.patch(name, &PatchParams::default(), &patch).await.unwrap();
        }
    };
    taint(json!([{ "key": "for", "value": "some", "effect": "NoSchedule" }])).await;
    place.set("patience = \"3s\"");
    let refused = place.windlass(&["run", "--output", "json"]).await;
    place.set("tolerations = [{ key = \"for\", value = \"some\", effect = \"NoSchedule\" }]");
    let taken = place.windlass(&["run", "--output", "json"]).await;
    // However the rest ends, the node is everybody's again.
    taint(Value::Null).await;
    let (end, words) = refused.code(6).end();
    assert_eq!(end, "lost unschedulable", "{words}");
    assert!(words.contains("untolerated taint"), "{words}");
    assert_eq!(taken.code(0).end().0, "passed -");
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_is_what_is_lost() {
    let places = join_all((0..20).map(|_| Place::with_script("echo up; sleep 3600"))).await;
    let up = places.iter().map(async |place| {
        let mut running = place.start(&["run", "--output", "json"]);
        running.wait_for(&place.bed, "\"up").await;
        running
    });
    let running: Vec<_> = stream::iter(up).buffered(4).collect().await;
    let stopped = Stopped::now(process(&places[0], "kubelet").expect("a kubelet runs"));
    let ends = join_all(running.into_iter().map(Running::finish)).await;
    drop(stopped);
    for ran in &ends {
        let (end, words) = ran.end();
        assert_eq!(end, "lost node_lost", "{words}");
        assert!(words.contains("its node has been out of reach for"), "{words}");
    }
    // What nobody could remove then is in the ledger, and the node is back.
    for place in &places {
        let _ran = place.windlass(&["clean"]).await.code(0);
        place.assert_clean().await;
    }
}
