//! What needs a Kubernetes cluster. `tests/run` builds and starts one; by hand, set `WINDLASS_TEST_KUBECONFIG` to
//! the kubeconfig of an administrator of one that has the images.
//!
//! A missing cluster fails every test: none of them passes by not running.

#![allow(unreachable_pub, reason = "modules of one test program")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod away;
mod bed;
mod between;
mod cancel;
mod conformance;
mod contract;
mod crash;
mod fates;
mod logs;
mod many;
mod place;
mod plan;
mod restricted;
mod rights;

#[path = "../conformance/suite/mod.rs"]
mod suite;
