//! The values that all steps of a pipeline have in common (language L13): inputs, the pipeline's `env`
//! and that of the environment which the run has chosen; and what is wrong with what the run was given.

use super::declared::Declared;
use super::environment::Environments;
use super::inputs::{self, Input};
use super::matrix::Matrix;
use super::read::{Fields, Reader};
use super::scope::Variables;
use crate::frontend::origin::{Names, OfStep, Origins, names};
use crate::frontend::{Given, NotAccepted, shorten};
use crate::plan::Text;

/// What all steps have in common.
pub(super) struct PipelineValues<'n> {
    inputs: Vec<Input<'n>>,
    pub(super) environments: Environments<'n>,
    /// The environment that was chosen, when it is one of them.
    pub(super) chosen: Option<String>,
    /// What every step gets, unless its stage or itself says otherwise.
    pub(super) env: Variables,
    /// What the pipeline's own `env` sets.
    names: Names,
    /// What is wrong with the inputs, with the environment, and with `--env`, each in words.
    wrong_inputs: Vec<String>,
    wrong_environment: Option<String>,
    clashes: Vec<String>,
}

impl Reader<'_> {
    /// Reads `inputs`, `env` and `environments`, and compares them with what the run was given.
    pub(super) fn pipeline_values<'n>(
        &mut self,
        fields: &Fields<'n, '_>,
        given: &Given<'_>,
    ) -> PipelineValues<'n> {
        let chosen = given.choice.environment.clone();
        self.scope.choose(chosen.as_deref().unwrap_or_default());
        let before = self.found.len();
        let inputs = fields.get("inputs").map(|field| self.inputs(field)).unwrap_or_default();
        let accepted = inputs::accept(&inputs, given.choice);
        let (wrong_inputs, mut wrong_environment) = (accepted.problems, None);
        let mut given_inputs = Variables::default();
        for (input, written) in
            inputs.iter().filter_map(|input| Some((input, accepted.values.get(input.name())?)))
        {
            self.scope.add_input(input.name(), input.value(written), written);
            given_inputs.set(inputs::variable(input.name()), Text::Known(written.clone()), false);
        }
        self.scope.extend(&given_inputs);
        // What depends on a mistake is not another one.
        self.scope.lenient = !wrong_inputs.is_empty() || self.found.len() > before;
        self.scope.lacks_input = accepted.lacks;
        let own = fields.get("env").map(|field| self.environment(field)).unwrap_or_default();
        let names = names(own.texts());
        self.scope.extend(&own);
        let environments =
            fields.get("environments").map(|field| self.environments(field)).unwrap_or_default();
        let chosen = chosen.filter(|name| {
            let variables = environments.get(name);
            if let Some(variables) = variables {
                self.scope.extend(variables);
            } else {
                wrong_environment = Some(format!("there is no environment `{}`", shorten(name)));
                self.scope.lenient = true;
            }
            variables.is_some()
        });
        let env = self.scope.env().clone();
        PipelineValues {
            inputs,
            environments,
            chosen,
            env,
            names,
            wrong_inputs,
            wrong_environment,
            clashes: Vec::new(),
        }
    }
}

impl PipelineValues<'_> {
    /// Looks for variables that both `--env` and a matrix set: its instances would not be what they are
    /// called.
    pub(super) fn clashes(&mut self, declared: &[Declared<'_>], given: &Given<'_>) {
        for step in declared {
            let variables = step.matrix.as_ref().map(Matrix::variables).unwrap_or_default();
            for variable in variables.iter().filter(|variable| given.choice.env.contains_key(*variable)) {
                let name = step.name;
                self.clashes.push(format!("`--env` and the matrix of `{name}` both set `{variable}`"));
            }
        }
    }

    /// Who has set what, given what the steps and their stages have.
    pub(super) fn origins(&self, steps: Vec<OfStep>) -> Origins {
        let environment = self.chosen.as_ref().and_then(|name| {
            let variables = self.environments.get(name)?;
            Some((name.clone(), names(variables.texts())))
        });
        Origins { pipeline: Names::clone(&self.names), environment, steps }
    }

    /// What is wrong with what the run was given, and what it may be given.
    pub(super) fn refused(self) -> Option<NotAccepted> {
        let inputs = || self.inputs.iter().map(Input::shown).collect();
        let environments = || self.environments.names().map(str::to_owned).collect();
        let refused = NotAccepted {
            inputs: (!self.wrong_inputs.is_empty()).then(inputs),
            environments: self.wrong_environment.is_some().then(environments),
            clashes: !self.clashes.is_empty(),
            problems: self
                .wrong_inputs
                .into_iter()
                .chain(self.wrong_environment)
                .chain(self.clashes)
                .collect(),
        };
        (!refused.problems.is_empty()).then_some(refused)
    }
}
