//! Makes late nodes and late strings real once the outputs they grow from are known.
//!
//! A pure function of plan and outputs: the same outputs always give the same steps with the same
//! ids, whether they come one at a time or all at once. Conditions that are decided at run time are
//! left to the engine.

mod child;
mod error;
mod matrix;

use std::collections::{BTreeMap, BTreeSet};

pub use error::ExpandError;

use super::validate::is_id;
use super::{LateNode, Needs, Part, Plan, Scope, Service, Stage, Step, Text, texts};
use crate::base::StepId;

/// How many instances a matrix may have.
pub const MAX_INSTANCES: usize = 256;

/// Expands every late node and string of a valid plan whose outputs are all there; the others stay.
///
/// # Errors
/// [`ExpandError`] when an output is not what its node can grow from.
pub fn expand(plan: &Plan, outputs: &BTreeMap<(StepId, String), String>) -> Result<Plan, ExpandError> {
    let templates = plan.all_stages().flat_map(|stage| &stage.late).flat_map(|node| match node {
        LateNode::Matrix { template, .. } => template.as_slice(),
        LateNode::ChildPlan { .. } => &[],
    });
    let steps = plan.all_steps().map(|(_, step)| step).chain(templates);
    let ids = steps.map(|step| step.id.clone()).collect();
    let mut expansion = Expansion { plan: plan.clone(), outputs, ids };
    while expansion.grow()? {}
    expansion.resolve();
    Ok(expansion.plan)
}

struct Expansion<'a> {
    plan: Plan,
    outputs: &'a BTreeMap<(StepId, String), String>,
    /// All ids that are taken.
    ids: BTreeSet<StepId>,
}

/// What stands in a late node's place.
#[derive(Debug, Default)]
struct Growth {
    steps: Vec<Step>,
    late: Vec<LateNode>,
    /// Ids that are gone, and those that whoever needs them needs instead.
    instead: BTreeMap<StepId, Vec<StepId>>,
}

impl Expansion<'_> {
    /// Expands the first node that can be, and says whether there was one.
    fn grow(&mut self) -> Result<bool, ExpandError> {
        let outputs = self.outputs;
        let output_of = |node: &LateNode| {
            let (LateNode::Matrix { step, key, .. } | LateNode::ChildPlan { step, key, .. }) = node;
            outputs.get(&(step.clone(), key.clone()))
        };
        let found = stages_mut(&mut self.plan).enumerate().find_map(|(index, stage)| {
            let (at, output) =
                stage.late.iter().enumerate().find_map(|(at, node)| Some((at, output_of(node)?)))?;
            Some((index, stage.late.remove(at), output))
        });
        let Some((index, node, output)) = found else { return Ok(false) };
        let growth = match &node {
            LateNode::Matrix { .. } => matrix::grow(self, &node, output)?,
            LateNode::ChildPlan { .. } => child::grow(self, &node, output, index)?,
        };
        if let Some(stage) = stage_mut(&mut self.plan, index) {
            stage.steps.extend(growth.steps);
            stage.late.extend(growth.late);
        }
        for needs in all_needs_mut(&mut self.plan) {
            rename_needs(needs, |id| growth.instead.get(id).cloned());
        }
        Ok(true)
    }

    /// Takes an id for a step that is new.
    fn claim(&mut self, id: &StepId) -> Result<(), ExpandError> {
        if !is_id(id.as_str()) {
            return Err(ExpandError::InvalidId { id: id.clone() });
        }
        if self.ids.insert(id.clone()) { Ok(()) } else { Err(ExpandError::DuplicateStep { id: id.clone() }) }
    }

    fn add_scope(&mut self, name: String, scope: Scope) -> Result<(), ExpandError> {
        let duplicate = ExpandError::DuplicateName { name: name.clone() };
        self.plan.scopes.insert(name, scope).map_or(Ok(()), |_| Err(duplicate))
    }

    fn resolve(&mut self) {
        let outputs = self.outputs;
        let output =
            |step: &StepId, key: &str| outputs.get(&(step.clone(), key.to_owned())).map(String::as_str);
        for step in all_steps_mut(&mut self.plan) {
            texts::of_step_mut(step).for_each(|text| put_in(text, &output));
        }
        for service in self.plan.scopes.values_mut().flat_map(|scope| &mut scope.services) {
            texts::of_service_mut(service).for_each(|text| put_in(text, &output));
        }
    }
}

