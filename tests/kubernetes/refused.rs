//! An API server that answers and refuses for a while: an error of its own, too many requests, a token that has run
//! out. What the run asked is asked again, and no run fails of it.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use kube::config::{AuthInfo, Kubeconfig};
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bed::{Bed, IMAGE, ask};
use crate::logs::numbers;
use crate::place::{Place, Running, full};

const UP: &str = "echo up; sleep 3; seq 1 1000";

/// How long it refuses.
fn a_while() -> Duration {
    Duration::from_secs(if full() { 60 } else { 7 })
}

/// Whose end the namespace's is: a test that fails leaves no rule to the next.
async fn owner(bed: &Bed) -> Value {
    let namespace = bed.ask("GET", &bed.path("/api/v1/namespaces/{}"), &Value::Null).await;
    let uid = &namespace["metadata"]["uid"];
    json!([{ "apiVersion": "v1", "kind": "Namespace", "name": bed.namespace, "uid": uid }])
}

/// What the server answers to whoever asks for this.
async fn code(client: &kube::Client, method: &str, path: &str, body: &Value) -> u16 {
    match ask(client, method, path, body).await {
        Err(kube::Error::Api(status)) => status.code,
        Err(other) => panic!("{method} {path}: {other}"),
        Ok(_) => 200,
    }
}

const HOOKS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// A step that is up when this happens to it.
async fn up(place: &Place) -> Running {
    let mut running = place.start(&["run"]);
    running.wait_for(&place.bed, "│ up").await;
    running
}

