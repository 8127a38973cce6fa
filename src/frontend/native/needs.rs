//! What a step waits for (language L4): all of some steps, or the first of them that passes.

use super::keys;
use super::read::{Field, Reader};
use crate::base::{Span, StepId};
use crate::frontend::yaml::Value;
use crate::frontend::{codes, shorten};
use crate::plan::Needs;

/// What `needs` gives.
#[derive(Default)]
pub(super) struct Needed<'n> {
    /// The first that passes is enough.
    any: bool,
    /// The names, with their places.
    pub(super) names: Vec<(&'n str, Span)>,
}

impl Needed<'_> {
    pub(super) fn lowered(&self) -> Needs {
        let steps = self.names.iter().map(|(name, _)| StepId::new(*name)).collect();
        if self.any { Needs::Any(steps) } else { Needs::All(steps) }
    }
}

impl Reader<'_> {
    pub(super) fn needs<'n>(&mut self, field: Field<'n, '_>) -> Needed<'n> {
        if !matches!(field.node.value, Value::Map(_)) {
            return Needed { any: false, names: self.names(field) };
        }
        let Some(field) = self.fields(&keys::NEEDS, field).get("any") else { return Needed::default() };
        let names = self.names(field);
        if names.is_empty() && matches!(&field.node.value, Value::List(items) if items.is_empty()) {
            let help = "name the steps of which one must pass, or write `needs: []` to start at once";
            self.error(codes::NEEDS_NOTHING, field.node.span, "`any` is empty", help);
        }
        Needed { any: true, names }
    }

    fn names<'n>(&mut self, field: Field<'n, '_>) -> Vec<(&'n str, Span)> {
        let key = field.key;
        let help = match &field.node.value {
            Value::Scalar { text, .. } if !text.is_empty() => format!("write `{key}: [{}]`", shorten(text)),
            _ if key == "any" => "write `needs: { any: [one, two] }`".to_owned(),
            _ => "write `needs: [name]`, or `needs: []` to start at once".to_owned(),
        };
        let mut names = Vec::new();
        for item in self.items(field, "a list of step names", &help) {
            if let Value::Map(entries) = &item.node.value
                && entries.iter().any(|entry| entry.key() == "step")
            {
                let message = "an instance of a matrix in `needs` is not known to this version yet";
                self.error(codes::NOT_YET, item.node.span, message, "name the steps: `needs: [one, two]`");
            } else if let Some(name) = self.verbatim(item, "the name of a step") {
                names.push((name, item.node.span));
            }
        }
        names
    }
}
