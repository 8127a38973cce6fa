//! What happened, as one ordered stream of facts in the past tense, and the pure reducer that all
//! readers of the stream share.
//!
//! Sequence numbers are given by the engine's dispatcher alone. Nothing here does input or output,
//! and no event says how it is to be shown.

pub mod log;
mod state;
mod types;

pub use state::*;
pub use types::*;
