//! What a step waits for (language L4): all of some steps, or the first of them that passes; of a
//! matrix all instances, or some.

use std::collections::HashMap;

use super::declared::{Declared, Need, Needed};
use super::keys;
use super::matrix::instance_id;
use super::read::{Field, Reader};
use crate::base::StepId;
use crate::frontend::yaml::Value;
use crate::frontend::{codes, shorten};
use crate::plan::Needs;

impl Reader<'_> {
    pub(super) fn needs<'n>(&mut self, field: Field<'n, '_>) -> Needed<'n> {
        if !matches!(field.node.value, Value::Map(_)) {
            return Needed { any: false, steps: self.needed_steps(field) };
        }
        let Some(field) = self.fields(&keys::NEEDS, field).get("any") else { return Needed::default() };
        let steps = self.needed_steps(field);
        if steps.is_empty() && matches!(&field.node.value, Value::List(items) if items.is_empty()) {
            let help = "name the steps of which one must pass, or write `needs: []` to start at once";
            self.error(codes::NEEDS_NOTHING, field.node.span, "`any` is empty", help);
        }
        Needed { any: true, steps }
    }

    fn needed_steps<'n>(&mut self, field: Field<'n, '_>) -> Vec<Need<'n>> {
        let key = field.key;
        let help = match &field.node.value {
            Value::Scalar { text, .. } if !text.is_empty() => format!("write `{key}: [{}]`", shorten(text)),
            _ if key == "any" => "write `needs: { any: [one, two] }`".to_owned(),
            _ => "write `needs: [name]`, or `needs: []` to start at once".to_owned(),
        };
        let items: Vec<_> = self.items(field, "a list of step names", &help).collect();
        items.into_iter().filter_map(|item| self.need(item)).collect()
    }

    fn need<'n>(&mut self, field: Field<'n, '_>) -> Option<Need<'n>> {
        if !matches!(field.node.value, Value::Map(_)) {
            let name = self.verbatim(field, "the name of a step")?;
            return Some(Need { name, span: field.node.span, instance: None, optional: false });
        }
        let fields = self.fields(&keys::NEED, field);
        let name = fields.get("step").and_then(|field| self.verbatim(field, "the name of a step"));
        let instance = fields.get("matrix").map(|field| self.instance(field));
        let optional = fields.get("optional").and_then(|field| self.boolean(field)).unwrap_or_default();
        // A selection that cannot be read is not one of all instances.
        let instance = instance.map_or(Some(None), |instance| instance.map(Some))?;
        Some(Need { name: name?, span: field.node.span, instance, optional })
    }

    /// The steps of the plan that each declared step waits for. Names that lead nowhere are left out;
    /// they are reported where the graph is checked.
    pub(super) fn resolve(&mut self, steps: &[Declared<'_>]) -> Vec<Option<Needs>> {
        let by_name: HashMap<&str, &Declared<'_>> = steps.iter().map(|step| (step.name, step)).collect();
        let mut resolved = Vec::with_capacity(steps.len());
        for step in steps {
            resolved.push(step.needed.as_ref().map(|needed| {
                let mut ids = Vec::with_capacity(needed.steps.len());
                for need in &needed.steps {
                    if let Some(target) = by_name.get(need.name) {
                        ids.extend(self.instances_of(target, need, needed.any));
                    }
                }
                if needed.any { Needs::Any(ids) } else { Needs::All(ids) }
            }));
        }
        resolved
    }

    fn instances_of(&mut self, target: &Declared<'_>, need: &Need<'_>, any: bool) -> Vec<StepId> {
        let name = target.name;
        let instances = target.matrix.as_ref().map_or(&[][..], |matrix| matrix.instances());
        let Some(wanted) = &need.instance else {
            if any && instances.len() > 1 {
                let message = format!("`any` names `{name}`, which is there {} times", instances.len());
                let help = format!("say which instance is enough: `{{ step: {name}, matrix: {{ … }} }}`");
                self.error(codes::NO_INSTANCE, need.span, message, help);
            }
            let all = (1..=instances.len()).map(|number| instance_id(name, number));
            return if instances.is_empty() { vec![StepId::new(name)] } else { all.collect() };
        };
        let numbered = (1..).zip(instances);
        let picked = numbered.filter(|(_, instance)| instance.has(wanted));
        let picked: Vec<StepId> = picked.map(|(number, _)| instance_id(name, number)).collect();
        let stranger = instances.first().and_then(|first| wanted.keys().find(|key| !first.knows(key)));
        let left_out = need.optional && target.matrix.is_some() && stranger.is_none();
        if picked.is_empty() && !left_out {
            let message = format!("no instance of `{name}` is like this");
            let help = match instances.first() {
                None if target.matrix.is_none() => format!("`{name}` has no matrix; write `{name}`"),
                None => "none is left in its matrix".to_owned(),
                Some(_) => match stranger {
                    Some(key) => format!("its matrix has no key `{}`", shorten(key)),
                    None => {
                        "its matrix has no such values together; `optional: true` allows for that".to_owned()
                    }
                },
            };
            self.error(codes::NO_INSTANCE, need.span, message, help);
        }
        picked
    }
}
