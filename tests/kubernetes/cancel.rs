//! Ctrl-C, wherever a run is: it says so of the step, and leaves nothing on the cluster.

use std::fs::File;

use rustix::process::Signal;
use serde_json::Value;

use crate::bed::IMAGE;
use crate::place::{Place, Running, is_unit};

/// Ends the run, which is at a place that makes no difference.
async fn interrupted(place: &Place, running: Running) {
    running.signal(Signal::INT);
    let ran = running.finish().await.code(130);
    assert_eq!(ran.end().0, "cancelled cancelled_by_user", "{}", ran.stdout);
    place.assert_clean().await;
}

const RUN: [&str; 3] = ["run", "--output", "json"];

#[tokio::test(flavor = "multi_thread")]
async fn a_running_step_is_told_and_gone() {
    let place = Place::with_script(
        "exec 2>/dev/null; trap 'echo told; exit 7' TERM; echo up; while true; do sleep 0.1; done",
    )
    .await;
    let mut running = place.start(&RUN);
    running.wait_for(&place.bed, "\"up").await;
    interrupted(&place, running).await;
    assert_eq!(place.log("unit"), b"up\ntold\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_listen_is_gone_after_the_grace() {
    let place = Place::with_script("trap '' TERM; echo up; while true; do sleep 0.1; done").await;
    let mut running = place.start(&RUN);
    running.wait_for(&place.bed, "\"up").await;
    interrupted(&place, running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_image_does_not_come_is_gone() {
    let place = Place::with_keys("image: 'localhost:9/team/tool:1', run: echo on").await;
    let running = place.start(&RUN);
    let pulls = |pod: &Value| {
        let reason = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
        reason == "ErrImagePull" || reason == "ImagePullBackOff"
    };
    place.pod("a pod without its image", pulls).await;
    interrupted(&place, running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_without_a_node_is_gone() {
    let keys = format!("image: {IMAGE}, run: echo on, resources: {{ memory: 1000Gi }}");
    let place = Place::with_keys(&keys).await;
    let running = place.start(&RUN);
    let waits = |pod: &Value| is_unit(pod) && pod["status"]["conditions"][0]["reason"] == "Unschedulable";
    place.pod("a pod without a node", waits).await;
    interrupted(&place, running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_on_its_way_is_gone() {
    // A second attempt would need the workspace of the first, which is in a volume then; else it is the pod's own.
    for (retry, container) in [("1", "step"), ("0", "workspace")] {
        let place = Place::with_keys(&format!("image: {IMAGE}, run: echo on, retry: {retry}")).await;
        // Without a block of its own here; on its way it is all there.
        File::create(place.project().join("large")).unwrap().set_len(4 << 30).unwrap();
        let running = place.start(&RUN);
        let unpacks = |pod: &Value| {
            let status = &pod["status"];
            let lists = [&status["initContainerStatuses"], &status["containerStatuses"]];
            let mut all = lists.into_iter().filter_map(Value::as_array).flatten();
            let runs = all.any(|one| one["name"] == container && !one["state"]["running"].is_null());
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            runs && is_unit(pod) != name.contains("-workspace-upload-")
        };
        place.pod("a pod that unpacks", unpacks).await;
        interrupted(&place, running).await;
    }
}
