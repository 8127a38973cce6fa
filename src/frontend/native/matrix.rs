//! Steps that are there several times (language L25): the product of lists of values, without what
//! `exclude` names, and with what `include` adds.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Display;
use std::sync::Arc;

use super::environment::Environments;
use super::read::{Field, Reader};
use super::values::{is_name, variable_of};
use crate::base::{Span, StepId};
use crate::frontend::origin::Names;
use crate::frontend::yaml::{Entry, Value};
use crate::frontend::{codes, shorten};
use crate::plan::{Condition, Step, Text};

/// Instances of one step.
const MOST: usize = 256;
/// Combinations that are looked at before `exclude` has removed its part.
const MOST_COMBINED: usize = 65_536;
/// How much of a value is shown in the name of an instance, in characters.
const SHOWN: usize = 40;
/// What one instance costs beside its texts, in bytes.
const WEIGHT: usize = size_of::<Step>();

/// The instances of one step, in their order.
pub(super) struct Matrix<'n> {
    instances: Vec<Instance<'n>>,
}

/// One value for each key, in the order of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Instance<'n>(Vec<(&'n str, Cow<'n, str>)>);

/// Says who else sets a variable, if somebody does.
type Taken<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A key with all its values.
struct Axis<'n> {
    key: &'n str,
    values: Vec<Cow<'n, str>>,
}

impl<'n> Matrix<'n> {
    /// The step once for each instance; without an instance the step itself, which never runs.
    pub(super) fn multiply(&self, step: Step) -> Vec<Step> {
        if self.instances.is_empty() {
            let why = "its matrix has no instance left".to_owned();
            let instance_of = Some(step.id.clone());
            return vec![Step { condition: Condition::False(why), instance_of, ..step }];
        }
        let multiplied = (1..).zip(&self.instances).map(|(number, instance)| {
            let mut one = step.clone();
            one.id = instance_id(step.id.as_str(), number);
            one.instance_of = Some(step.id.clone());
            one.name = format!("{} ({})", step.name, instance.shown());
            for (key, value) in &instance.0 {
                one.env.insert(variable_of(key), Text::from(value.as_ref()));
            }
            one
        });
        multiplied.collect()
    }

    /// The instances, for those who need some of them.
    pub(super) fn instances(&self) -> &[Instance<'n>] {
        &self.instances
    }

    /// The variables of its keys.
    pub(super) fn variables(&self) -> Names {
        let keys = self.instances.first().into_iter().flat_map(Instance::keys);
        Arc::new(keys.map(variable_of).collect())
    }

    /// How much a step grows by being there several times, in bytes.
    pub(super) fn growth(&self, step: &Step) -> usize {
        let texts: usize = step.texts().filter_map(Text::known).map(str::len).sum();
        self.instances.len().saturating_sub(1).saturating_mul(texts + WEIGHT)
    }
}

impl Instance<'_> {
    /// Whether it has all these values.
    pub(super) fn has(&self, wanted: &Instance<'_>) -> bool {
        wanted.0.iter().all(|pair| self.0.contains(pair))
    }

    /// Whether this is one of its keys.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == key)
    }

    /// The keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| *key)
    }

    fn shown(&self) -> String {
        let pairs = self.0.iter().map(|(key, value)| {
            let mut shown: String = value.chars().take(SHOWN).collect();
            if shown.len() < value.len() {
                shown.push('…');
            }
            format!("{key}={shown}")
        });
        pairs.collect::<Vec<_>>().join(", ")
    }
}

/// The id of an instance, numbered from 1.
pub(super) fn instance_id(step: &str, number: usize) -> StepId {
    StepId::new(format!("{step}-{number}"))
}

