//! The conformance suite on a real engine.

use std::sync::Arc;

use windlass::backend::{Backend, docker};
use windlass::runner::{Connecting, Home};

use crate::bed::{LOST_COUNT, docker_host};
use crate::suite::{self, Bench};

struct OnDocker;

impl Bench for OnDocker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn is_timeless(&self) -> bool {
        false
    }

    fn is_forgiven(&self, why: &str) -> bool {
        // Eight cases at once, each with services, make Engine 20.10 lose count.
        why.contains(LOST_COUNT)
    }

    fn connect(&self, home: &Home) -> Connecting {
        let home = home.clone();
        let lent = docker::lend_helper(home.path());
        Box::pin(async move {
            lent?;
            let docker = docker::connect(Some(&docker_host()), home.instance(), home.path()).await?;
            Ok(Arc::new(docker) as Arc<dyn Backend>)
        })
    }
}

#[test]
fn every_case_holds_on_docker() {
    suite::check(&suite::all(), &OnDocker, 8);
}
