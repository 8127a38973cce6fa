//! The parameters of a template: what they take, and the values they have at one use of it.

use std::borrow::Cow;
use std::rc::Rc;

use super::substitute;
use crate::base::Span;
use crate::frontend::native::inputs::Takes;
use crate::frontend::native::keys;
use crate::frontend::native::read::{Field, Fields, Reader};
use crate::frontend::yaml::{Entry, Node, Value as NodeValue};
use crate::frontend::{codes, shorten};

/// A declared parameter.
pub(super) struct Parameter {
    pub(super) name: String,
    takes: Takes<'static>,
    default: Option<(String, Span)>,
}

/// The values at one use.
pub(super) struct Values(Vec<Value>);

/// The value of one parameter.
pub(super) struct Value {
    pub(super) name: String,
    /// As text that `${{ }}` is still to be replaced in.
    pub(super) text: String,
    /// Where it was given; none for a default.
    pub(super) given: Option<Span>,
    place: Span,
    is_text: bool,
}

impl Parameter {
    pub(super) fn read_all(reader: &mut Reader<'_>, field: Field<'_, '_>) -> Vec<Self> {
        let help = "write `params: [{ name: features, default: tls }]`";
        let items: Vec<_> = reader.items(field, "a list of parameters", help).collect();
        reader.at_least_one(field, "declare one, or remove the key");
        let mut parameters: Vec<Self> = Vec::new();
        for item in items {
            let fields = reader.fields(&keys::PARAMETER, item);
            let Some((parameter, place)) = Self::read(reader, &fields) else { continue };
            if parameters.iter().any(|other| other.name == parameter.name) {
                let message = format!("there is another parameter `{}`", parameter.name);
                reader.error(codes::BAD_PARAMETER, place, message, "rename one of them");
            } else {
                parameters.push(parameter);
            }
        }
        parameters
    }

    fn read(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<(Self, Span)> {
        let takes = reader.takes(fields, codes::BAD_PARAMETER).map(Takes::into_owned);
        if let Some(field) = fields.get("description") {
            reader.verbatim(field, "text");
        }
        let default = fields.get("default").and_then(|field| {
            let text = reader.verbatim(field, "a value")?;
            if let Some(takes) = takes.as_ref().filter(|takes| !takes.accepts(text)) {
                let message = format!("the default `{}` is not what the parameter takes", shorten(text));
                let help = format!("it takes {}", takes.shown());
                reader.error(codes::BAD_PARAMETER, field.node.span, message, help);
            }
            Some((text.to_owned(), field.node.span))
        });
        let field = fields.get("name")?;
        let name = reader.name(field)?.to_owned();
        if name.contains('-') {
            let message = format!("the parameter `{name}` could not be named in an expression");
            let help = format!("write `{}`", name.replace('-', "_"));
            reader.error(codes::BAD_PARAMETER, field.node.span, message, help);
        }
        Some((Self { name, takes: takes?, default }, field.node.span))
    }
}

impl Values {
    /// Compares what a use gives with what is declared.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        template: &str,
        parameters: &[Parameter],
        with: Option<&Node<'_>>,
        place: Span,
    ) -> Self {
        let entries: &[Entry<'_>] = match with.map(|with| (&with.value, with)) {
            None => &[],
            Some((NodeValue::Map(entries), _)) => entries,
            Some((_, node)) => {
                let help = "write `with: { name: value }`";
                reader.wrong_kind(Field::new("with", node), "a mapping of parameters to values", help);
                return Self(Vec::new());
            }
        };
        for entry in entries.iter().filter(|entry| !parameters.iter().any(|known| known.name == entry.key()))
        {
            let message = format!("the template `{template}` has no parameter `{}`", shorten(entry.key()));
            let help = match reader.nearest(entry.key(), parameters.iter().map(|known| known.name.as_str())) {
                Some((near, true)) => format!("did you mean `{near}`?"),
                Some(_) => {
                    let names: Vec<_> = parameters.iter().map(|known| format!("`{}`", known.name)).collect();
                    format!("it has {}", names.join(", "))
                }
                None => "remove it; the template has no parameters".to_owned(),
            };
            reader.error(codes::BAD_PARAMETER, entry.key_span(), message, help);
        }
        let mut missing = Vec::new();
        let mut values = Vec::new();
        for parameter in parameters {
            let given = entries.iter().find(|entry| entry.key() == parameter.name);
            let value = match (given, &parameter.default) {
                (Some(given), _) => parameter.given(reader, given),
                (None, Some((default, place))) => Some(parameter.value(default, None, *place)),
                (None, None) => {
                    missing.push(format!("`{}`", parameter.name));
                    None
                }
            };
            values.push(value.unwrap_or_else(|| parameter.value("unknown", None, place)));
        }
        if !missing.is_empty() {
            let message = format!("the template `{template}` needs {}", missing.join(", "));
            let help = "give it by `with: { … }`; only a parameter with a `default` may be left out";
            reader.error(codes::BAD_PARAMETER, place, message, help);
        }
        Self(values)
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|value| value.name == name)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    /// The variables by which scripts see them.
    pub(super) fn environment(&self) -> Vec<Entry<'static>> {
        let entry = |value: &Value| {
            let name = format!("WINDLASS_PARAM_{}", value.name.to_ascii_uppercase());
            let text = NodeValue::Scalar { text: Cow::Owned(value.text.clone()), plain: false };
            Entry::new(name, value.place, Rc::new(Node { span: value.place, value: text }))
        };
        self.0.iter().map(entry).collect()
    }
}

impl Parameter {
    fn given(&self, reader: &mut Reader<'_>, entry: &Entry<'_>) -> Option<Value> {
        let field = Field::new("with", &entry.value);
        let text = reader.verbatim(field, "a value for each parameter")?;
        let span = entry.value.span;
        if self.takes != Takes::Text && substitute::has_expression(text) {
            let message = format!("`{}` takes {}, not an expression", self.name, self.takes.shown());
            let help = "write the value itself; a parameter of the type `string` takes expressions";
            reader.error(codes::BAD_PARAMETER, span, message, help);
            return None;
        }
        if !self.takes.accepts(text) {
            let message = format!("`{}` takes {}, not `{}`", self.name, self.takes.shown(), shorten(text));
            let help = "the type of a parameter stands where the template declares it";
            reader.error(codes::BAD_PARAMETER, span, message, help);
            return None;
        }
        Some(self.value(text, Some(span), span))
    }

    fn value(&self, text: &str, given: Option<Span>, place: Span) -> Value {
        let is_text = matches!(self.takes, Takes::Text | Takes::OneOf(_));
        Value { name: self.name.clone(), text: text.to_owned(), given, place, is_text }
    }
}

impl Value {
    /// As it stands in an expression.
    pub(super) fn literal(&self) -> String {
        match substitute::only_expression(&self.text) {
            Some(expression) => format!("({expression})"),
            None if self.is_text => substitute::quoted(&self.text),
            None if self.text.starts_with('-') => format!("({})", self.number()),
            None => self.number(),
        }
    }

    /// Numbers of a pipeline have a point in an expression; `true` and `false` stay.
    fn number(&self) -> String {
        let whole = self.text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        if whole { format!("{}.0", self.text) } else { self.text.clone() }
    }
}
