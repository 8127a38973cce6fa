//! Every value that a step gets as its environment, and where it comes from (language L13).

use std::collections::BTreeMap;

use super::load::Loaded;
use crate::base::StepId;
use crate::engine::{self, BuiltIn};
use crate::frontend::{Choice, Origin};
use crate::plan::facts::GitFacts;
use crate::plan::{Part, Plan, Step, Text};

/// What one step gets.
#[derive(Clone, Debug)]
pub struct StepValues {
    /// The id of its stage.
    pub stage: String,
    /// Its id.
    pub step: StepId,
    /// Its name, as shown to people.
    pub name: String,
    /// Its variables, in the order of their names.
    pub variables: Vec<Variable>,
}

/// A variable of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name; of a secret that is given as a file the path of that.
    pub name: String,
    /// What it is.
    pub value: Value,
    /// Who has set it.
    pub origin: Origin,
}

/// The value of a variable, as far as it is known before a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// What it is.
    Known(String),
    /// What a run will make of it: words, or text with outputs in it.
    AtRunTime(String),
    /// The secret of this name.
    Secret(String),
}

/// Finds the values of all steps of a plan, at this commit and with this choice.
pub fn values(loaded: &Loaded, git: &GitFacts, choice: &Choice) -> Vec<StepValues> {
    let plan = &loaded.plan;
    let steps = plan.all_steps().enumerate().map(|(position, (stage, step))| {
        let mut variables = BTreeMap::new();
        for (name, value) in built_ins(git, choice) {
            variables.insert(name, (Value::Known(value), Origin::BuiltIn));
        }
        for (name, value) in engine::built_ins(plan, stage, step) {
            let value = match value {
                BuiltIn::Known(value) => Value::Known(value),
                BuiltIn::AtRunTime(what) => Value::AtRunTime(what.to_owned()),
            };
            variables.insert(name, (value, Origin::BuiltIn));
        }
        for (name, text) in &step.env {
            let origin = loaded.origins.of(position, name);
            variables.insert(name.clone(), (of_text(plan, text), origin));
        }
        for (name, value) in &choice.env {
            variables.insert(name.clone(), (Value::Known(value.clone()), Origin::CommandLine));
        }
        for secret in &step.secrets {
            for name in secret.env.iter().chain(&secret.file) {
                variables.insert(name.clone(), (Value::Secret(secret.name.clone()), Origin::Step));
            }
        }
        let variable = |(name, (value, origin))| Variable { name, value, origin };
        StepValues {
            stage: stage.id.to_string(),
            step: step.id.clone(),
            name: step.name.clone(),
            variables: variables.into_iter().map(variable).collect(),
        }
    });
    steps.collect()
}

impl StepValues {
    /// Whether a name on the command line means this step: its id, its name, or that of a step with a matrix
    /// of which it is an instance.
    pub fn is_called(&self, plan: &Plan, name: &str) -> bool {
        let instance_of = plan.step(&self.step).and_then(|step: &Step| step.instance_of.as_ref());
        self.step.as_str() == name || self.name == name || instance_of.is_some_and(|of| of.as_str() == name)
    }
}

/// The built-ins that only the source and the user know; the engine adds the others.
pub(super) fn built_ins(git: &GitFacts, choice: &Choice) -> BTreeMap<String, String> {
    let absent = String::new();
    [
        ("WINDLASS_GIT_SHA", &git.sha),
        ("WINDLASS_GIT_BRANCH", &git.branch),
        ("WINDLASS_GIT_TAG", &git.tag),
        ("WINDLASS_GIT_URL", &git.url),
        ("WINDLASS_ENVIRONMENT", choice.environment.as_ref().unwrap_or(&absent)),
        // Nobody but a server has an event.
        ("WINDLASS_EVENT", &absent),
    ]
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .into()
}

fn of_text(plan: &Plan, text: &Text) -> Value {
    let parts = match text {
        Text::Known(text) => return Value::Known(text.clone()),
        Text::Late(parts) => parts,
    };
    let output = |step: &StepId, key: &str| format!("${{{{ steps.{step}.outputs.{key} }}}}");
    let shown = parts.iter().map(|part| match part {
        Part::Literal(text) => text.clone(),
        Part::Output { step, key } => output(step, key),
        Part::Outputs { steps, key } => {
            let step =
                steps.first().and_then(|step| plan.step(step)).and_then(|step| step.instance_of.as_ref());
            step.map_or_else(|| format!("the outputs `{key}`"), |step| output(step, key))
        }
        Part::Element => "the element of the matrix".to_owned(),
    });
    Value::AtRunTime(shown.collect())
}
