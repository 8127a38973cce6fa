//! What a run is given by hand (language L13): typed, with defaults, and checked before anything
//! starts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::keys;
use super::read::{Field, Fields, Reader};
use super::values::variable_of;
use crate::base::Span;
use crate::frontend::{Choice, codes, joined, shorten, yaml};
use crate::plan::expression::Value;

/// A declared input.
pub(super) struct Input<'n> {
    name: &'n str,
    takes: Takes<'n>,
    default: Option<Cow<'n, str>>,
}

/// What it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Takes<'n> {
    Text,
    Number,
    Boolean,
    OneOf(Vec<Cow<'n, str>>),
}

/// What came of comparing what was given with what is declared.
#[derive(Default)]
pub(super) struct Accepted {
    /// The value of each input that has one, as it was written.
    pub(super) values: BTreeMap<String, String>,
    /// What is wrong with what was given.
    pub(super) problems: Vec<String>,
    /// An input that must be given was not.
    pub(super) lacks: bool,
}

/// The environment variable of an input.
pub(super) fn variable(name: &str) -> String {
    format!("WINDLASS_INPUT_{}", variable_of(name))
}

/// Compares what was given with what is declared.
pub(super) fn accept(inputs: &[Input<'_>], choice: &Choice) -> Accepted {
    let given = &choice.inputs;
    let mut accepted = Accepted::default();
    for name in given.keys().filter(|name| !inputs.iter().any(|input| input.name == *name)) {
        accepted.problems.push(format!("there is no input `{}`", shorten(name)));
    }
    for input in inputs {
        match (given.get(input.name), &input.default) {
            (Some(value), _) if input.takes.accepts(value) => {
                accepted.values.insert(input.name.to_owned(), value.clone());
            }
            (Some(value), _) => {
                let (name, takes) = (input.name, input.takes.shown());
                accepted.problems.push(format!("the input `{name}` takes {takes}, not `{}`", shorten(value)));
            }
            (None, Some(default)) => {
                accepted.values.insert(input.name.to_owned(), default.to_string());
            }
            (None, None) => {
                accepted.lacks = true;
                if !choice.partial {
                    accepted.problems.push(format!("the input `{}` is missing", input.name));
                }
            }
        }
    }
    accepted
}

impl Input<'_> {
    pub(super) fn name(&self) -> &str {
        self.name
    }

    /// Its value in an expression.
    pub(super) fn value(&self, written: &str) -> Value {
        match self.takes {
            Takes::Text | Takes::OneOf(_) => written.into(),
            Takes::Number => Value::Number(written.parse().unwrap_or_default()),
            Takes::Boolean => Value::Bool(written == "true"),
        }
    }

    /// One line that says what it takes.
    pub(super) fn shown(&self) -> String {
        let takes = self.takes.shown();
        match &self.default {
            Some(default) => format!("`{}`: {takes}; `{}` when left out", self.name, shorten(default)),
            None => format!("`{}`: {takes}; it must be given", self.name),
        }
    }
}

impl Takes<'_> {
    /// The same, out of the text it was read from.
    pub(super) fn into_owned(self) -> Takes<'static> {
        match self {
            Takes::Text => Takes::Text,
            Takes::Number => Takes::Number,
            Takes::Boolean => Takes::Boolean,
            Takes::OneOf(values) => {
                Takes::OneOf(values.into_iter().map(|value| Cow::Owned(value.into_owned())).collect())
            }
        }
    }

    pub(super) fn accepts(&self, value: &str) -> bool {
        match self {
            Takes::Text => true,
            Takes::Number => is_number(value),
            Takes::Boolean => matches!(value, "true" | "false"),
            Takes::OneOf(values) => values.iter().any(|known| known == value),
        }
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Takes::Text => "text".to_owned(),
            Takes::Number => "a number".to_owned(),
            Takes::Boolean => "`true` or `false`".to_owned(),
            Takes::OneOf(values) => {
                let values: Vec<_> = values.iter().map(|value| format!("`{}`", shorten(value))).collect();
                joined(&values, "or")
            }
        }
    }
}

/// Whether this is a number as JSON writes one, which YAML 1.2 and every program read alike.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && digits(fraction)
        && digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
        && text.parse().is_ok_and(f64::is_finite)
}

