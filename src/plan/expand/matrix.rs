//! A matrix over an output: one instance of the template for each element of a list.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ExpandError, Expansion, Growth, MAX_INSTANCES, rename_needs};
use crate::base::StepId;
use crate::plan::{Condition, LateNode, Part, Plan, Scope, Step, Text, texts};

/// How much of an element is shown in the name of its instance, in characters.
const SHOWN: usize = 40;

/// Grows a matrix. Instances are numbered from 1 in the order of the list. Without an element the
/// template itself stays, and never runs.
pub(super) fn grow(
    expansion: &mut Expansion<'_>,
    node: &LateNode,
    output: &str,
) -> Result<Growth, ExpandError> {
    let LateNode::Matrix { step, key, env, template } = node else { return Ok(Growth::default()) };
    let elements: Vec<Value> = serde_json::from_str(output).map_err(|source| ExpandError::NotAList {
        step: step.clone(),
        key: key.clone(),
        source,
    })?;
    if elements.len() > MAX_INSTANCES {
        let (step, key, count) = (step.clone(), key.clone(), elements.len());
        return Err(ExpandError::TooMany { step, key, count, limit: MAX_INSTANCES });
    }
    let mut growth = Growth::default();
    if elements.is_empty() {
        growth.steps.clone_from(template);
        for inner in &mut growth.steps {
            inner.condition = Condition::False(format!("the list in `{step}.{key}` is empty"));
        }
        return Ok(growth);
    }
    let inner_ids: BTreeSet<&StepId> = template.iter().map(|step| &step.id).collect();
    let own_scopes = own_scopes(&mut expansion.plan, template);
    for (number, element) in (1..).zip(&elements) {
        let element = match element {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        for (name, scope) in &own_scopes {
            let mut scope = scope.clone();
            if let Some(outer) = scope.within.as_mut().filter(|outer| own_scopes.contains_key(*outer)) {
                *outer = format!("{outer}-{number}");
            }
            expansion.add_scope(format!("{name}-{number}"), scope)?;
        }
        for inner in template {
            let mut instance = inner.clone();
            instance.id = StepId::new(format!("{}-{number}", inner.id));
            instance.name = format!("{} ({env}={})", inner.name, shown(&element));
            texts::of_step_mut(&mut instance).for_each(|text| put_in(text, &element));
            instance.env.insert(env.clone(), Text::Known(element.clone()));
            if let Some(needs) = &mut instance.needs {
                // Within the template, an instance needs its own.
                let own =
                    |id: &StepId| inner_ids.contains(id).then(|| vec![StepId::new(format!("{id}-{number}"))]);
                rename_needs(needs, own);
            }
            if let Some(scope) = instance.scope.as_mut().filter(|scope| own_scopes.contains_key(*scope)) {
                *scope = format!("{scope}-{number}");
            }
            expansion.claim(&instance.id)?;
            growth.instead.entry(inner.id.clone()).or_default().push(instance.id.clone());
            growth.steps.push(instance);
        }
    }
    for inner in template {
        expansion.ids.remove(&inner.id);
    }
    Ok(growth)
}

/// Takes out the scopes that nobody but the template is in: each instance has its own.
fn own_scopes(plan: &mut Plan, template: &[Step]) -> BTreeMap<String, Scope> {
    let named: Vec<String> = super::all_steps_mut(plan).filter_map(|step| step.scope.clone()).collect();
    let shared: BTreeSet<String> = named
        .iter()
        .flat_map(|name| plan.scopes_from(Some(name.as_str())))
        .map(|(name, _)| name.to_owned())
        .collect();
    let names = template.iter().filter_map(|step| step.scope.as_ref());
    let own: BTreeSet<&String> = names.filter(|name| !shared.contains(*name)).collect();
    own.into_iter().filter_map(|name| plan.scopes.remove_entry(name)).collect()
}

fn put_in(text: &mut Text, element: &str) {
    if let Text::Late(parts) = text {
        for part in parts.iter_mut().filter(|part| **part == Part::Element) {
            *part = Part::Literal(element.to_owned());
        }
    }
}

fn shown(element: &str) -> String {
    let mut shown: String = element.chars().take(SHOWN).collect();
    if shown.len() < element.len() {
        shown.push('…');
    }
    shown
}
