//! A project, a state directory and settings for the program itself, on a bed; with nothing of the caller's environment.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use kube::config::Kubeconfig;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

use crate::bed::{Bed, IMAGE, ask};

/// Whether tests are to be complete: `tests/run --full`.
pub fn full() -> bool {
    std::env::var_os("WINDLASS_TEST_FULL").is_some_and(|value| value == "1")
}

/// A test's own place, and the program in it.
#[must_use]
pub struct Place {
    pub bed: Bed,
    directory: TempDir,
    started: AtomicUsize,
}

impl Place {
    /// A project with this pipeline.
    pub async fn new(pipeline: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("windlass-test-").tempdir().unwrap();
        fs::create_dir(directory.path().join("project")).unwrap();
        fs::create_dir(directory.path().join("windlass")).unwrap();
        let place = Self { bed: Bed::new().await, directory, started: AtomicUsize::new(0) };
        fs::write(place.project().join("windlass.yml"), pipeline).unwrap();
        place
    }

    /// A project with one step `unit` that has these keys beside its name, in flow form.
    pub async fn with_keys(keys: &str) -> Self {
        Self::new(&format!("stages: [{{ name: test, steps: [{{ name: unit, {keys} }}] }}]\n")).await
    }

    /// A project with one step `unit` that runs this script.
    pub async fn with_script(script: &str) -> Self {
        Self::with_keys(&format!("image: {IMAGE}, run: {script:?}")).await
    }

    /// What stands in the settings about Kubernetes.
    pub fn set(&self, settings: &str) {
        let file = self.directory.path().join("windlass/config.toml");
        fs::write(file, format!("[kubernetes]\n{settings}\n")).unwrap();
    }

    /// Where the cluster is: a host and its port.
    pub fn server(&self) -> String {
        let kubeconfig = Kubeconfig::read_from(self.bed.kubeconfig()).unwrap();
        let server = kubeconfig.clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
        server.strip_prefix("https://").unwrap().trim_end_matches('/').to_owned()
    }

