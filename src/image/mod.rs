//! Images: references as users write them and registries mean them, platforms, and images that lie in files.
//!
//! Lock files and registries come to this room later; it never talks to a daemon.

pub mod local;
pub mod platform;
mod reference;

pub use reference::Reference;
