//! The plan as JSON: versioned, readable, and the same bytes for the same plan.

use serde::Deserialize;

use super::{Plan, VERSION};

/// A text that is not a plan of this program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A newer program wrote it.
    #[error("the plan has version {found}, and this program reads versions up to {known}")]
    Newer {
        /// The version it has.
        found: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// No version is that low.
    #[error("the plan has version {found}, and the first version is 1")]
    NoSuchVersion {
        /// The version it has.
        found: u32,
    },
    /// It is no JSON, or lacks something, or has something that the version does not know.
    #[error("the plan is not valid JSON of version {VERSION}")]
    Syntax(#[source] serde_json::Error),
}

/// Writes a plan, with a newline at the end.
pub fn to_json(plan: &Plan) -> String {
    let mut text = serde_json::to_string_pretty(plan).expect("every key of a plan is a string");
    text.push('\n');
    text
}

/// Reads a plan. It is not validated.
///
/// # Errors
/// [`WireError`]; unknown fields are refused, as what they ask for would not be done.
pub fn from_json(text: &str) -> Result<Plan, WireError> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    // First the version alone: a newer plan has fields that are unknown here.
    let head: Head = serde_json::from_str(text).map_err(WireError::Syntax)?;
    match head.version {
        0 => Err(WireError::NoSuchVersion { found: 0 }),
        1..=VERSION => serde_json::from_str(text).map_err(WireError::Syntax),
        found => Err(WireError::Newer { found, known: VERSION }),
    }
}
