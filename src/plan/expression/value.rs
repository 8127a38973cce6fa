//! What an expression may result in, and of what type that is.

use std::collections::BTreeMap;
use std::fmt;

/// A value of an expression.
///
/// Whole numbers and others are two types, as in CEL: they compare, and are not calculated with one another.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Whole(i64),
    /// Any other number; every number of an input is one.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
}

/// The type of a value, as far as it is known before there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Not known.
    Any,
    /// [`Value::Bool`].
    Bool,
    /// [`Value::Whole`].
    Whole,
    /// [`Value::Number`].
    Number,
    /// [`Value::Text`].
    Text,
    /// [`Value::List`].
    List,
    /// [`Value::Map`].
    Map,
}

impl Value {
    /// Its type.
    pub fn kind(&self) -> Type {
        match self {
            Value::Bool(_) => Type::Bool,
            Value::Whole(_) => Type::Whole,
            Value::Number(_) => Type::Number,
            Value::Text(_) => Type::Text,
            Value::List(_) => Type::List,
            Value::Map(_) => Type::Map,
        }
    }

    /// The JSON of it, as a list in a text is written.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Bool(value) => (*value).into(),
            Value::Whole(value) => (*value).into(),
            Value::Number(value) => match whole(*value) {
                Some(whole) => whole.into(),
                None => (*value).into(),
            },
            Value::Text(value) => value.as_str().into(),
            Value::List(items) => items.iter().map(Value::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()
            }
        }
    }

    /// A measure of what it costs to copy it.
    pub(super) fn weight(&self) -> usize {
        match self {
            Value::Bool(_) | Value::Whole(_) | Value::Number(_) => 1,
            Value::Text(text) => 1 + text.len(),
            Value::List(items) => 1 + items.iter().map(Value::weight).sum::<usize>(),
            Value::Map(entries) => {
                1 + entries.iter().map(|(name, value)| name.len() + value.weight()).sum::<usize>()
            }
        }
    }
}

/// As it stands in a text: text without quotes, a whole number without a point, lists as JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => value.fmt(f),
            Value::Whole(value) => value.fmt(f),
            Value::Number(value) => match whole(*value) {
                Some(whole) => whole.fmt(f),
                None => value.fmt(f),
            },
            Value::Text(value) => f.write_str(value),
            Value::List(_) | Value::Map(_) => self.to_json().fmt(f),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl Type {
    /// Whether values of the two may be compared. What is not known may be anything.
    pub(super) fn is_like(self, other: Type) -> bool {
        self == other || self == Type::Any || other == Type::Any || (self.is_number() && other.is_number())
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Type::Whole | Type::Number)
    }

    /// The type of something that is one or the other.
    pub(super) fn or(self, other: Type) -> Type {
        if self == other { self } else { Type::Any }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Any => "anything",
            Type::Bool => "a boolean",
            Type::Whole => "a whole number",
            Type::Number => "a number",
            Type::Text => "text",
            Type::List => "a list",
            Type::Map => "a mapping",
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53 is one in both types")]
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}
