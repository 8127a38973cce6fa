//! Where the workspace is: in the pod of the only step that sees it, else in a volume of the run.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::bed::IMAGE;
use crate::between::Between;
use crate::place::{Place, is_unit};
use crate::volume::Volume;

/// How large a workspace is that is to be cut on its way.
const SIZE: u64 = 512 << 20;

/// Whether the helper waits in a pod for the workspace, or takes it in.
fn is_filled(pod: &Value) -> bool {
    let before = pod["status"]["initContainerStatuses"].as_array().into_iter().flatten();
    let mut running = before.filter(|container| !container["state"]["running"].is_null());
    is_unit(pod) && running.any(|container| container["name"] == "workspace")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_a_single_step_sees_is_in_its_pod() {
    let script = "test -x tool; cat notes; echo more >> notes; cat notes; echo up; until test -e gone; do sleep 0.2; done";
    let place = Place::with_script(script).await;
    fs::write(place.project().join("notes"), "some\n").unwrap();
    fs::write(place.project().join("tool"), "").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.project().join("tool"), mode).unwrap();
    let mut running = place.start(&["run"]);
    running.wait_for(&place.bed, "│ up").await;
    let objects = place.bed.objects().await;
    assert!(!objects.iter().any(|name| name.starts_with("persistentvolumeclaims/")), "{objects:?}");
    running.signal(Signal::INT);
    let _ran = running.finish().await.code(130);
    assert_eq!(place.log("unit"), b"some\nsome\nmore\nup\n");
    assert_eq!(fs::read(place.project().join("notes")).unwrap(), b"some\n");
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_on_its_way_into_a_pod_is_sent_again() {
    let place = Place::with_script("wc -c < large; tail -c 4 large").await;
    let between = Between::start(place.server()).await;
    place.through(&between.address.to_string());
    // Without blocks of its own but for the last; on its way it is all there.
    let mut large = File::create(place.project().join("large")).unwrap();
    large.seek(SeekFrom::Start(SIZE - 4)).unwrap();
    large.write_all(b"end\n").unwrap();
    between.hold_after(SIZE / 8);
    let running = place.start(&["run"]);
    place.bed.wait("a part of it on its way", async || between.holds()).await;
    let pod = place.pod("a pod that takes it in", is_filled).await;
    let uid = |pod: &Value| pod["metadata"]["uid"].clone();
    let first = uid(&place.bed.ask("GET", &pod, &Value::Null).await);
    between.cut();
    let _second = place.pod("another pod of the step", |pod| is_unit(pod) && uid(pod) != first).await;
    let _ran = running.finish().await.code(0);
    assert_eq!(String::from_utf8(place.log("unit")).unwrap(), format!("{SIZE}\nend\n"));
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_larger_than_its_pod_may_have_is_told_with_the_words_of_its_node() {
    let place = Place::with_script("sleep 600").await;
    place.set("workspace_size = \"1Mi\"");
    fs::write(place.project().join("large"), vec![b'x'; 8 << 20]).unwrap();
    let ran = place.windlass(&["run", "--output", "json"]).await.code(6);
    let (end, words) = ran.end();
    assert_eq!(end, "lost evicted", "{words}");
    assert!(words.contains("1Mi"), "{words}");
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_in_the_settings_is_used_for_a_single_step_too() {
    let place = Place::with_keys(&format!("image: {IMAGE}, run: echo on")).await;
    place.set("storage_class = \"none-such\"");
    let planned = place.windlass(&["plan"]).await.code(0);
    assert!(planned.stdout.contains("storageClassName: none-such"), "{}", planned.stdout);
}

const SHARED: &str = "
defaults: { image: windlass/busybox }
stages:
  - name: write
    steps:
      - { name: one, run: 'echo one > one; until test -e two; do sleep 0.1; done' }
      - { name: two, run: 'echo two > two; until test -e one; do sleep 0.1; done' }
  - name: read
    steps: [{ name: unit, run: 'cat one two; echo up; sleep 600' }]
";

#[tokio::test(flavor = "multi_thread")]
async fn one_that_nodes_share_binds_no_pod_to_a_node() {
    let place = Place::new(SHARED).await;
    let volume = Volume::new(&place.bed, "ReadWriteMany").await;
    place.set(&format!("shared_workspace = true\n{}", volume.settings()));
    let mut running = place.start(&["run"]);
    running.wait_for(&place.bed, "│ up").await;
    let claims = place.bed.path("/api/v1/namespaces/{}/persistentvolumeclaims");
    let claims = place.bed.ask("GET", &claims, &Value::Null).await;
    assert_eq!(claims["items"][0]["spec"]["accessModes"], json!(["ReadWriteMany"]));
    assert_eq!(claims["items"][0]["status"]["phase"], "Bound");
    let pod = place.pod("the pod that reads", is_unit).await;
    assert_eq!(place.bed.ask("GET", &pod, &Value::Null).await["spec"]["affinity"], Value::Null);
    running.signal(Signal::INT);
    let _ran = running.finish().await.code(130);
    volume.remove(&place.bed).await;
    assert_eq!(place.log("unit"), b"one\ntwo\nup\n");
    place.assert_clean().await;
}
