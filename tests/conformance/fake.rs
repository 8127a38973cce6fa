//! Every case on the fake.

use std::sync::Arc;

use windlass::backend::Backend;
use windlass::backend::fake::Fake;
use windlass::runner::{Connecting, Home};

use crate::suite::{self, Bench};

/// The fake under test; each connection is to a fake of its own.
pub struct OnFake;

impl Bench for OnFake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn is_timeless(&self) -> bool {
        true
    }

    fn connect(&self, _: &Home) -> Connecting {
        Box::pin(async { Ok(Arc::new(Fake::new()) as Arc<dyn Backend>) })
    }
}

#[test]
fn every_case_holds_on_the_fake() {
    suite::check(&suite::all(), &OnFake, 4);
}