/// It went on as if nothing had been.
async fn assert_whole(place: &Place, running: Running) {
    let _ran = running.finish().await.code(0);
    assert_eq!(place.log("unit"), [b"up\n".to_vec(), numbers(1000)].concat());
    place.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_errors_of_the_server() {
    let place = Place::with_script(UP).await;
    let bed = &place.bed;
    // Nobody is there who could allow a pod.
    let hook = json!({
        "name": "nobody.windlass.dev", "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
        "admissionReviewVersions": ["v1"], "clientConfig": { "url": "https://127.0.0.1:1/" },
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": bed.namespace } },
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
    });
    let metadata = json!({ "name": bed.namespace, "ownerReferences": owner(bed).await });
    bed.ask("POST", HOOKS, &json!({ "metadata": metadata, "webhooks": [hook] })).await;
    let pods = bed.path("/api/v1/namespaces/{}/pods?dryRun=All");
    let pod =
        json!({ "metadata": { "name": "it" }, "spec": { "containers": [{ "name": "it", "image": IMAGE }] } });
    bed.wait("an error", async || code(&bed.admin, "POST", &pods, &pod).await == 500).await;
    let running = place.start(&["run"]);
    sleep(a_while()).await;
    bed.ask("DELETE", &format!("{HOOKS}/{}", bed.namespace), &Value::Null).await;
    assert_whole(&place, running).await;
}

/// A call that goes on until the connection is dropped: the rest of its body does not come.
fn endless(place: &Place, token: &str, path: &str) -> SslStream<TcpStream> {
    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    let stream = TcpStream::connect(place.server()).unwrap();
    let mut stream = connector.build().connect("localhost", stream).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

const FLOWS: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";

/// What the server counts of the calls that the test's own rules are for.
async fn counted(bed: &Bed, what: &str) -> usize {
    let name = format!("apiserver_flowcontrol_{what}{{flow_schema=\"{}\"", bed.namespace);
    let metrics = bed.text("/metrics").await;
    let line = metrics.lines().find(|line| line.starts_with(&name));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_a_server_that_has_no_time_for_it() {
    let place = Place::with_script(UP).await;
    let bed = &place.bed;
    let metadata = json!({ "name": bed.namespace, "ownerReferences": owner(bed).await });
    // The account has one call at a time, and what comes beside it is refused.
    let limited = json!({ "nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": { "type": "Reject" } });
    let level = json!({ "metadata": metadata, "spec": { "type": "Limited", "limited": limited } });
    bed.ask("POST", &format!("{FLOWS}/prioritylevelconfigurations"), &level).await;
    let account = json!({ "kind": "ServiceAccount", "serviceAccount": { "name": "windlass", "namespace": bed.namespace } });
    let anything = json!([{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"] }]);
    let rules = json!([{ "subjects": [account], "resourceRules": anything }]);
    let level = json!({ "name": bed.namespace });
    let spec = json!({ "matchingPrecedence": 2, "priorityLevelConfiguration": level, "rules": rules });
    bed.ask("POST", &format!("{FLOWS}/flowschemas"), &json!({ "metadata": metadata, "spec": spec })).await;

    let (client, pods) = (bed.client().await, bed.path("/api/v1/namespaces/{}/pods"));
    bed.wait("a server with these rules", async || {
        code(&client, "GET", &pods, &Value::Null).await;
        counted(bed, "dispatched_requests_total").await > 0
    })
    .await;
    let held = endless(&place, &token(bed, "held").await, &bed.path("/api/v1/namespaces/{}/configmaps"));
    bed.wait("a call that is held", async || counted(bed, "current_executing_requests").await == 1).await;
    assert_eq!(code(&client, "GET", &pods, &Value::Null).await, 429);
    let running = place.start(&["run"]);
    sleep(a_while()).await;
    assert_eq!(code(&client, "GET", &pods, &Value::Null).await, 429, "it is refused all the time");
    drop(held);
    bed.ask("DELETE", &bed.path("/api/v1/namespaces/{}/secrets/held"), &Value::Null).await;
    bed.ask("DELETE", &format!("{FLOWS}/flowschemas/{}", bed.namespace), &Value::Null).await;
    assert_whole(&place, running).await;
}

/// A token that is good for as long as a secret of this name is there.
async fn token(bed: &Bed, name: &str) -> String {
    let secret = json!({ "metadata": { "name": name } });
    let secret = bed.ask("POST", &bed.path("/api/v1/namespaces/{}/secrets"), &secret).await;
    let bound =
        json!({ "apiVersion": "v1", "kind": "Secret", "name": name, "uid": secret["metadata"]["uid"] });
    let path = bed.path("/api/v1/namespaces/{}/serviceaccounts/windlass/token");
    let answer = bed.ask("POST", &path, &json!({ "spec": { "boundObjectRef": bound } })).await;
    answer["status"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_its_token() {
    let place = Place::with_script("echo up; sleep 20; seq 1 1000").await;
    let (bed, file) = (&place.bed, place.bed.kubeconfig().with_file_name("token"));
    let secret = |name| bed.path(&format!("/api/v1/namespaces/{{}}/secrets/{name}"));
    fs::write(&file, token(bed, "first").await).unwrap();
    let mut kubeconfig = Kubeconfig::read_from(bed.kubeconfig()).unwrap();
    for user in &mut kubeconfig.auth_infos {
        let token_file = Some(file.to_str().unwrap().to_owned());
        user.auth_info = Some(AuthInfo { token_file, ..AuthInfo::default() });
    }
    fs::write(bed.kubeconfig(), serde_json::to_vec(&kubeconfig).unwrap()).unwrap();
    let first = bed.client().await;
    let running = up(&place).await;
    fs::write(&file, token(bed, "second").await).unwrap();
    bed.ask("DELETE", &secret("first"), &Value::Null).await;
    let pods = bed.path("/api/v1/namespaces/{}/pods");
    bed.wait("a token that is good no more", async || code(&first, "GET", &pods, &Value::Null).await == 401)
        .await;
    let ran = running.finish().await.code(0);
    assert_eq!(place.log("unit"), [b"up\n".to_vec(), numbers(1000)].concat(), "{}", ran.stdout);
    bed.ask("DELETE", &secret("second"), &Value::Null).await;
    place.assert_clean().await;
}
