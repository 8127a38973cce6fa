//! A namespace of a test's own, and in it the account of the manifest that is shipped: what runs here has
//! its rights and no others.

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use http::Request;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use ulid::Ulid;

/// What a user applies to a cluster before the first run.
const MANIFEST: &str = include_str!("../../docs/kubernetes/rbac.yaml");

/// How long a test waits for anything before it gives up.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long a server may be too busy to answer what a test only wants to know.
const BUSY: Duration = Duration::from_mins(1);

/// The namespace that the manifest names.
const NAMESPACE: &str = "windlass-runs";

/// The image that all tests use.
pub const IMAGE: &str = "windlass/busybox";

/// Kinds of objects of which a run leaves none.
const KINDS: [&str; 6] = [
    "/api/v1/namespaces/{}/pods",
    "/apis/batch/v1/namespaces/{}/jobs",
    "/api/v1/namespaces/{}/persistentvolumeclaims",
    "/api/v1/namespaces/{}/secrets",
    "/api/v1/namespaces/{}/configmaps",
    "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
];

/// A test's own place on the cluster.
#[must_use]
pub struct Bed {
    directory: TempDir,
    pub namespace: String,
    /// Who may do everything.
    pub admin: Client,
}

/// The cluster that the tests are given.
fn given() -> Kubeconfig {
    let path = std::env::var_os("WINDLASS_TEST_KUBECONFIG").expect(
        "WINDLASS_TEST_KUBECONFIG names the kubeconfig of a cluster to test with; tests/run starts one",
    );
    Kubeconfig::read_from(path).unwrap()
}

async fn client(kubeconfig: Kubeconfig) -> Client {
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    // An answer is an answer.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// Asks the API server, and takes its answer as it is.
pub async fn ask(client: &Client, method: &str, path: &str, body: &Value) -> Result<Value, kube::Error> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    client.request(request.body(body).unwrap()).await
}

impl Bed {
    /// A new namespace, as the manifest makes it.
    pub async fn new() -> Self {
        let admin = client(given()).await;
        let namespace = format!("windlass-test-{}", Ulid::generate()).to_lowercase();
        let bed = Self { directory: tempfile::tempdir().unwrap(), namespace, admin };
        for document in MANIFEST.replace(NAMESPACE, &bed.namespace).split("---\n") {
            bed.create(document).await;
        }
        bed.wait("an account of its own for every pod", async || {
            let path = bed.path("/api/v1/namespaces/{}/serviceaccounts/default");
            ask(&bed.admin, "GET", &path, &Value::Null).await.is_ok()
        })
        .await;
        fs::write(bed.kubeconfig(), serde_json::to_vec(&bed.account().await).unwrap()).unwrap();
        let (account, pods) = (bed.client().await, bed.path("/api/v1/namespaces/{}/pods"));
        bed.wait("a server that knows its role", async || {
            ask(&account, "GET", &pods, &Value::Null).await.is_ok()
        })
        .await;
        bed
    }

    /// Creates what a document of the manifest describes. The API server reads YAML too.
    async fn create(&self, document: &str) {
        let kind = document.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap();
        let path = match kind {
            "Namespace" => "/api/v1/namespaces",
            "ServiceAccount" => "/api/v1/namespaces/{}/serviceaccounts",
            "Role" => "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
            "RoleBinding" => "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
            _ => panic!("the tests do not know where to create a {kind}"),
        };
        let request = Request::post(self.path(path)).header("content-type", "application/yaml");
        let request = request.body(document.as_bytes().to_vec()).unwrap();
        self.admin.request::<Value>(request).await.unwrap();
    }

    /// The kubeconfig of the manifest's account.
    async fn account(&self) -> Kubeconfig {
        let path = self.path("/api/v1/namespaces/{}/serviceaccounts/windlass/token");
        let asked = json!({ "spec": { "expirationSeconds": 3600 } });
        let answer = ask(&self.admin, "POST", &path, &asked).await.unwrap();
        let mut kubeconfig = given();
        for user in &mut kubeconfig.auth_infos {
            let token = answer["status"]["token"].as_str().unwrap().to_owned();
            user.auth_info = Some(AuthInfo { token: Some(token.into()), ..AuthInfo::default() });
        }
        for context in kubeconfig.contexts.iter_mut().filter_map(|named| named.context.as_mut()) {
            context.namespace = Some(self.namespace.clone());
        }
        kubeconfig
    }

