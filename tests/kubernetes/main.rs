//! What needs a Kubernetes cluster. `tests/run` builds and starts one; by hand, set `WINDLASS_TEST_KUBECONFIG` to
//! the kubeconfig of an administrator of one that has the images.
//!
//! A missing cluster fails every test: none of them passes by not running.

#![allow(unreachable_pub, reason = "modules of one test program")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod alone;
mod away;
mod bed;
mod between;
mod cancel;
mod conformance;
mod contract;
mod crash;
mod fates;
mod fetching;
mod logs;
mod many;
mod own;
mod own_images;
mod place;
mod plan;
mod proxied;
mod pulling;
mod refused;
mod restricted;
mod rights;
mod volume;
mod workspace;

#[path = "../conformance/suite/mod.rs"]
mod suite;
