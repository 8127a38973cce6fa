//! What needs a Docker engine. `tests/run` starts one of its own and makes the images; by hand, set
//! `DOCKER_HOST` to one that has `windlass/busybox` (`images/test/busybox`).
//!
//! A missing engine fails every test: none of them passes by not running.

#![allow(unreachable_pub, reason = "modules of one test program")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod bed;
mod bridge;
mod checks;
mod conformance;
mod contract;
mod crash;
mod daemon;
mod elsewhere;
mod ends;
mod engines;
mod examples;
mod faults;
mod gates;
mod images;
mod limits;
mod logs;
mod own_images;
mod proxy;
mod registry;
mod runs;
mod secrets;
mod services;
mod signals;
mod sizes;
mod suspend;
mod terminal;
mod trust;
mod tty;
mod user;

#[path = "../lib/executable.rs"]
mod executable;
#[path = "../conformance/suite/mod.rs"]
mod suite;
