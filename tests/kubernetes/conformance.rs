//! The conformance suite on a real cluster, with the rights of the manifest that is shipped.

use std::sync::Arc;

use windlass::backend::Backend;
use windlass::backend::kubernetes::{Options, connect};
use windlass::runner::{Connecting, Home};

use crate::bed::Bed;
use crate::suite::{self, Bench};

struct OnKubernetes {
    options: Options,
}

impl Bench for OnKubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn is_timeless(&self) -> bool {
        false
    }

    fn connect(&self, home: &Home) -> Connecting {
        let (options, instance) = (self.options.clone(), home.instance().clone());
        Box::pin(async move {
            let cluster = connect(options, &instance).await?;
            Ok(Arc::new(cluster) as Arc<dyn Backend>)
        })
    }
}

#[test]
fn every_case_holds_on_kubernetes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bed = runtime.block_on(Bed::new());
    let options = Options { kubeconfig: Some(bed.kubeconfig()), ..Options::default() };
    suite::check(&suite::all(), &OnKubernetes { options }, 8);
    runtime.block_on(bed.assert_empty());
}
