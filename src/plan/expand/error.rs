//! Why a late node cannot be expanded.

use crate::base::StepId;
use crate::plan::validate::PlanError;
use crate::plan::wire::WireError;

/// An output that a late node cannot grow from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// A matrix over something else than a list.
    #[error("the output `{key}` of step `{step}` is not a JSON list, and a matrix is made of it")]
    NotAList {
        /// The step that wrote it.
        step: StepId,
        /// Its key.
        key: String,
        /// What JSON said.
        source: serde_json::Error,
    },
    /// A matrix that is too large.
    #[error("the output `{key}` of step `{step}` has {count} elements, and a matrix has at most {limit}")]
    TooMany {
        /// The step that wrote it.
        step: StepId,
        /// Its key.
        key: String,
        /// How many elements it has.
        count: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A new step whose id is taken.
    #[error("the new step `{id}` has the id of another")]
    DuplicateStep {
        /// The id.
        id: StepId,
    },
    /// A new step whose id is too long.
    #[error("the new step's id `{id}` is longer than 128 characters")]
    InvalidId {
        /// The id.
        id: StepId,
    },
    /// A new scope or volume whose name is taken.
    #[error("the new scope or volume `{name}` has the name of another")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A child plan that cannot be read.
    #[error("the child plan `{id}` cannot be read")]
    ChildUnreadable {
        /// The node.
        id: StepId,
        /// What is wrong with it.
        source: WireError,
    },
    /// A child plan that makes no sense.
    #[error("the child plan `{id}` is not valid: {}", list(errors))]
    ChildInvalid {
        /// The node.
        id: StepId,
        /// Everything that is wrong with it.
        errors: Vec<PlanError>,
    },
    /// A child plan that asks for what steps within a stage cannot have.
    #[error("the child plan `{id}` has {what}, which steps that become part of another stage cannot have")]
    ChildUnfit {
        /// The node.
        id: StepId,
        /// What it asks for.
        what: &'static str,
    },
}

fn list(errors: &[PlanError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
