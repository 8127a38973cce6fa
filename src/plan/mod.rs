//! The Plan: a pipeline compiled once, self-contained and printable; the only thing that the
//! engine and the backends see.
//!
//! Owns the types, the graph over them, expressions, validation, digests and the versioned JSON. It
//! never reads a file, never knows a dialect, and holds no option of a run.

pub mod digest;
pub mod expand;
pub mod expression;
pub mod facts;
pub mod graph;
#[cfg(test)]
pub(crate) mod sample;
mod texts;
mod types;
pub mod validate;
pub mod wire;

pub use types::*;
