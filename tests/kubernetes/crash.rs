//! `kill -9` of a run, and what `windlass clean` makes of it.

use rustix::process::Signal;
use serde_json::json;

use crate::bed::IMAGE;
use crate::place::Place;

const UP: &str = "echo up; sleep 600";

#[tokio::test(flavor = "multi_thread")]
async fn clean_removes_what_a_killed_run_left_and_nothing_that_lives() {
    // A second attempt would need the workspace of the first, so it is in a volume; and no other pod is on its way.
    let place = Place::with_keys(&format!("image: {IMAGE}, retry: 1, run: {UP:?}")).await;
    let mut running = place.start(&["run"]);
    running.wait_for(&place.bed, "│ up").await;
    let before = place.bed.settled().await;
    for kind in ["pods/", "configmaps/", "persistentvolumeclaims/", "leases/"] {
        assert!(before.iter().any(|name| name.starts_with(kind)), "{before:?}");
    }
    let ran = place.windlass(&["clean"]).await.code(0);
    assert_eq!(ran.stdout, "nothing to remove\n", "{}", ran.stderr);
    assert_eq!(place.bed.objects().await, before);

    running.signal(Signal::KILL);
    let killed = running.finish().await;
    assert_eq!(place.bed.objects().await, before, "{}", killed.stderr);
    let ran = place.windlass(&["clean"]).await.code(0);
    for object in &before {
        let (_, name) = object.split_once('/').unwrap();
        assert!(ran.stdout.contains(name), "{name} is not named:\n{}{}", ran.stdout, ran.stderr);
    }
    place.assert_clean().await;
    let ran = place.windlass(&["clean"]).await.code(0);
    assert_eq!(ran.stdout, "nothing to remove\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_deletes_the_lease_deletes_the_run() {
    let place = Place::with_script(UP).await;
    let mut running = place.start(&["run"]);
    running.wait_for(&place.bed, "│ up").await;
    running.signal(Signal::KILL);
    let _killed = running.finish().await;
    let objects = place.bed.objects().await;
    let lease = objects.iter().find_map(|name| name.strip_prefix("leases/")).unwrap();
    let path = place.bed.path(&format!("/apis/coordination.k8s.io/v1/namespaces/{{}}/leases/{lease}"));
    place.bed.ask("DELETE", &path, &serde_json::Value::Null).await;
    place.bed.wait("an empty namespace", async || place.bed.objects().await.is_empty()).await;
    // The ledger of this machine still names them.
    let _ran = place.windlass(&["clean"]).await.code(0);
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_buries_those_that_are_long_dead() {
    let place = Place::with_script("true").await;
    let bed = &place.bed;
    let leases = bed.path("/apis/coordination.k8s.io/v1/namespaces/{}/leases");
    let ago = |time: &str, name: &str| {
        let labels = json!({ "dev.windlass/instance": "another", "dev.windlass/run": name });
        json!({ "metadata": { "name": name, "labels": labels }, "spec": { "renewTime": time } })
    };
    let dead = bed.ask("POST", &leases, &ago("2001-01-01T00:00:00.000000Z", "dead")).await;
    let alive = ago("2999-01-01T00:00:00.000000Z", "alive");
    bed.ask("POST", &leases, &alive).await;
    let owner = json!([{
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "name": "dead", "uid": dead["metadata"]["uid"],
    }]);
    let owned = json!({ "metadata": { "name": "owned", "ownerReferences": owner } });
    bed.ask("POST", &bed.path("/api/v1/namespaces/{}/configmaps"), &owned).await;
    let _ran = place.windlass(&["run"]).await.code(0);
    bed.wait("nothing but what lives", async || bed.objects().await == ["leases/alive"]).await;
}
