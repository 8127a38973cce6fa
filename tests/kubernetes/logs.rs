//! Logs: complete, in order, byte for byte, whatever the cluster does to a container and to its own log of it.

use sha2::{Digest, Sha256};

use crate::bed::IMAGE;
use crate::place::{Place, full, is_unit};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbered lines.
pub fn numbers(lines: u32) -> Vec<u8> {
    (1..=lines).flat_map(|number| format!("{number}\n").into_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_kept_to_its_last_byte() {
    // A cluster's own log of a container is cut after 10 MiB.
    let lines = if full() { 13_000_000 } else { 1_500_000 };
    let place = Place::with_keys(&format!("image: {IMAGE}, run: 'seq 1 {lines}; printf end'")).await;
    let _ran = place.windlass(&["run", "--log-limit", "1Gi", "--output", "json"]).await.code(0);
    let (log, mut expected) = (place.log("unit"), numbers(lines));
    expected.extend(b"end");
    assert!(expected.len() > if full() { 100 << 20 } else { 10 << 20 });
    assert_eq!((log.len(), sha256(&log)), (expected.len(), sha256(&expected)));
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_the_grace_of_a_deleted_pod_is_heard() {
    // Most of the grace is left for a machine that is slow.
    let script = "exec 2>/dev/null; trap 'for i in 1 2; do sleep 1; echo $i; done; exit 3' TERM; \
                  echo up; while true; do sleep 0.1; done";
    let place = Place::with_script(script).await;
    let mut running = place.start(&["run", "--output", "json"]);
    running.wait_for(&place.bed, "\"up").await;
    let pod = place.pod("the step's pod", is_unit).await;
    place.bed.ask("DELETE", &pod, &serde_json::json!({ "gracePeriodSeconds": 30 })).await;
    let ran = running.finish().await;
    assert_eq!(ran.end().0, "lost deleted", "{}", ran.stdout);
    assert_eq!(place.log("unit"), [b"up\n".to_vec(), numbers(2)].concat());
    place.assert_clean().await;
}
