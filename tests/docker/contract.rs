//! The contract suite of all backends, on a real engine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use windlass::backend::contract::{Harness, cases, check};
use windlass::backend::{Backend, docker};
use windlass::base::{InstanceId, RunId};
use windlass::ledger::{Ledger, RunLedger};

use crate::bed::{IMAGE, LOST_COUNT, docker_host};
use crate::registry::Registry;

struct DockerHarness {
    docker: Arc<dyn Backend>,
    home: PathBuf,
    registry: Registry,
    address: String,
    instance: InstanceId,
}

impl Harness for DockerHarness {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.docker)
    }

    fn image(&self) -> String {
        IMAGE.to_owned()
    }

    fn missing_image(&self) -> String {
        self.registry.image("missing/tool:1")
    }

    fn inspect(&self) -> BoxFuture<'_, String> {
        let label = format!("label=dev.windlass.instance={}", self.instance);
        let script = format!("docker inspect $(docker ps -aq --filter {label})");
        let output =
            Command::new("sh").args(["-c", &script]).env("DOCKER_HOST", &self.address).output().unwrap();
        Box::pin(async move { String::from_utf8_lossy(&output.stdout).into_owned() })
    }

    fn ledger(&self, run: &RunId) -> Arc<RunLedger> {
        Arc::new(Ledger::open(&self.home).unwrap().begin(run).unwrap())
    }

    fn place(&self, run: &RunId) -> PathBuf {
        self.home.join(run.as_str())
    }

    fn is_forgiven(&self, why: &str) -> bool {
        why.contains(LOST_COUNT)
    }
}

/// Puts the engine at this address through every n-th case of the suite; how many were.
#[expect(clippy::print_stderr, reason = "which case it is at, should it fail, and what is forgiven")]
pub async fn keeps_the_contract(address: &str, home: &Path, every: usize) -> usize {
    let instance = InstanceId::generate();
    let docker = docker::connect(Some(address), &instance, home).await.unwrap();
    let docker: Arc<dyn Backend> = Arc::new(docker);
    let registry = Registry::start("contract");
    let harness = DockerHarness {
        docker: Arc::clone(&docker),
        home: home.to_owned(),
        registry,
        address: address.to_owned(),
        instance,
    };
    let (mut checked, mut forgiven) = (0, Vec::new());
    let named = std::env::var("CASE").unwrap_or_default();
    for case in cases().into_iter().step_by(every).filter(|case| case.name.contains(&named)) {
        eprintln!("{}", case.name);
        forgiven.extend(check(&harness, &case).await);
        checked += 1;
    }
    let mut left = docker.objects().await.unwrap();
    left.retain(|found| !forgiven.contains(&found.object));
    assert_eq!(left, [], "objects are left");
    if !forgiven.is_empty() {
        eprintln!("{} networks are left: {LOST_COUNT}", forgiven.len());
    }
    checked
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_keeps_the_contract() {
    let home = tempfile::tempdir().unwrap();
    keeps_the_contract(&docker_host(), home.path(), 1).await;
}
