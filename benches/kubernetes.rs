//! What a run on a cluster costs, against pods made by plain calls of its API, measured in turn. Needs a cluster that
//! `KUBECONFIG` names, whose nodes have the image `windlass/busybox`. `cargo bench --bench kubernetes`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is for")]

mod table;

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use futures_util::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::json;
use table::{compare, timed};

const IMAGE: &str = "windlass/busybox";
const ROUNDS: usize = 5;
const STEPS: usize = 10;

fn main() {
    let bed = Bed::new();
    let rows = [compare(
        "ten sequential trivial steps : ten pods, each created, waited for and deleted by plain calls",
        0.6,
        ROUNDS,
        || timed(|| bed.run()),
        || timed(|| bed.pods()),
    )];
    table::print("A run on a cluster", &rows);
}

/// A directory with the pipeline, a state directory, and a connection to the cluster.
struct Bed {
    directory: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    pods: Api<Pod>,
}

impl Bed {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let project = directory.path().join("project");
        let mut text = String::from("stages:\n");
        for step in 0..STEPS {
            let steps = format!("{{ name: step-{step}, image: {IMAGE}, run: echo }}");
            writeln!(text, "  - {{ name: stage-{step}, steps: [{steps}] }}").expect("text grows");
        }
        std::fs::create_dir(&project).expect("the directory is ours");
        std::fs::write(project.join("windlass.yml"), text).expect("the directory is ours");
        let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
        let client = runtime.block_on(Client::try_default()).expect("KUBECONFIG names a cluster");
        Self { directory, runtime, pods: Api::default_namespaced(client) }
    }

    fn run(&self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.args(["run", "--backend", "kubernetes"]).arg(self.directory.path().join("project"));
        command.env("WINDLASS_HOME", self.directory.path().join("home")).stdin(Stdio::null());
        let output = command.output().expect("windlass starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn pods(&self) {
        self.runtime.block_on(async {
            for step in 0..STEPS {
                self.pod(&format!("bench-{}-{step}", std::process::id())).await.expect("the cluster does it");
            }
        });
    }

    /// Creates a pod, waits until it has succeeded, and deletes it.
    async fn pod(&self, name: &str) -> Result<(), kube::Error> {
        let pod = json!({
            "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "step", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["true"]}],
            },
        });
        let pod = serde_json::from_value(pod).expect("it is a pod");
        let created = self.pods.create(&PostParams::default(), &pod).await?;
        let watch = WatchParams::default().fields(&format!("metadata.name={name}"));
        let version = created.metadata.resource_version.unwrap_or_default();
        let events = self.pods.watch(&watch, &version).await?;
        pin_mut!(events);
        while let Some(event) = events.next().await {
            if let WatchEvent::Modified(pod) = event?
                && pod.status.and_then(|status| status.phase).as_deref() == Some("Succeeded")
            {
                break;
            }
        }
        self.pods.delete(name, &DeleteParams::default().grace_period(0)).await?;
        Ok(())
    }
}