    /// Reaches the cluster through another address.
    pub fn through(&self, address: &str) {
        let server = self.server();
        let (host, _) = server.rsplit_once(':').unwrap();
        let mut kubeconfig = Kubeconfig::read_from(self.bed.kubeconfig()).unwrap();
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.server = Some(format!("https://{address}"));
            cluster.tls_server_name = Some(host.to_owned());
        }
        fs::write(self.bed.kubeconfig(), serde_json::to_vec(&kubeconfig).unwrap()).unwrap();
    }

    /// Has the kubeconfig say that the cluster is behind a proxy.
    pub fn behind(&self, proxy: &str) {
        let mut kubeconfig = Kubeconfig::read_from(self.bed.kubeconfig()).unwrap();
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.proxy_url = Some(proxy.to_owned());
        }
        fs::write(self.bed.kubeconfig(), serde_json::to_vec(&kubeconfig).unwrap()).unwrap();
    }

    /// Whether the account of the runs may look at pods now.
    pub async fn may_see_pods(&self) -> bool {
        let pods = self.bed.path("/api/v1/namespaces/{}/pods");
        ask(&self.bed.client().await, "GET", &pods, &Value::Null).await.is_ok()
    }

    pub fn project(&self) -> PathBuf {
        self.directory.path().join("project")
    }

    fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// The program with these arguments, in the project.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.env_clear().current_dir(self.project()).args(arguments).args(["--backend", "kubernetes"]);
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.directory.path());
        command.env("WINDLASS_HOME", self.home()).env("XDG_CONFIG_HOME", self.directory.path());
        command.env("KUBECONFIG", self.bed.kubeconfig()).stdin(Stdio::null());
        command
    }

    /// Starts the program and goes on.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(&[], arguments)
    }

    /// The same with more in its environment.
    pub fn start_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Running {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let [out, err] = ["out", "err"].map(|name| self.directory.path().join(format!("{name}.{number}")));
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
        Running { child: tokio::process::Command::from(command).spawn().unwrap(), out, err }
    }

    /// Runs the program to its end.
    pub async fn windlass(&self, arguments: &[&str]) -> Ran {
        self.start(arguments).finish().await
    }

    /// Nothing of a run is left: no object, no row in the ledger, no tree.
    pub async fn assert_clean(&self) {
        self.bed.assert_empty().await;
        for directory in ["ledger", "trees"] {
            let left: Vec<_> = fs::read_dir(self.home().join(directory))
                .map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect())
                .unwrap_or_default();
            assert!(left.is_empty(), "left in {directory}: {left:?}");
        }
    }

    /// Waits until a run has begun: its lease is there.
    pub async fn begun(&self) {
        let begun = async || self.bed.objects().await.iter().any(|name| name.starts_with("leases/"));
        self.bed.wait("a run that has begun", begun).await;
    }

    /// Waits for the pod of the step `unit` that the cluster has in this phase; its path.
    pub async fn pod(&self, what: &str, is: impl Fn(&Value) -> bool) -> String {
        let found = std::cell::RefCell::new(None);
        let path = self.bed.path("/api/v1/namespaces/{}/pods");
        self.bed
            .wait(what, async || {
                let pods = self.bed.ask("GET", &path, &Value::Null).await;
                let pods = pods["items"].as_array().cloned().unwrap_or_default();
                let pod = pods.iter().find(|pod| is(pod));
                let name = pod.and_then(|pod| pod["metadata"]["name"].as_str());
                *found.borrow_mut() = name.map(|name| format!("{path}/{name}"));
                name.is_some()
            })
            .await;
        found.into_inner().unwrap()
    }

    /// Makes an empty file in the workspace of the step `unit`, which runs.
    pub async fn touch(&self, file: &str) {
        let pod = self.pod("the step's pod", is_unit).await;
        let name = pod.rsplit('/').next().unwrap();
        let pods: Api<Pod> = Api::namespaced(self.bed.admin.clone(), &self.bed.namespace);
        let params = AttachParams::default().container("step").stderr(false);
        let touch = ["touch".to_owned(), format!("/workspace/{file}")];
        let mut process = pods.exec(name, touch, &params).await.unwrap();
        let status = process.take_status().unwrap().await.unwrap();
        assert_eq!(status.status.as_deref(), Some("Success"), "{status:?}");
    }

    /// The stored log of the only run's step.
    pub fn log(&self, step: &str) -> Vec<u8> {
        let runs: Vec<_> = fs::read_dir(self.home().join("runs")).unwrap().collect();
        assert_eq!(runs.len(), 1, "one run is kept");
        let path = runs[0].as_ref().unwrap().path().join(format!("logs/{step}.1.log"));
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// Whether a pod is that of the step `unit`.
pub fn is_unit(pod: &Value) -> bool {
    pod["metadata"]["annotations"]["dev.windlass/step"] == "unit"
}

/// How a run of the program ended.
#[must_use]
pub struct Ran {
    code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// It ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// How the step `unit` ended, by `--output json`: outcome and reason, and the words.
    #[track_caller]
    pub fn end(&self) -> (String, String) {
        let events = self.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut ends = events.filter(|event| event["event"]["type"] == "step_ended");
        let Some(event) = ends.next() else { panic!("it has no end:\n{}\n{}", self.stdout, self.stderr) };
        let end = &event["event"]["end"];
        let word = |key: &str| end[key].as_str().unwrap_or("-");
        (format!("{} {}", word("outcome"), word("reason")), word("message").to_owned())
    }
}

/// A program that goes on.
pub struct Running {
    child: tokio::process::Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits until it has said this.
    pub async fn wait_for(&mut self, bed: &Bed, text: &str) {
        let child = std::cell::RefCell::new(&mut self.child);
        let said =
            || [&self.out, &self.err].map(|path| fs::read_to_string(path).unwrap_or_default()).concat();
        bed.wait(text, async || {
            let has_ended = child.borrow_mut().try_wait().unwrap().is_some();
            assert!(!has_ended || said().contains(text), "no {text:?}: {}", said());
            said().contains(text)
        })
        .await;
    }

    /// Its end.
    pub async fn finish(mut self) -> Ran {
        let status = self.child.wait().await.unwrap();
        // As a shell says it.
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        Ran { code, stdout: read(&self.out), stderr: read(&self.err) }
    }
}