/// Looks up the output of a step by its key.
pub type Lookup<'a> = dyn Fn(&StepId, &str) -> Option<&'a str> + 'a;

/// Puts outputs into every late string of a step; its strings are all known then.
///
/// # Errors
/// The first output that is not there: its step and key.
pub fn resolve(step: &mut Step, output: &Lookup<'_>) -> Result<(), (StepId, String)> {
    texts::of_step_mut(step).try_for_each(|text| put_all_in(text, output))
}

/// Puts outputs into a string; it is known then, unless it holds the element of a matrix.
///
/// # Errors
/// The first output that is not there: its step and key.
pub fn resolve_text(text: &mut Text, output: &Lookup<'_>) -> Result<(), (StepId, String)> {
    put_all_in(text, output)
}

/// Puts outputs into every late string of a service; its strings are all known then.
///
/// # Errors
/// The first output that is not there: its step and key.
pub fn resolve_service(service: &mut Service, output: &Lookup<'_>) -> Result<(), (StepId, String)> {
    texts::of_service_mut(service).try_for_each(|text| put_all_in(text, output))
}

fn put_all_in(text: &mut Text, output: &Lookup<'_>) -> Result<(), (StepId, String)> {
    put_in(text, output);
    let missing = texts::references(text).find(|(step, key)| output(step, key).is_none());
    missing.map_or(Ok(()), |(step, key)| Err((step.clone(), key.to_owned())))
}

/// Makes a late string known, if all that it refers to is there.
fn put_in(text: &mut Text, output: &Lookup<'_>) {
    let Text::Late(parts) = &*text else { return };
    let whole: Option<String> = parts
        .iter()
        .map(|part| match part {
            Part::Literal(literal) => Some(literal.clone()),
            Part::Output { step, key } => output(step, key).map(str::to_owned),
            Part::Outputs { steps, key } => {
                let all: Option<Vec<&str>> = steps.iter().map(|step| output(step, key)).collect();
                all.map(|all| serde_json::Value::from(all).to_string())
            }
            Part::Element => None,
        })
        .collect();
    if let Some(whole) = whole {
        *text = Text::Known(whole);
    }
}

/// Puts other ids in the place of those that `instead` knows.
fn rename_needs(needs: &mut Needs, instead: impl Fn(&StepId) -> Option<Vec<StepId>>) {
    let (Needs::All(steps) | Needs::Any(steps)) = needs;
    *steps = steps.iter().flat_map(|id| instead(id).unwrap_or_else(|| vec![id.clone()])).collect();
}

fn stages_mut(plan: &mut Plan) -> impl Iterator<Item = &mut Stage> {
    plan.stages.iter_mut().chain(&mut plan.on_failure).chain(&mut plan.finally)
}

fn stage_mut(plan: &mut Plan, index: usize) -> Option<&mut Stage> {
    stages_mut(plan).nth(index)
}

/// Every step, those of templates included.
fn all_steps_mut(plan: &mut Plan) -> impl Iterator<Item = &mut Step> {
    stages_mut(plan)
        .flat_map(|stage| stage.steps.iter_mut().chain(stage.late.iter_mut().flat_map(template_mut)))
}

fn all_needs_mut(plan: &mut Plan) -> impl Iterator<Item = &mut Needs> {
    stages_mut(plan).flat_map(|stage| {
        let late = stage.late.iter_mut().flat_map(|node| match node {
            LateNode::Matrix { template, .. } => {
                template.iter_mut().filter_map(|step| step.needs.as_mut()).collect::<Vec<_>>()
            }
            LateNode::ChildPlan { needs, .. } => needs.iter_mut().collect(),
        });
        stage.steps.iter_mut().filter_map(|step| step.needs.as_mut()).chain(late)
    })
}

fn template_mut(node: &mut LateNode) -> &mut [Step] {
    match node {
        LateNode::Matrix { template, .. } => template,
        LateNode::ChildPlan { .. } => &mut [],
    }
}
