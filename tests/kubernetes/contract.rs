//! The contract suite of all backends, on a real cluster, with the rights of the manifest that is shipped.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use windlass::backend::Backend;
use windlass::backend::contract::{Harness, cases, check};
use windlass::backend::kubernetes::{Options, connect};
use windlass::base::{InstanceId, RunId};
use windlass::ledger::{Ledger, RunLedger};

use crate::bed::{Bed, IMAGE};

/// Cases at the same time.
const AT_ONCE: usize = 4;

struct ClusterHarness<'a> {
    bed: &'a Bed,
    cluster: Arc<dyn Backend>,
    home: PathBuf,
}

impl Harness for ClusterHarness<'_> {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.cluster)
    }

    fn image(&self) -> String {
        IMAGE.to_owned()
    }

    fn missing_image(&self) -> String {
        // The node of the tests answers for every registry, and has nothing.
        "registry.test/windlass/missing:1".to_owned()
    }

    fn inspect(&self) -> BoxFuture<'_, String> {
        Box::pin(async {
            let path = self.bed.path("/api/v1/namespaces/{}/pods");
            self.bed.ask("GET", &path, &serde_json::Value::Null).await.to_string()
        })
    }

    fn ledger(&self, run: &RunId) -> Arc<RunLedger> {
        Arc::new(Ledger::open(&self.home).unwrap().begin(run).unwrap())
    }

    fn place(&self, run: &RunId) -> PathBuf {
        self.home.join(run.as_str())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_keeps_the_contract() {
    let bed = Bed::new().await;
    let home = tempfile::tempdir().unwrap();
    let options = Options { kubeconfig: Some(bed.kubeconfig()), ..Options::default() };
    let cluster: Arc<dyn Backend> = Arc::new(connect(options, &InstanceId::generate()).await.unwrap());
    let harness = ClusterHarness { bed: &bed, cluster: Arc::clone(&cluster), home: home.path().to_owned() };
    let named = std::env::var("CASE").unwrap_or_default();
    let wanted = cases().into_iter().filter(|case| case.name.contains(&named));
    let checks = wanted.map(|case| {
        let harness = &harness;
        async move {
            eprintln!("{}", case.name);
            let began = std::time::Instant::now();
            check(harness, &case).await;
            eprintln!("  {} in {:.1} s", case.name, began.elapsed().as_secs_f64());
        }
    });
    futures_util::stream::iter(checks).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    bed.assert_empty().await;
    assert_eq!(cluster.objects().await.unwrap(), [], "objects are left");
}
