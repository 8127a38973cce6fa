//! Environments (language L13): the `env` of pipeline, stages and steps, and the named sets of it of
//! which a run chooses one.

use super::read::{Field, Reader};
use super::scope::Variables;
use super::values::is_name;
use crate::base::Span;
use crate::frontend::yaml::Value;
use crate::frontend::{codes, joined, shorten, shown};

/// The named environments of a pipeline, in the order of the file.
#[derive(Default)]
pub(super) struct Environments<'n>(Vec<(&'n str, Variables)>);

impl<'n> Environments<'n> {
    /// The names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'n str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// The variables of one of them.
    pub(super) fn get(&self, name: &str) -> Option<&Variables> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, variables)| variables)
    }

    /// One that sets this variable.
    pub(super) fn with(&self, variable: &str) -> Option<&'n str> {
        self.0.iter().find(|(_, variables)| variables.texts().contains_key(variable)).map(|(name, _)| *name)
    }
}

impl Reader<'_> {
    /// Reads the named environments. What is wrong in them is reported and left out.
    pub(super) fn environments<'n>(&mut self, field: Field<'n, '_>) -> Environments<'n> {
        let Value::Map(entries) = &field.node.value else {
            let help = "write `environments: { staging: { URL: … } }`";
            self.wrong_kind(field, "a mapping of names to sets of variables", help);
            return Environments::default();
        };
        let mut environments = Environments::default();
        for entry in entries.iter().filter(|entry| !entry.key().starts_with("x-")) {
            self.name_of_environment(entry.key(), entry.key_span());
            let variables = self.environment(Field::new("env", &entry.value));
            environments.0.push((entry.key(), variables));
        }
        environments
    }

    fn name_of_environment(&mut self, name: &str, span: Span) {
        if !is_name(name) {
            let message = format!("{} is not a name", shown(name));
            let help = "small letters, digits, `_` and `-`, a letter first, at most 63";
            self.error(codes::BAD_NAME, span, message, help);
        }
    }

    /// Reads the environments that a stage or a step is for; says why it does not run, if it does not.
    pub(super) fn skipped_in(
        &mut self,
        field: Field<'_, '_>,
        known: &Environments<'_>,
        chosen: Option<&str>,
    ) -> Option<String> {
        let key = field.key;
        let items: Vec<_> = self.items(field, "a list of names", "write `environments: [staging]`").collect();
        if items.is_empty() && matches!(field.node.value, Value::List(_)) {
            let help = "name at least one, or remove the key";
            self.error(codes::UNKNOWN_ENVIRONMENT, field.node.span, format!("`{key}` is empty"), help);
        }
        let mut named: Vec<&str> = Vec::new();
        for item in items {
            let Some(name) = self.verbatim(item, "the name of an environment") else { continue };
            if named.contains(&name) {
                let message = format!("`{key}` names `{}` twice", shorten(name));
                self.error(codes::UNKNOWN_ENVIRONMENT, item.node.span, message, "remove one of them");
            } else if known.get(name).is_none() {
                self.unknown_environment(name, item.node.span, known);
            }
            named.push(name);
        }
        if named.is_empty() || chosen.is_some_and(|chosen| named.contains(&chosen)) {
            return None;
        }
        let names: Vec<_> = named.iter().map(|name| format!("`{name}`")).collect();
        let names = joined(&names, "or");
        Some(match chosen {
            Some(chosen) => format!("for the environment {names}, and `{chosen}` is chosen"),
            None => format!("for the environment {names}, and none is chosen"),
        })
    }

    fn unknown_environment(&mut self, name: &str, span: Span, known: &Environments<'_>) {
        let message = format!("there is no environment `{}`", shorten(name));
        let help = match self.nearest(name, known.names()) {
            Some((near, true)) => format!("did you mean `{near}`?"),
            Some((near, false)) => format!("the nearest name is `{near}`"),
            None => format!("declare it: `environments: {{ {}: {{}} }}`", shorten(name)),
        };
        self.error(codes::UNKNOWN_ENVIRONMENT, span, message, help);
    }

    /// Reads the variables of an `env`.
    pub(super) fn environment(&mut self, field: Field<'_, '_>) -> Variables {
        let mut variables = Variables::default();
        let Value::Map(entries) = &field.node.value else {
            self.wrong_kind(field, "a mapping of names to values", "write `env: { NAME: value }`");
            return variables;
        };
        for entry in entries {
            let name = entry.key();
            self.variable(name, entry.key_span());
            match &entry.value.value {
                Value::Scalar { .. } if !entry.value.is_null() => {
                    let value = self.late_text(Field::new(field.key, &entry.value), "text");
                    // Without a value it is absent, also to conditions.
                    if let Some(value) = value.filter(|value| !value.as_written) {
                        variables.set(name.to_owned(), value.text, value.foreign);
                    }
                }
                Value::Scalar { .. } => {
                    let message = format!("`{}` has no value", shorten(name));
                    let help = "write `\"\"` for an empty one; quote the word if it is meant as text";
                    let span = if entry.value.span.start < entry.value.span.end {
                        entry.value.span
                    } else {
                        entry.key_span()
                    };
                    self.error(codes::NO_VALUE, span, message, help);
                }
                Value::List(_) | Value::Map(_) => {
                    let message =
                        format!("the variable `{}` takes text, not {}", shorten(name), entry.value.kind());
                    let help = "a program gets text; write it as one string, in quotes";
                    self.error(codes::WRONG_KIND, entry.value.span, message, help);
                }
            }
        }
        variables
    }

    fn variable(&mut self, name: &str, span: Span) {
        let good = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !good {
            let message = format!("{} cannot be the name of a variable", shown(name));
            let help = "letters, digits and `_`, not beginning with a digit";
            self.error(codes::BAD_VARIABLE, span, message, help);
        }
    }
}
