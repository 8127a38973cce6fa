//! Each fate of a pod has one reason, with the words of whoever decided it, however often it comes to it
//! (`WINDLASS_TEST_REPEAT`) and whatever goes on beside it.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::future::{FutureExt, LocalBoxFuture};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::bed::{IMAGE, ask};
use crate::place::{Place, is_unit};

/// Runs at the same time.
const AT_ONCE: usize = 7;

/// A script that is up until it is told to end.
const UP: &str = "echo up; sleep 600";

/// A step that has nothing to do.
const ON: &str = "image: windlass/busybox, run: echo on";

/// Settings for what is waited for in vain.
const SHORT: &str = "patience = \"15s\"";

/// What is done to a step called `unit`, and what must come of it.
struct Row {
    name: &'static str,
    expected: &'static str,
    /// The message has this in it.
    words: &'static str,
    fate: Box<dyn Fn() -> LocalBoxFuture<'static, (String, String)>>,
}

/// A run of a place, prepared like this.
fn row<P: Future<Output = Place> + 'static>(
    name: &'static str,
    expected: &'static str,
    words: &'static str,
    place: impl Fn() -> P + 'static,
) -> Row {
    let fate = move || {
        let place = place();
        async { run(&place.await).await }.boxed_local()
    };
    Row { name, expected, words, fate: Box::new(fate) }
}

/// A step of these keys.
fn step(name: &'static str, expected: &'static str, words: &'static str, keys: &'static str) -> Row {
    row(name, expected, words, move || Place::with_keys(keys))
}

/// A step of these keys under these settings.
fn under(
    name: &'static str,
    expected: &'static str,
    words: &'static str,
    settings: &'static str,
    keys: &'static str,
) -> Row {
    row(name, expected, words, move || async move {
        let place = Place::with_keys(keys).await;
        place.set(settings);
        place
    })
}

/// A step that runs when this is done to its pod, of which the path is given.
fn meanwhile<F: Future<Output = ()> + 'static>(
    name: &'static str,
    expected: &'static str,
    words: &'static str,
    what: fn(kube::Client, String) -> F,
) -> Row {
    let fate = move || {
        async move {
            let place = Place::with_script(UP).await;
            let mut running = place.start(&["run", "--output", "json"]);
            running.wait_for(&place.bed, "\"up").await;
            let pod = place.pod("the step's pod", is_unit).await;
            what(place.bed.admin.clone(), pod).await;
            let end = running.finish().await.end();
            place.assert_clean().await;
            end
        }
        .boxed_local()
    };
    Row { name, expected, words, fate: Box::new(fate) }
}

async fn run(place: &Place) -> (String, String) {
    let end = place.windlass(&["run", "--output", "json"]).await.end();
    place.assert_clean().await;
    end
}

async fn deleted(admin: kube::Client, pod: String, grace: u32) {
    ask(&admin, "DELETE", &pod, &json!({ "gracePeriodSeconds": grace })).await.unwrap();
}

async fn evicted(admin: kube::Client, pod: String) {
    let name = pod.rsplit('/').next().unwrap();
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } });
    ask(&admin, "POST", &format!("{pod}/eviction"), &eviction).await.unwrap();
}

