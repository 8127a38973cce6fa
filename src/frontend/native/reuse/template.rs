//! A template: a step with a name of its own and parameters.

use std::rc::Rc;

use super::parameters::{Parameter, Values};
use super::substitute::{self, Substitution};
use crate::base::Span;
use crate::frontend::codes;
use crate::frontend::native::keys;
use crate::frontend::native::read::{Field, Reader};
use crate::frontend::yaml::{Copier, Entry, Node, Value};

/// A template, copied out of the file it was read from.
pub(super) struct Template {
    pub(super) name: String,
    /// Where it is named.
    pub(super) place: Span,
    parameters: Vec<Parameter>,
    /// What a step that uses it takes over.
    entries: Vec<Entry<'static>>,
    /// What one use of it comes to.
    pub(super) nodes: usize,
    pub(super) text: usize,
}

impl Template {
    /// Reads a template. What is wrong with it as such is reported; its values are read where it is used.
    pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_, '_>, copier: &mut Copier) -> Option<Self> {
        let fields = reader.fields(&keys::TEMPLATE, field);
        let parameters =
            fields.get("params").map(|field| Parameter::read_all(reader, field)).unwrap_or_default();
        let name = fields.get("name")?;
        let place = name.node.span;
        let name = reader.name(name)?.to_owned();
        let Value::Map(entries) = &field.node.value else { return None };
        let step = |entry: &&Entry<'_>| {
            let known = keys::TEMPLATE.key(entry.key()).is_some_and(|key| !key.is_later());
            known && !matches!(entry.key(), "name" | "params")
        };
        let entries: Vec<_> = entries.iter().filter(step).map(|entry| copier.entry(entry)).collect();
        let (nodes, text) = cost(entries.iter().map(|entry| &entry.value));
        let template = Self { name, place, parameters, entries, nodes, text };
        template.check_references(reader);
        Some(template)
    }

    /// The values that its parameters have where it is used.
    pub(super) fn values(&self, reader: &mut Reader<'_>, with: Option<&Node<'_>>, place: Span) -> Values {
        Values::read(reader, &self.name, &self.parameters, with, place)
    }

    /// Its entries with these values put in, and the values as environment.
    pub(super) fn entries(&self, values: &Values) -> Vec<Entry<'static>> {
        let mut entries: Vec<_> = (self.entries.iter())
            .map(|entry| match Substitution::of(entry.key()) {
                Some(how) => entry.with(substitute::node(&entry.value, how, values)),
                None => entry.clone(),
            })
            .collect();
        let variables = values.environment();
        match entries.iter_mut().find(|entry| entry.key() == "env") {
            _ if variables.is_empty() => {}
            Some(entry) => {
                // What is no mapping is refused where it is read.
                if let Value::Map(own) = &entry.value.value {
                    let missing =
                        variables.into_iter().filter(|new| !own.iter().any(|own| own.key() == new.key()));
                    let joined = own.iter().cloned().chain(missing).collect();
                    *entry = entry.with(Rc::new(Node { span: entry.value.span, value: Value::Map(joined) }));
                }
            }
            None => {
                let env = Rc::new(Node { span: self.place, value: Value::Map(variables) });
                entries.push(Entry::new("env", self.place, env));
            }
        }
        entries
    }

    /// Every place that belongs to it.
    pub(super) fn places(&self) -> Vec<Span> {
        let mut places = vec![self.place];
        let mut open: Vec<&Node<'_>> = Vec::new();
        for entry in &self.entries {
            places.push(entry.key_span());
            open.push(&entry.value);
        }
        while let Some(node) = open.pop() {
            places.push(node.span);
            match &node.value {
                Value::Scalar { .. } => {}
                Value::List(items) => open.extend(items.iter().map(|item| &**item)),
                Value::Map(entries) => {
                    places.extend(entries.iter().map(Entry::key_span));
                    open.extend(entries.iter().map(|entry| &*entry.value));
                }
            }
        }
        places
    }

    /// Refuses names of parameters that it does not have, once and where they are written.
    fn check_references(&self, reader: &mut Reader<'_>) {
        let names = || self.parameters.iter().map(|parameter| parameter.name.as_str());
        for entry in &self.entries {
            let Some(how) = Substitution::of(entry.key()) else { continue };
            for (name, span) in substitute::references(&entry.value, how) {
                if names().any(|known| known == name) {
                    continue;
                }
                let message = match name.as_str() {
                    "" => "`params` is no value of its own".to_owned(),
                    name => format!("the template `{}` has no parameter `{name}`", self.name),
                };
                let help = match reader.nearest(&name, names()) {
                    Some((near, true)) => format!("did you mean `params.{near}`?"),
                    Some(_) => {
                        let all: Vec<_> = names().map(|name| format!("`params.{name}`")).collect();
                        format!("it has {}", all.join(", "))
                    }
                    None => "declare it: `params: [{ name: … }]`".to_owned(),
                };
                reader.error(codes::BAD_PARAMETER, span, message, help);
            }
        }
    }
}

/// How many nodes and bytes of text there are below these.
fn cost<'a>(nodes: impl Iterator<Item = &'a Rc<Node<'static>>>) -> (usize, usize) {
    let mut open: Vec<&Node<'_>> = nodes.map(|node| &**node).collect();
    let (mut count, mut text) = (0, 0);
    while let Some(node) = open.pop() {
        count += 1;
        match &node.value {
            Value::Scalar { text: scalar, .. } => text += scalar.len(),
            Value::List(items) => open.extend(items.iter().map(|item| &**item)),
            Value::Map(entries) => open.extend(entries.iter().map(|entry| &*entry.value)),
        }
    }
    (count, text)
}
