//! What operators and conversions make of values.

use std::cmp::Ordering;

use super::ExpressionError;
use super::ast::Operator;
use super::check;
use super::functions::Function;
use super::value::Value;

/// Why there is no value.
#[derive(Debug)]
pub(super) enum Halt {
    /// A step that it reads has not ended yet.
    Late,
    Error(ExpressionError),
}

pub(super) type Evaluated = Result<Value, Halt>;

pub(super) fn fail<T>(at: usize, message: impl Into<String>, help: impl Into<String>) -> Result<T, Halt> {
    Err(Halt::Error(ExpressionError::new(at, message, help)))
}

pub(super) fn texts(patterns: &Value, at: usize) -> Result<Vec<String>, Halt> {
    match patterns {
        Value::Text(pattern) => Ok(vec![pattern.clone()]),
        Value::List(patterns) => patterns
            .iter()
            .map(|pattern| match pattern {
                Value::Text(pattern) => Ok(pattern.clone()),
                other => fail(
                    at,
                    format!("a pattern of files is text, not {}", other.kind()),
                    "in quotes: 'go.mod'",
                ),
            })
            .collect(),
        other => fail(at, format!("a pattern of files is text, not {}", other.kind()), ""),
    }
}

#[expect(clippy::cast_precision_loss, reason = "CEL's own conversion: the nearest number")]
pub(super) fn converted(function: Function, value: &Value, at: usize) -> Evaluated {
    let converted = match (function, value) {
        (Function::Size | Function::SizeOf, Value::Text(text)) => count(text.chars().count()),
        (Function::Size | Function::SizeOf, Value::List(items)) => count(items.len()),
        (Function::Size | Function::SizeOf, Value::Map(entries)) => count(entries.len()),
        (Function::ToText, value) => Some(Value::Text(value.to_string())),
        (Function::ToWhole, Value::Text(text)) => text.parse().ok().map(Value::Whole),
        (Function::ToWhole, Value::Number(number)) => cut(*number).map(Value::Whole),
        (Function::ToNumber, Value::Text(text)) => {
            text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Number)
        }
        (Function::ToNumber, Value::Whole(whole)) => Some(Value::Number(*whole as f64)),
        (Function::ToBool, Value::Text(text)) => text.parse().ok().map(Value::Bool),
        (Function::ToWhole, Value::Whole(_))
        | (Function::ToNumber, Value::Number(_))
        | (Function::ToBool, Value::Bool(_)) => Some(value.clone()),
        _ => None,
    };
    match (converted, value) {
        (Some(value), _) => Ok(value),
        (None, Value::Text(text)) => {
            let text: String = text.chars().take(40).collect();
            fail(at, format!("`{}` cannot make {} of '{text}'", function.name(), function.gives()), "")
        }
        (None, value) => fail(
            at,
            format!("`{}` cannot make {} of {}", function.name(), function.gives(), value.kind()),
            "",
        ),
    }
}

fn count(length: usize) -> Option<Value> {
    i64::try_from(length).ok().map(Value::Whole)
}

#[expect(clippy::cast_possible_truncation, reason = "what is cut off is behind the point")]
fn cut(number: f64) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    (number > -BEYOND && number < BEYOND).then_some(number as i64)
}

pub(super) fn overflow<T>(at: usize) -> Result<T, Halt> {
    fail(at, "the number becomes too large", "whole numbers go up to 9223372036854775807")
}

pub(super) fn binary(operator: Operator, one: Value, other: Value, at: usize) -> Evaluated {
    match operator {
        Operator::Equal => equal(&one, &other, at).map(Value::Bool),
        Operator::Unequal => equal(&one, &other, at).map(|equal| Value::Bool(!equal)),
        Operator::Less => Ok(Value::Bool(order(&one, &other) == Some(Ordering::Less))),
        Operator::LessOrEqual => Ok(Value::Bool(order(&one, &other).is_some_and(Ordering::is_le))),
        Operator::More => Ok(Value::Bool(order(&one, &other) == Some(Ordering::Greater))),
        Operator::MoreOrEqual => Ok(Value::Bool(order(&one, &other).is_some_and(Ordering::is_ge))),
        Operator::In => match (&one, other) {
            (Value::Text(name), Value::Map(entries)) => Ok(Value::Bool(entries.contains_key(name))),
            (one, Value::List(items)) => {
                let mut found = false;
                for item in &items {
                    found |= equal(one, item, at)?;
                }
                Ok(Value::Bool(found))
            }
            _ => fail(at, "`in` looks into a list or a mapping", ""),
        },
        _ => calculated(operator, one, other, at),
    }
}

fn calculated(operator: Operator, one: Value, other: Value, at: usize) -> Evaluated {
    match (one, other) {
        (Value::Whole(one), Value::Whole(other)) => {
            if other == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
                return fail(at, "a number is divided by zero", "");
            }
            let result = match operator {
                Operator::Add => one.checked_add(other),
                Operator::Subtract => one.checked_sub(other),
                Operator::Multiply => one.checked_mul(other),
                Operator::Divide => one.checked_div(other),
                _ => one.checked_rem(other),
            };
            result.map(Value::Whole).map_or_else(|| overflow(at), Ok)
        }
        (Value::Number(one), Value::Number(other)) => Ok(Value::Number(match operator {
            Operator::Add => one + other,
            Operator::Subtract => one - other,
            Operator::Multiply => one * other,
            _ => one / other,
        })),
        (Value::Text(one), Value::Text(other)) => Ok(Value::Text(one + &other)),
        (Value::List(one), Value::List(other)) => Ok(Value::List(one.into_iter().chain(other).collect())),
        (one, other) => {
            let message = format!("`{}` has {} and {}", operator.sign(), one.kind(), other.kind());
            fail(at, message, "both have to be of one type")
        }
    }
}

/// Whether two values are equal, at any depth; those of unlike types are neither equal nor unequal.
fn equal(one: &Value, other: &Value, at: usize) -> Result<bool, Halt> {
    check::binary(Operator::Equal, one.kind(), other.kind(), at).map_err(Halt::Error)?;
    match (one, other) {
        (Value::List(one), Value::List(other)) => {
            let mut same = one.len() == other.len();
            for (one, other) in one.iter().zip(other) {
                same &= equal(one, other, at)?;
            }
            Ok(same)
        }
        (Value::Map(one), Value::Map(other)) => {
            let mut same = one.keys().eq(other.keys());
            for (name, value) in one {
                if let Some(other) = other.get(name) {
                    same &= equal(value, other, at)?;
                }
            }
            Ok(same)
        }
        (one, other) => Ok(order(one, other) == Some(Ordering::Equal)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "compared as numbers, which is what the other one is")]
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one.partial_cmp(other),
        (Value::Text(one), Value::Text(other)) => one.partial_cmp(other),
        (Value::Whole(one), Value::Whole(other)) => one.partial_cmp(other),
        (Value::Number(one), Value::Number(other)) => one.partial_cmp(other),
        (Value::Whole(one), Value::Number(other)) => (*one as f64).partial_cmp(other),
        (Value::Number(one), Value::Whole(other)) => one.partial_cmp(&(*other as f64)),
        _ => None,
    }
}
