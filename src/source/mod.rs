//! How a directory or a git URL becomes the tree that a run works on (language L15).
//!
//! A source is captured once as an immutable base and from then on as a layer of changes on it; the
//! run writes into a layer of its own. What is stored where stands in `docs/adr/0003-capture.md`.
//!
//! It never writes into the user's tree, follows no link in it, runs no other program, and keeps no
//! credentials.

mod beneath;
mod cache;
mod captured;
mod copy;
mod directory;
mod error;
mod fetch;
mod fresh;
mod git;
mod index;
mod layers;
mod listing;
mod manifest;
mod objects;
mod overlay;
mod pattern;
mod place;
mod pool;
mod remote;
mod resolve;
#[cfg(test)]
mod tests;
mod url;
mod walk;

pub use cache::remove_unfinished;
pub use captured::{Captured, GitFacts};
pub use directory::{capture_directory, in_place, root_of};
pub use error::SourceError;
pub use fetch::{FetchProgress, OnProgress};
pub use place::WORKSPACE_GID;
pub use remote::is_url;
pub use url::capture_url;
