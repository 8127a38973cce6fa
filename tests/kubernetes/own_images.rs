//! windlass's own images in the cluster: the helper out of one, and windlass itself in a pod that has another.

use serde_json::{Value, json};

use crate::bed::{Bed, IMAGE};

const PIPELINE: &str = "
defaults: { image: windlass/busybox }
stages:
  - name: test
    services:
      told: { image: windlass/busybox, command: [httpd, -f, -p, '8080', -h, /etc], ready: { http: 8080/hostname, timeout: 10m } }
      own: { image: windlass/busybox, args: [httpd, -f, -p, '8080', -h, /etc], ready: { port: 8080, timeout: 10m } }
    steps:
      - { name: ask, run: 'wget -q -O - http://told:8080/hostname; wget -q -O - http://own:8080/hostname' }
      - { name: write, run: 'test -f windlass.yml; echo written > new' }
  - name: then
    steps: [{ name: read, user: '1234', run: 'id -u; cat new' }]
";
const SETTINGS: &str = "[kubernetes]\nhelper_image = \"windlass/helper\"\n";

#[tokio::test]
async fn the_helper_comes_out_of_an_image() {
    let bed = Bed::new().await;
    let planned = bed.windlass(&["plan", "--backend", "kubernetes", "--server"], PIPELINE, SETTINGS).await;
    let said =
        String::from_utf8_lossy(&planned.stdout).into_owned() + &String::from_utf8_lossy(&planned.stderr);
    assert_eq!(planned.status.code(), Some(0), "{said}");
    assert!(!said.contains("ConfigMap"), "{said}");

    let ran = bed.windlass(&["run", "--backend", "kubernetes"], PIPELINE, SETTINGS).await;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{said}");
    for line in ["ask   │ windlass", "read  │ 1234", "read  │ written"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    bed.assert_empty().await;
}

#[tokio::test]
async fn an_image_without_the_helper_is_told_at_once() {
    let bed = Bed::new().await;
    let settings = format!("[kubernetes]\nhelper_image = \"{IMAGE}\"\n");
    let ran = bed.windlass(&["run", "--backend", "kubernetes"], PIPELINE, &settings).await;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("could not start: of `helper_image` in the settings: "), "{said}");
}

/// As a cluster would run it every night: with the account of its pod, and nothing of anybody's machine.
#[tokio::test]
async fn windlass_runs_in_a_pod_of_the_cluster() {
    let bed = Bed::new().await;
    let files = json!({
        "metadata": { "name": "project" },
        "data": { "windlass.yml": PIPELINE, "config.toml": SETTINGS },
    });
    bed.ask("POST", &bed.path("/api/v1/namespaces/{}/configmaps"), &files).await;
    let file = |name: &str, directory: &str| json!({ "name": "project", "mountPath": format!("{directory}/{name}"), "subPath": name });
    let container = json!({
        "name": "windlass",
        "image": "windlass/tool",
        "imagePullPolicy": "IfNotPresent",
        "args": ["run", "--backend", "kubernetes"],
        "workingDir": "/project",
        "env": [{ "name": "XDG_CONFIG_HOME", "value": "/config" }],
        "volumeMounts": [file("windlass.yml", "/project"), file("config.toml", "/config/windlass")],
    });
    let pod = json!({
        "metadata": { "name": "nightly" },
        "spec": {
            "serviceAccountName": "windlass",
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [{ "name": "project", "configMap": { "name": "project" } }],
        },
    });
    bed.ask("POST", &bed.path("/api/v1/namespaces/{}/pods"), &pod).await;
    let path = bed.path("/api/v1/namespaces/{}/pods/nightly");
    let phase = async || bed.ask("GET", &path, &Value::Null).await["status"]["phase"].clone();
    bed.wait("the end of the pod", async || {
        ["Succeeded", "Failed"].map(Value::from).contains(&phase().await)
    })
    .await;
    let log = bed.text(&format!("{path}/log")).await;
    assert_eq!(phase().await, "Succeeded", "{log}");
    for line in ["ask   │ windlass", "read  │ 1234", "read  │ written"] {
        assert!(log.contains(line), "{line}: {log}");
    }
    bed.wait("an end of all that is the run's", async || {
        bed.objects().await == ["pods/nightly", "configmaps/project"]
    })
    .await;
}
