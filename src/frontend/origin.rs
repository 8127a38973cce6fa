//! Where the values of a step come from (language L13). A plan holds the values alone; this answers
//! whoever asks why a value is what it is, and nothing else looks at it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Who has set a variable of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// windlass itself.
    BuiltIn,
    /// The input of this name.
    Input,
    /// The pipeline's `env`.
    Pipeline,
    /// The `env` of the environment that was chosen, by its name.
    Environment(String),
    /// The `env` of its stage.
    Stage,
    /// Its own `env`.
    Step,
    /// Its matrix.
    Matrix,
    /// `--env`.
    CommandLine,
}

/// Names of variables.
pub(super) type Names = Arc<BTreeSet<String>>;

/// The names of these variables.
pub(super) fn names<T>(variables: &BTreeMap<String, T>) -> Names {
    Arc::new(variables.keys().cloned().collect())
}

/// Who has set the variables of each step of a plan.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    pub(super) pipeline: Names,
    /// The environment that was chosen.
    pub(super) environment: Option<(String, Names)>,
    /// In the order of the plan's steps.
    pub(super) steps: Vec<OfStep>,
}

/// What one step and its stage have set.
#[derive(Clone, Debug, Default)]
pub(super) struct OfStep {
    pub(super) stage: Names,
    pub(super) own: Names,
    pub(super) matrix: Names,
}

impl Origins {
    /// Who has set a variable in the `env` of the step at this position of the plan.
    pub fn of(&self, position: usize, variable: &str) -> Origin {
        let step = self.steps.get(position);
        let has = |names: &Names| names.contains(variable);
        match step {
            Some(step) if has(&step.matrix) => return Origin::Matrix,
            Some(step) if has(&step.own) => return Origin::Step,
            Some(step) if has(&step.stage) => return Origin::Stage,
            Some(_) | None => {}
        }
        match &self.environment {
            Some((name, names)) if has(names) => Origin::Environment(name.clone()),
            _ if has(&self.pipeline) => Origin::Pipeline,
            _ => Origin::Input,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::BuiltIn => "built-in",
            Origin::Input => "input",
            Origin::Pipeline => "pipeline",
            Origin::Environment(name) => return write!(f, "environment {name}"),
            Origin::Stage => "stage",
            Origin::Step => "step",
            Origin::Matrix => "matrix",
            Origin::CommandLine => "--env",
        })
    }
}
