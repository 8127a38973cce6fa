//! The conformance suite on the fake, the suite itself put to the test, and the pages of the language,
//! whose claims name its cases. `tests/docker` runs the same cases on Docker.

#![allow(unreachable_pub, reason = "modules of one test program")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod cluster;
mod coverage;
mod defects;
mod fake;
mod pages;
mod properties;
mod suite;
