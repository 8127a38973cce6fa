use std::path::PathBuf;

use super::*;
use crate::backend::contract::{self, Harness};
use crate::base::RunId;
use crate::ledger::Ledger;

struct FakeHarness {
    fake: Fake,
    home: PathBuf,
}

impl Harness for FakeHarness {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(self.fake.clone())
    }

    fn image(&self) -> String {
        "busybox".to_owned()
    }

    fn missing_image(&self) -> String {
        "missing".to_owned()
    }

    fn inspect(&self) -> BoxFuture<'_, String> {
        async { format!("{:?}", self.fake.specs()) }.boxed()
    }

    fn ledger(&self, run: &RunId) -> Arc<RunLedger> {
        let ledger =
            Ledger::open(&self.home).and_then(|ledger| ledger.begin(run).map_err(std::io::Error::other));
        Arc::new(ledger.expect("a temporary directory takes a ledger"))
    }

    fn place(&self, run: &RunId) -> PathBuf {
        self.home.join(run.as_str())
    }
}

#[tokio::test(start_paused = true)]
async fn the_fake_keeps_the_contract() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let error = StartError { reason: Reason::ImageNotFound, message: "no such image".to_owned() };
    let fake = Fake::new().image("missing", FakeImage::Fails(error));
    let harness = FakeHarness { fake: fake.clone(), home: home.path().to_owned() };
    contract::suite(&harness, &|_| {}).await;
    assert!(!fake.calls().iter().any(|call| matches!(call, Call::Clashed(_))));
}
