//! How a directory or a git URL becomes the tree that a run works on (language L15).
//!
//! A source is captured once as an immutable base and from then on as a layer of changes on it; the
//! run writes into a layer of its own. What is stored where stands in `docs/adr/0003-capture.md`.
//!
//! It never writes into the user's tree, follows no link in it, runs no program but the credential
//! helpers that the user's own git configuration names, and keeps no credentials.

mod at_commit;
mod beneath;
mod cache;
mod captured;
mod certificate;
mod copy;
mod credential;
mod directory;
mod error;
mod fetch;
mod files;
mod fresh;
#[doc(hidden)]
pub mod fuzzing;
mod git;
mod hosts;
mod index;
mod known;
mod layers;
mod lfs;
mod listing;
mod logins;
mod manifest;
mod objects;
mod obstacle;
mod overlay;
mod patience;
mod pattern;
mod place;
mod pool;
mod remote;
mod resolve;
mod since;
mod submodules;
mod talk;
#[cfg(test)]
mod tests;
mod url;
mod view;
mod walk;
mod watch;

pub use at_commit::AtCommit;
pub use cache::remove_unfinished;
pub use captured::Captured;
pub use directory::{capture_directory, in_place, root_of};
pub use error::{Said, SourceError};
pub use place::WORKSPACE_GID;
pub use remote::{is_url, without_credentials};
pub use url::{FromUrl, capture_url};
pub use view::DirectoryView;
pub use watch::GoesOn;
