//! The native dialect, `windlass.yml`, as `docs/diagnostics.md` and the JSON Schema describe it.
//!
//! Owns the tables of keys, of which the reader and the schema are two views, and the lowering to
//! a plan. It never guesses: what it does not know it refuses.

mod declared;
mod environment;
mod graph;
mod image;
mod inputs;
mod interpolate;
mod keys;
mod late;
mod lower;
mod matrix;
mod needs;
mod outputs;
mod patterns;
mod pieces;
mod pipeline_values;
mod program;
mod read;
mod retry;
mod reuse;
mod schema;
mod scope;
mod secrets;
mod services;
mod step;
mod values;
mod wait_for;
mod when;

pub(super) use lower::{Lowered, lower};
pub(super) use reuse::expand;
pub use schema::schema;
