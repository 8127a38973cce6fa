//! Many steps at once, each of whose lines is there.

use crate::bed::IMAGE;
use crate::logs::numbers;
use crate::place::{Place, full};

const LINES: u32 = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_many_steps_is_there() {
    let (steps, jobs) = if full() { (300, "20") } else { (24, "8") };
    let step = |number: u32| format!("{{ name: s{number}, image: {IMAGE}, run: seq 1 {LINES} }}");
    let steps: Vec<String> = (0..steps).map(step).collect();
    let place = Place::new(&format!("stages: [{{ name: all, steps: [{}] }}]\n", steps.join(", "))).await;
    // Pods beside this one may take the node's places for a while.
    place.set("patience = \"2m\"");
    let _ran = place.windlass(&["run", "--jobs", jobs, "--output", "json"]).await.code(0);
    for number in 0..steps.len() {
        assert_eq!(place.log(&format!("s{number}")), numbers(LINES), "step {number}");
    }
    place.assert_clean().await;
}
