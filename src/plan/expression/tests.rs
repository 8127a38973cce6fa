//! Helpers of the tests, by subject below.

mod errors;
mod grammar;
mod late;
mod properties;
mod types;
mod values;

use std::collections::BTreeMap;

use super::{Expression, ExpressionError, Facts, Files, StepEnd, Value};
use crate::plan::{Part, Text};

/// Facts that a test owns.
pub(super) struct World {
    pub(super) inputs: BTreeMap<String, Value>,
    pub(super) env: BTreeMap<String, Text>,
    pub(super) git: BTreeMap<String, String>,
    pub(super) event: BTreeMap<String, String>,
    pub(super) steps: Option<BTreeMap<String, StepEnd>>,
}

/// A tree with a `go.mod` and a changed file below `web`.
struct Tree;

impl Files for Tree {
    fn exist(&self, patterns: &[String]) -> Result<bool, String> {
        Ok(patterns.iter().any(|pattern| pattern == "go.mod"))
    }

    fn changed(&self, patterns: &[String]) -> Result<bool, String> {
        Ok(patterns.iter().any(|pattern| pattern.starts_with("web/")))
    }

    fn hash(&self, patterns: &[String]) -> Result<String, String> {
        match patterns {
            [one] if one == "bad" => Err("`bad` cannot be read".to_owned()),
            patterns => Ok(format!("digest-of-{}", patterns.join("+"))),
        }
    }
}

pub(super) fn names<V>(entries: impl IntoIterator<Item = (&'static str, V)>) -> BTreeMap<String, V> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl World {
    pub(super) fn new() -> Self {
        let late = Text::Late(vec![Part::Literal("x".to_owned())]);
        Self {
            inputs: names([
                ("target", "staging".into()),
                ("dry-run", Value::Bool(true)),
                ("count", Value::Number(3.0)),
                ("apps", Value::List(vec!["web".into(), "api".into()])),
            ]),
            env: names([("MODE", Text::Known("fast".to_owned())), ("LATE", late)]),
            git: names([("branch", "main".to_owned()), ("tag", String::new())]),
            event: names([("name", "manual".to_owned())]),
            steps: None,
        }
    }

    pub(super) fn with_steps(steps: impl IntoIterator<Item = (&'static str, StepEnd)>) -> Self {
        Self { steps: Some(names(steps)), ..Self::new() }
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            inputs: &self.inputs,
            env: &self.env,
            git: &self.git,
            event: &self.event,
            environment: "staging",
            files: &Tree,
            steps: self.steps.as_ref(),
        }
    }

    /// Checks and evaluates a text.
    pub(super) fn run(&self, text: &str) -> Result<Option<Value>, ExpressionError> {
        let expression = Expression::parse(text)?;
        expression.check(&self.facts())?;
        expression.evaluate(&self.facts())
    }
}

/// The value of a text, over the facts of [`World::new`].
#[track_caller]
pub(super) fn value(text: &str) -> Value {
    match World::new().run(text) {
        Ok(Some(value)) => value,
        other => panic!("{text}: {other:?}"),
    }
}

/// All of these are true.
#[track_caller]
pub(super) fn hold(texts: &[&str]) {
    for text in texts {
        assert_eq!(value(text), Value::Bool(true), "{text}");
    }
}

/// What is said about a text, and where: the rest of the text from there.
#[track_caller]
pub(super) fn error(text: &str) -> String {
    match World::new().run(text) {
        Err(error) => {
            assert!(text.is_char_boundary(error.offset), "{text}: {}", error.offset);
            format!("{} | {}", error.message, text.get(error.offset..).unwrap_or_default())
        }
        other => panic!("{text}: {other:?}"),
    }
}
