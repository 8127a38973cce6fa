//! windlass runs a repository's CI pipeline in containers on the machine in front of you.
//!
//! A pipeline goes one way, from file to front end to plan to engine to backend, and events go one
//! way back:
//!
//! ```text
//! file ──frontend──▶ plan ──engine──▶ backend ──▶ containers
//!                     │       │ event (one ordered stream)
//!                     │       ├──▶ report (terminal, NDJSON)
//!                     │       └──▶ store (record of every run)
//! ```
//!
//! Each module opens with what it owns and what it never does; which module may import which is
//! written in `ARCHITECTURE.md` and held by `tests/tidy`.

pub mod backend;
pub mod base;
pub mod cli;
pub mod config;
pub mod engine;
pub mod event;
pub mod frontend;
pub mod helper;
pub mod image;
pub mod ledger;
pub mod plan;
pub mod report;
pub mod runner;
pub mod source;
pub mod store;
