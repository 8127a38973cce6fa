//! The contract suite of all backends, on a real engine.

use std::path::PathBuf;
use std::sync::Arc;

use windlass::backend::contract::{Harness, cases, check};
use windlass::backend::{Backend, docker};
use windlass::base::{InstanceId, RunId};
use windlass::ledger::{Ledger, RunLedger};

use crate::bed::{IMAGE, docker_host};
use crate::registry::Registry;

struct DockerHarness {
    docker: Arc<dyn Backend>,
    home: PathBuf,
    registry: Registry,
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

    fn ledger(&self, run: &RunId) -> Arc<RunLedger> {
        Arc::new(Ledger::open(&self.home).unwrap().begin(run).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_keeps_the_contract() {
    let home = tempfile::tempdir().unwrap();
    let instance = InstanceId::generate();
    let docker = docker::connect(Some(&docker_host()), &instance, home.path()).await.unwrap();
    let docker: Arc<dyn Backend> = Arc::new(docker);
    let registry = Registry::start("contract");
    let harness = DockerHarness { docker: Arc::clone(&docker), home: home.path().to_owned(), registry };
    for case in cases() {
        eprintln!("{}", case.name);
        check(&harness, case).await;
    }
    assert_eq!(docker.objects().await.unwrap(), [], "objects are left");
}