impl Reader<'_> {
    /// Reads a matrix; none when it is none at all. What is wrong in it is reported and left out.
    pub(super) fn matrix<'n>(
        &mut self,
        field: Field<'n, '_>,
        env: &Names,
        environments: &Environments<'_>,
    ) -> Option<Matrix<'n>> {
        let taken = |variable: &str| match environments.with(variable) {
            Some(name) => Some(format!("the environment `{name}`")),
            None => env.contains(variable).then(|| "`env`".to_owned()),
        };
        let Value::Map(entries) = &field.node.value else {
            self.wrong_kind(field, "a mapping of keys to lists of values", "write `matrix: { os: [a, b] }`");
            return None;
        };
        let failed = self.left.failed.len();
        let special = |entry: &&Entry<'_>| matches!(entry.key(), "exclude" | "include");
        let mut axes: Vec<Axis<'n>> = Vec::new();
        for entry in entries.iter().filter(|entry| !special(entry) && !entry.key().starts_with("x-")) {
            self.key(entry.key(), entry.key_span(), &taken, &axes);
            let field = Field::new("matrix", &entry.value);
            let values = self.different(field, codes::BAD_MATRIX, "a key of the matrix has no values");
            axes.push(Axis { key: entry.key(), values });
        }
        let mut instances = self.product(field, &axes)?;
        if let Some(entry) = entries.iter().find(|entry| entry.key() == "exclude") {
            for (wanted, span) in self.instances(Field::new("exclude", &entry.value)) {
                self.exclude(&wanted, span, &axes, &mut instances);
            }
        }
        if let Some(entry) = entries.iter().find(|entry| entry.key() == "include") {
            for (added, span) in self.instances(Field::new("include", &entry.value)) {
                self.include(added, span, &taken, &mut axes, &mut instances);
            }
        }
        if axes.is_empty() {
            let help = "give it at least one key with a list of values, or remove it";
            self.error(codes::BAD_MATRIX, field.node.span, "`matrix` is empty", help);
        }
        if instances.len() > MOST {
            self.too_many(field, instances.len());
            return None;
        }
        // Values that could not be evaluated are none that a step must not run without.
        if self.left.failed.len() > failed {
            return None;
        }
        Some(Matrix { instances })
    }

    /// Checks a key, which becomes a variable.
    fn key(&mut self, key: &str, span: Span, taken: Taken<'_>, others: &[Axis<'_>]) {
        let other = || others.iter().find(|other| variable_of(other.key) == variable_of(key));
        if !is_name(key) {
            let message = format!("`{}` cannot be a key of a matrix", shorten(key));
            let help =
                "small letters, digits, `_` and `-`, a letter first; steps get it in capitals, as a variable";
            self.error(codes::BAD_MATRIX, span, message, help);
        } else if let Some(who) = taken(&variable_of(key)) {
            let message = format!("`{key}` of the matrix and {who} both set `{}`", variable_of(key));
            self.error(codes::BAD_MATRIX, span, message, "rename one of them");
        } else if let Some(other) = other() {
            let message =
                format!("`{key}` and `{}` of the matrix both set `{}`", other.key, variable_of(key));
            self.error(codes::BAD_MATRIX, span, message, "rename one of them");
        }
    }

    /// All combinations, the last key fastest.
    fn product<'n>(&mut self, field: Field<'_, '_>, axes: &[Axis<'n>]) -> Option<Vec<Instance<'n>>> {
        if axes.is_empty() {
            return Some(Vec::new());
        }
        let count = axes.iter().fold(1usize, |all, axis| all.saturating_mul(axis.values.len()));
        if count > MOST_COMBINED {
            self.too_many(field, format!("more than {MOST_COMBINED}"));
            return None;
        }
        let mut instances = vec![Instance::default()];
        for axis in axes {
            let longer = instances.into_iter().flat_map(|instance: Instance<'n>| {
                axis.values.iter().map(move |value| {
                    let mut longer = instance.clone();
                    longer.0.push((axis.key, value.clone()));
                    longer
                })
            });
            instances = longer.collect();
        }
        Some(instances)
    }

    fn too_many(&mut self, field: Field<'_, '_>, count: impl Display) {
        let message = format!("the matrix has {count} instances");
        let help = format!("a step has at most {MOST}; give it fewer values, or `exclude` some");
        self.error(codes::BAD_MATRIX, field.node.span, message, help);
    }

    /// A list of mappings of keys to one value each, with their places.
    fn instances<'n>(&mut self, field: Field<'n, '_>) -> Vec<(Instance<'n>, Span)> {
        let help = format!("write `{}: [{{ os: a, arch: b }}]`", field.key);
        let items: Vec<_> = self.items(field, "a list of instances", &help).collect();
        items.into_iter().filter_map(|item| Some((self.instance(item)?, item.node.span))).collect()
    }

    /// A mapping of keys of a matrix to one value each.
    pub(super) fn instance<'n>(&mut self, field: Field<'n, '_>) -> Option<Instance<'n>> {
        let Value::Map(entries) = &field.node.value else {
            self.wrong_kind(field, "a mapping of keys to values", "write `{ os: a, arch: b }`");
            return None;
        };
        let mut values = Vec::new();
        for entry in entries {
            values.push((entry.key(), self.text(Field::new(field.key, &entry.value), "text")?));
        }
        Some(Instance(values))
    }

    fn exclude<'n>(
        &mut self,
        wanted: &Instance<'n>,
        span: Span,
        axes: &[Axis<'n>],
        instances: &mut Vec<Instance<'n>>,
    ) {
        let before = instances.len();
        instances.retain(|instance| wanted.0.is_empty() || !instance.has(wanted));
        if instances.len() < before {
            return;
        }
        let axis = |key: &str| axes.iter().find(|axis| axis.key == key);
        let stranger =
            wanted.0.iter().find(|(key, value)| axis(key).is_none_or(|axis| !axis.values.contains(value)));
        let help = match stranger {
            Some((key, _)) if axis(key).is_none() => format!("the matrix has no key `{}`", shorten(key)),
            Some((key, value)) => format!("`{key}` has no value `{}`", shorten(value)),
            None => "give it values of an instance that is still there".to_owned(),
        };
        self.error(codes::BAD_MATRIX, span, "this excludes nothing", help);
    }

    fn include<'n>(
        &mut self,
        added: Instance<'n>,
        span: Span,
        taken: Taken<'_>,
        axes: &mut Vec<Axis<'n>>,
        instances: &mut Vec<Instance<'n>>,
    ) {
        // Without lists the first instance says which keys there are.
        if axes.is_empty() {
            for (key, _) in &added.0 {
                self.key(key, span, taken, axes);
                axes.push(Axis { key, values: Vec::new() });
            }
        }
        let keys: HashSet<&str> = axes.iter().map(|axis| axis.key).collect();
        if added.0.len() != keys.len() || !added.keys().all(|key| keys.contains(key)) {
            let all = axes.iter().map(|axis| format!("`{}`", axis.key)).collect::<Vec<_>>().join(", ");
            let help = format!("an instance has a value for each key: {all}");
            self.error(codes::BAD_MATRIX, span, "this is no instance of the matrix", help);
        } else if instances.iter().any(|instance| instance.has(&added)) {
            let help = "remove it from `include`";
            self.error(codes::BAD_MATRIX, span, "this instance is there already", help);
        } else {
            // In the order of the keys, whatever order it was written in.
            let place = |key: &str| axes.iter().position(|axis| axis.key == key);
            let mut added = added;
            added.0.sort_by_key(|(key, _)| place(key));
            instances.push(added);
        }
    }
}
