//! One file a command.

pub(super) mod check;
pub(super) mod clean;
pub(super) mod explain;
mod load;
pub(super) mod plan;
pub(super) mod run;
pub(super) mod schema;
pub(super) mod vars;
