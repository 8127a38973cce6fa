//! What `windlass plan` says of a cluster is what the cluster says, and what `windlass run` does there.

use std::collections::BTreeSet;
use std::process::Output;

use crate::bed::Bed;

const PIPELINE: &str = "
defaults: { image: windlass/busybox }
stages:
  - name: test
    steps:
      - name: unit
        run: 'true'
        services:
          db: { image: windlass/busybox, command: [sleep, '60'], ready: { log: never, timeout: 1s } }
          own: { image: windlass/busybox, args: [sleep, '60'], env: { WORD: hidden } }
      - { name: other, run: 'true', resources: { memory: 64Mi } }
";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_plan_is_taken_by_the_server_and_nothing_is_made() {
    let bed = Bed::new().await;
    let plan = ["plan", "--backend", "kubernetes", "--server"];
    let taken = bed.windlass(&plan, PIPELINE, "").await;
    assert_eq!(taken.status.code(), Some(0), "{}", said(&taken));
    let out = String::from_utf8(taken.stdout).unwrap();
    assert!(out.contains("takes all 11 objects"), "{out}");
    let refused = bed.windlass(&plan, PIPELINE, "[kubernetes]\nservice_account = \"nobody\"\n").await;
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    let pods: BTreeSet<_> =
        said(&refused).lines().filter(|line| line.contains("nobody")).map(str::to_owned).collect();
    assert_eq!(pods.len(), 6, "{pods:#?}");
    assert_eq!(bed.objects().await, Vec::<String>::new(), "objects are made");
}

#[tokio::test]
async fn a_run_is_refused_as_its_plan_is() {
    let bed = Bed::new().await;
    let file =
        "stages: [{ name: s, steps: [{ name: a, image: windlass/busybox, network: none, run: 'true' }] }]\n";
    let planned = bed.windlass(&["plan", "--backend", "kubernetes"], file, "").await;
    let ran = bed.windlass(&["run", "--backend", "kubernetes"], file, "").await;
    assert_eq!((planned.status.code(), ran.status.code()), (Some(3), Some(3)));
    assert_eq!(said(&planned), said(&ran));
    assert!(said(&ran).contains("`network: none`"), "{}", said(&ran));
    assert_eq!(bed.objects().await, Vec::<String>::new(), "objects are left");
}
