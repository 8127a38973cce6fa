//! Whether a plan makes sense, so that neither engine nor backend needs to ask: every name that is
//! used is there, everything can run in some order, every output is there when it is needed.
//!
//! It looks at the plan alone: whether an image exists or a backend can do what is asked is not said
//! here, and expressions are checked by whoever compiles them. Linear in the size of the plan, but for
//! plans with late strings.

mod containers;
mod error;
mod order;

pub use error::{PlaceInPlan, PlanError};

use super::Plan;

/// Checks a plan.
///
/// # Errors
/// Everything that is wrong with it, in the order of the plan.
pub fn validate(plan: &Plan) -> Result<(), Vec<PlanError>> {
    let mut errors = Vec::new();
    containers::check(plan, &mut errors);
    order::check(plan, &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Whether a text can be the id of a step or stage, or the name of a volume or scope: lower case, so that
/// it fits into file, container and host names.
pub fn is_id(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    text.len() <= 128 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(rest)
}
