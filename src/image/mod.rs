//! Image references, as users write them and as registries mean them.
//!
//! Lock files, layouts, archives and registries come to this room later; it never talks to a daemon.

mod reference;

pub use reference::Reference;
