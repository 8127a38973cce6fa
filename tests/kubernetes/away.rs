//! An API server that is away, or of which every connection breaks: no run fails of it, and each line is there once.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bed::IMAGE;
use crate::between::Between;
use crate::logs::numbers;
use crate::place::{Place, full};

/// A place from which the cluster is reached through a port of ours.
async fn apart(script: &str) -> (Place, Between) {
    in_front_of(Place::with_script(script).await).await
}

/// The same for a place that there is.
async fn in_front_of(place: Place) -> (Place, Between) {
    let between = Between::start(place.server()).await;
    place.through(&between.address.to_string());
    (place, between)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_an_api_server_that_is_away() {
    let seconds = if full() { 60 } else { 7 };
    let lines = seconds * 10 + 30;
    let script = format!("i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo $i; sleep 0.1; done");
    let (place, between) = apart(&script).await;
    let mut running = place.start(&["run"]);
    running.wait_for(&place.bed, "│ 10").await;
    between.close();
    // It is the time itself that is tested.
    sleep(Duration::from_secs(seconds.into())).await;
    between.open();
    let ran = running.finish().await.code(0);
    assert_eq!(place.log("unit"), numbers(lines), "{}", ran.stdout);
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_ends_while_nobody_hears_it_has_passed() {
    let (place, between) = apart("echo up; sleep 2; seq 1 1000").await;
    let mut running = place.start(&["run"]);
    running.wait_for(&place.bed, "│ up").await;
    between.close();
    sleep(Duration::from_secs(5)).await;
    between.open();
    let _ran = running.finish().await.code(0);
    assert_eq!(place.log("unit"), [b"up\n".to_vec(), numbers(1000)].concat());
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_ends_in_time_while_nobody_hears_it_has_passed_however_late_that_is_known() {
    let keys = format!("image: {IMAGE}, timeout: 15s, run: 'echo up; sleep 1; echo end'");
    let (place, between) = in_front_of(Place::with_keys(&keys).await).await;
    let mut running = place.start(&["run"]);
    running.wait_for(&place.bed, "│ up").await;
    between.close();
    // Longer than the limit, the grace and what a helper may take beyond them.
    sleep(Duration::from_secs(33)).await;
    between.open();
    let _ran = running.finish().await.code(0);
    assert_eq!(place.log("unit"), b"up\nend\n");
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_no_roles_for_a_while_loses_no_step() {
    // The log of such a service is asked for anew, and refused.
    let service = format!("services: {{ own: {{ image: {IMAGE}, args: [sleep, '600'] }} }}");
    let script = "echo up; until test -e on; do sleep 0.1; done; seq 1 1000";
    let keys = format!("image: {IMAGE}, {service}, run: {script:?}");
    let (place, between) = in_front_of(Place::with_keys(&keys).await).await;
    let mut running = place.start(&["run"]);
    running.wait_for(&place.bed, "│ up").await;
    let roles = place.bed.path("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings");
    let mut bindings = place.bed.ask("GET", &roles, &Value::Null).await;
    let mut binding = bindings["items"][0].take();
    let name = binding["metadata"]["name"].as_str().unwrap().to_owned();
    place.bed.ask("DELETE", &format!("{roles}/{name}"), &Value::Null).await;
    place.bed.wait("an account that may nothing", async || !place.may_see_pods().await).await;
    between.cut();
    running.wait_for(&place.bed, "out of reach").await;
    place.touch("on").await;
    binding["metadata"] = json!({ "name": name });
    place.bed.ask("POST", &roles, &binding).await;
    let _ran = running.finish().await.code(0);
    assert_eq!(place.log("unit"), [b"up\n".to_vec(), numbers(1000)].concat());
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_through_connections_that_break_is_whole() {
    let (lines, cuts) = if full() { (10_000_000, 100) } else { (1_000_000, 12) };
    let (place, between) = apart(&format!("echo up; seq 1 {lines}; sleep 1; echo end")).await;
    let mut running = place.start(&["run", "--log-limit", "1Gi"]);
    running.wait_for(&place.bed, "│ up").await;
    for _ in 0..cuts {
        sleep(Duration::from_millis(400)).await;
        between.cut();
    }
    let _ran = running.finish().await.code(0);
    let expected = [b"up\n".to_vec(), numbers(lines), b"end\n".to_vec()].concat();
    let log = place.log("unit");
    assert!(log == expected, "{} bytes of {}", log.len(), expected.len());
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_begins_and_ends_through_connections_that_break() {
    let (place, between) = apart("seq 1 1000").await;
    let running = place.start(&["run"]);
    let breaking = async {
        // What is asked before that is asked once: whoever starts a run hears at once that there is no cluster.
        place.begun().await;
        loop {
            sleep(Duration::from_millis(900)).await;
            between.cut();
        }
    };
    let ran = tokio::select! { ran = running.finish() => ran, () = breaking => unreachable!("it goes on for ever") };
    let _ran = ran.code(0);
    assert_eq!(place.log("unit"), numbers(1000));
    place.assert_clean().await;
}