impl Reader<'_> {
    /// Reads the declarations. What is wrong in them is reported and left out.
    pub(super) fn inputs<'n>(&mut self, field: Field<'n, '_>) -> Vec<Input<'n>> {
        let help = "write `inputs: [{ name: target, default: staging }]`";
        let items: Vec<_> = self.items(field, "a list of inputs", help).collect();
        if items.is_empty() && matches!(field.node.value, yaml::Value::List(_)) {
            let help = "declare one, or remove the key";
            self.error(codes::BAD_INPUT, field.node.span, "`inputs` is empty", help);
        }
        let mut inputs = Vec::new();
        for item in items {
            if let Some((input, span)) = self.input(item) {
                self.distinct(&input, span, &inputs);
                inputs.push(input);
            }
        }
        inputs
    }

    fn input<'n>(&mut self, field: Field<'n, '_>) -> Option<(Input<'n>, Span)> {
        let fields = self.fields(&keys::INPUT, field);
        let takes = self.takes(&fields, codes::BAD_INPUT);
        let default = fields.get("default").and_then(|field| self.default_of(field, takes.as_ref()));
        let name = fields.get("name")?;
        let span = name.node.span;
        let name = self.name(name)?;
        Some((Input { name, takes: takes?, default }, span))
    }

    /// What an input or a parameter takes, by its `type` and `values`.
    pub(super) fn takes<'n>(&mut self, fields: &Fields<'n, '_>, code: &'static str) -> Option<Takes<'n>> {
        let kind = fields.get("type").map_or(Some(0), |field| self.choice(field, keys::TYPES));
        let values = fields
            .get("values")
            .map(|field| (field.node.span, self.different(field, code, "a choice without a value")));
        if let Some(field) = fields.get("description") {
            self.text(field, "text");
        }
        match (kind.and_then(|kind| keys::TYPES.get(kind)).copied(), values) {
            (Some("choice"), Some((_, values))) => Some(Takes::OneOf(values)),
            (Some("choice"), None) => {
                if fields.lacks("values") {
                    let help = "list what it may be: `values: [staging, production]`";
                    self.error(code, fields.span, "a choice without `values`", help);
                }
                None
            }
            (Some(_), Some((span, _))) => {
                let help = "write `type: choice`, or remove `values`";
                self.error(code, span, "`values` are those of a choice", help);
                None
            }
            (Some("number"), None) => Some(Takes::Number),
            (Some("boolean"), None) => Some(Takes::Boolean),
            (Some(_), None) => Some(Takes::Text),
            (None, _) => None,
        }
    }

    fn default_of<'n>(&mut self, field: Field<'n, '_>, takes: Option<&Takes<'_>>) -> Option<Cow<'n, str>> {
        let takes = takes?;
        let value = match takes {
            Takes::Number | Takes::Boolean => self.bare(field, &takes.shown(), "write it without quotes")?,
            Takes::Text | Takes::OneOf(_) => self.text(field, "a value")?,
        };
        if !takes.accepts(&value) {
            let message = format!("the default `{}` is not what the input takes", shorten(&value));
            self.error(codes::BAD_INPUT, field.node.span, message, format!("it takes {}", takes.shown()));
        }
        Some(value)
    }

    /// Two names may not become one variable.
    fn distinct(&mut self, input: &Input<'_>, span: Span, others: &[Input<'_>]) {
        let same = |other: &&Input<'_>| variable(other.name) == variable(input.name);
        if let Some(other) = others.iter().find(same) {
            let message = if other.name == input.name {
                format!("there is another input `{}`", input.name)
            } else {
                let variable = variable(input.name);
                format!("the inputs `{}` and `{}` are both `{variable}` to steps", other.name, input.name)
            };
            self.error(codes::BAD_INPUT, span, message, "rename one of them");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for good in ["0", "-1", "1.5", "0.10", "1e3", "2E-7", "-0"] {
            assert!(is_number(good), "{good}");
        }
        for bad in ["", "-", "01", "1.", ".5", "+1", "1e", "0x1f", "NaN", "inf", "1e999", " 1", "1_000"] {
            assert!(!is_number(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_given_is_compared_with_what_is_declared() {
        let input = |name, takes, default: Option<&'static str>| Input {
            name,
            takes,
            default: default.map(Cow::Borrowed),
        };
        let inputs = [
            input("target", Takes::OneOf(vec!["a".into(), "b".into()]), Some("a")),
            input("count", Takes::Number, None),
            input("fast", Takes::Boolean, Some("false")),
        ];
        let given = |pairs: &[(&str, &str)]| -> Accepted {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            accept(&inputs, &Choice { inputs: pairs.collect(), ..Choice::default() })
        };
        let good = given(&[("count", "1.50"), ("target", "b")]);
        assert!(good.problems.is_empty());
        let values: Vec<_> = good.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(values, ["count=1.50", "fast=false", "target=b"]);
        let bad = given(&[("fast", "yes"), ("target", "c"), ("tarket", "a")]);
        assert_eq!(
            bad.problems,
            [
                "there is no input `tarket`",
                "the input `target` takes `a` or `b`, not `c`",
                "the input `count` is missing",
                "the input `fast` takes `true` or `false`, not `yes`",
            ]
        );
    }
}