/// A namespace in which so many pods may be.
async fn limited(pods: &str) -> Place {
    let place = Place::with_script("echo on").await;
    let path = place.bed.path("/api/v1/namespaces/{}/resourcequotas");
    let quota = json!({ "metadata": { "name": "few" }, "spec": { "hard": { "pods": pods } } });
    place.bed.ask("POST", &path, &quota).await;
    place
        .bed
        .wait("a quota that holds", async || {
            let quota = place.bed.ask("GET", &format!("{path}/few"), &Value::Null).await;
            quota["status"]["hard"]["pods"] == pods
        })
        .await;
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_full_for_a_while_is_waited_for() {
    let place = limited("1").await;
    let container =
        json!({ "name": "it", "image": IMAGE, "imagePullPolicy": "Never", "command": ["sleep", "600"] });
    let pod = json!({ "metadata": { "name": "other" }, "spec": { "containers": [container] } });
    let pods = place.bed.path("/api/v1/namespaces/{}/pods");
    place.bed.ask("POST", &pods, &pod).await;
    let running = place.start(&["run"]);
    place.begun().await;
    place.bed.ask("DELETE", &format!("{pods}/other"), &json!({ "gracePeriodSeconds": 0 })).await;
    // All pods of the run, one at a time.
    let _ran = running.finish().await.code(0);
    place.assert_clean().await;
}

/// One at a time: each of them takes most of the node.
static NODE: Mutex<()> = Mutex::const_new(());

/// A pod of more weight wants the place that the step has asked for.
async fn preempted() -> (String, String) {
    let _alone = NODE.lock().await;
    let keys = format!("image: {IMAGE}, run: {UP:?}, resources: {{ memory: 14Gi }}");
    let place = Place::with_keys(&keys).await;
    let mut running = place.start(&["run", "--output", "json"]);
    running.wait_for(&place.bed, "\"up").await;
    let class = json!({ "metadata": { "name": place.bed.namespace }, "value": 1000 });
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    place.bed.ask("POST", classes, &class).await;
    let container = json!({ "name": "it", "image": IMAGE, "imagePullPolicy": "Never", "command": ["true"],
        "resources": { "requests": { "memory": "14Gi" } } });
    let pod = json!({ "metadata": { "name": "weighty" }, "spec": { "restartPolicy": "Never",
        "priorityClassName": place.bed.namespace, "containers": [container] } });
    let pods = place.bed.path("/api/v1/namespaces/{}/pods");
    place
        .bed
        .wait("a class that the server has heard of", async || {
            ask(&place.bed.admin, "POST", &pods, &pod).await.is_ok()
        })
        .await;
    let end = running.finish().await.end();
    place.bed.ask("DELETE", &format!("{pods}/weighty"), &json!({ "gracePeriodSeconds": 0 })).await;
    place.bed.ask("DELETE", &format!("{classes}/{}", place.bed.namespace), &Value::Null).await;
    place.bed.wait("the place of the other pod", async || place.bed.objects().await.is_empty()).await;
    place.assert_clean().await;
    end
}

/// The name of something that a reference may say and a kubelet does not take.
const NO_NAME: &str = "image: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef, run: echo on";

fn rows() -> Vec<Row> {
    let preempted = Box::new(|| preempted().boxed_local());
    vec![
        Row { name: "preempted", expected: "lost preempted", words: "preempt", fate: preempted },
        meanwhile("evicted", "lost evicted", "Eviction API", evicted),
        meanwhile("deleted at once", "lost deleted", "by somebody else", |admin, pod| deleted(admin, pod, 0)),
        meanwhile("deleted with a grace", "lost deleted", "by somebody else", |admin, pod| {
            deleted(admin, pod, 30)
        }),
        step(
            "no memory",
            "failed out_of_memory",
            "memory limit 48Mi",
            "image: windlass/busybox, command: [tail, /dev/zero], resources: { memory: 48Mi }",
        ),
        step(
            "no such image",
            "failed image_not_found",
            "not found",
            "image: 'registry.test/windlass/missing:1', run: echo on",
        ),
        step("no name of an image", "failed image_not_found", "invalid repository name", NO_NAME),
        step(
            "no such program",
            "failed could_not_start",
            "no-such-program",
            "image: windlass/busybox, command: [no-such-program]",
        ),
        under(
            "nobody listens",
            "lost image_pull_failed",
            "refused",
            SHORT,
            "image: 'localhost:9/team/tool:1', run: echo on",
        ),
        under(
            "more memory than any node has",
            "lost unschedulable",
            "Insufficient memory",
            SHORT,
            "image: windlass/busybox, run: echo on, resources: { memory: 1000Gi }",
        ),
        under(
            "no node of that label",
            "lost unschedulable",
            "node affinity/selector",
            "patience = \"15s\"\nnode_selector = { \"windlass.test/none\" = \"yes\" }",
            ON,
        ),
        under("root where none may be", "failed could_not_start", "runAsNonRoot", "restricted = true", ON),
        row("no pods by quota", "lost quota", "exceeded quota: few", || async {
            let place = limited("0").await;
            place.set(SHORT);
            place
        }),
    ]
}

/// How often each is done.
fn repeats() -> usize {
    let asked = std::env::var("WINDLASS_TEST_REPEAT").ok();
    asked.map_or(1, |text| text.parse().expect("WINDLASS_TEST_REPEAT is a number")).max(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fate_has_one_reason_however_often_it_comes_to_it() {
    let (rows, rounds) = (rows(), repeats());
    let named = std::env::var("CASE").unwrap_or_default();
    let rows: Vec<_> = rows.into_iter().filter(|row| row.name.contains(&named)).collect();
    let all = (0..rounds).flat_map(|_| &rows).map(|row| async move {
        let began = std::time::Instant::now();
        let (end, words) = (row.fate)().await;
        eprintln!("{} in {:.1} s: {end}: {words}", row.name, began.elapsed().as_secs_f64());
        (row, end, words)
    });
    let done: Vec<_> = futures_util::stream::iter(all).buffer_unordered(AT_ONCE).collect().await;
    let mut table: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (row, end, words) in done {
        if end != row.expected || !words.contains(row.words) {
            wrong.push(format!("{}: {end}, expected {}: {words}", row.name, row.expected));
        }
        *table.entry(row.name).or_default().entry(end).or_default() += 1;
    }
    for (name, ends) in &table {
        eprintln!("{name:32} {ends:?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