    /// Runs windlass as the manifest's account, on a pipeline and with settings.
    pub async fn windlass(&self, args: &[&str], pipeline: &str, settings: &str) -> Output {
        let place = self.directory.path();
        fs::create_dir_all(place.join("work")).unwrap();
        fs::create_dir_all(place.join("config/windlass")).unwrap();
        fs::write(place.join("work/windlass.yml"), pipeline).unwrap();
        fs::write(place.join("config/windlass/config.toml"), settings).unwrap();
        let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_windlass"));
        program.args(args).current_dir(place.join("work")).env("KUBECONFIG", self.kubeconfig());
        program.env("WINDLASS_HOME", place.join("state")).env("XDG_CONFIG_HOME", place.join("config"));
        program.stdin(Stdio::null()).output().await.unwrap()
    }

    /// Where the kubeconfig of the manifest's account is.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// A connection as the manifest's account.
    pub async fn client(&self) -> Client {
        client(Kubeconfig::read_from(self.kubeconfig()).unwrap()).await
    }

    /// A path of the API, in this namespace.
    pub fn path(&self, path: &str) -> String {
        path.replace("{}", &self.namespace)
    }

    /// Polls until it holds.
    pub async fn wait(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let began = Instant::now();
        while !holds().await {
            assert!(
                began.elapsed() < PATIENCE,
                "{} s are over, and there is not: {what}",
                PATIENCE.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks the API server as who may do everything.
    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.answer(method, path, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The answer to that. A server that is too busy for what only looks is asked again: that is not what is tested.
    async fn answer(&self, method: &str, path: &str, body: &Value) -> Result<Value, kube::Error> {
        let began = Instant::now();
        loop {
            let answer = ask(&self.admin, method, path, body).await;
            let is_busy =
                matches!(&answer, Err(kube::Error::Api(status)) if matches!(status.code, 429 | 500..));
            if method != "GET" || !is_busy || began.elapsed() > BUSY {
                return answer;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// What a run must not leave: all objects but those that every namespace has.
    pub async fn objects(&self) -> Vec<String> {
        self.objects_that(|_| true).await
    }

    /// The same once the pods that fetch images are gone, which they are by themselves a while after a step began.
    pub async fn settled(&self) -> Vec<String> {
        self.wait("an end of the pods that fetch images", async || {
            !self.objects().await.iter().any(|name| name.contains("-image-"))
        })
        .await;
        self.objects().await
    }

    /// Those of them of which nobody has said that they are to go.
    async fn objects_to_stay(&self) -> Vec<String> {
        self.objects_that(|object| object["metadata"]["deletionTimestamp"].is_null()).await
    }

    /// Nothing is left. What the cluster protects as long as something uses it, a claim, may take a moment to go.
    pub async fn assert_empty(&self) {
        assert_eq!(self.objects_to_stay().await, Vec::<String>::new(), "objects are left");
        self.wait("an empty namespace", async || self.objects().await.is_empty()).await;
    }

    /// Asks for what comes as text.
    pub async fn text(&self, path: &str) -> String {
        let request = Request::get(path).body(Vec::new()).unwrap();
        self.admin.request_text(request).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    async fn objects_that(&self, are: impl Fn(&&Value) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for kind in KINDS {
            let list = self.ask("GET", &self.path(kind), &Value::Null).await;
            let items = list["items"].as_array().unwrap().iter().filter(&are);
            let names = items.map(|item| item["metadata"]["name"].as_str().unwrap());
            let noun = kind.rsplit('/').next().unwrap();
            found.extend(
                names.filter(|name| *name != "kube-root-ca.crt").map(|name| format!("{noun}/{name}")),
            );
        }
        found
    }
}

impl Drop for Bed {
    /// The cluster removes what is in it after the test; a test that failed leaves nothing to the next.
    fn drop(&mut self) {
        let path = self.path("/api/v1/namespaces/{}");
        // The test's own connection needs the test's runtime, which waits for this.
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { ask(&client(given()).await, "DELETE", &path, &Value::Null).await })
        });
        drop(removal.join());
    }
}
