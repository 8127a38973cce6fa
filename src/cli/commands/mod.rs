//! One file a command.

pub(super) mod check;
pub(super) mod clean;
mod load;
pub(super) mod plan;
pub(super) mod run;
pub(super) mod schema;
