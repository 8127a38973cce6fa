//! YAML 1.2 with positions: a text in, one small tree of nodes out, every limit held on the way.
//!
//! Owns what YAML means and what of it is accepted (language L1): one document, no tags, text as
//! keys, `<<` merges, aliases that share their node. It never knows a key of any dialect, and it
//! never decides what a plain scalar is: a node keeps its spelling.

mod characters;
mod load;
mod mapping;
mod node;
mod offsets;

pub(super) use load::load;
pub(super) use node::{Copier, Entry, Node, Value};

/// The largest file that is read, in bytes.
pub const MAX_FILE: usize = 8 << 20;
/// How deep lists and mappings may nest, aliases followed.
pub(super) const MAX_DEPTH: usize = 64;
/// How many nodes a file may have, aliases followed.
pub(super) const MAX_NODES: usize = 500_000;
/// How many bytes of text a file may have, aliases followed.
pub(super) const MAX_TEXT: usize = 64 << 20;
