//! Expressions: CEL over what is known of a run.
//!
//! Owns their syntax, types and evaluation, so that one text means the same in a condition, in an
//! interpolation and at run time. Whatever is accepted means what it means in CEL, but that values of
//! unlike types are never compared, and that `has` takes `a['b']` too. It knows no file format, asks for
//! nothing by itself, and never panics, overflows a stack or runs for long, whatever the text.

mod ast;
mod check;
mod evaluate;
mod facts;
mod functions;
mod lex;
mod operate;
mod parse;
mod value;

use std::collections::BTreeSet;
use std::fmt;

pub use facts::{Facts, Files, GIT, Group, NoFiles, StepEnd};
pub use value::{Type, Value};

use self::ast::{Kind, Node};
use self::check::Checker;
use self::evaluate::Evaluator;
use self::functions::Function;
use self::operate::Halt;

/// How many bytes an expression may have.
pub const MAX_EXPRESSION: usize = 4096;

/// How many bytes a reduced expression may have.
pub const MAX_REDUCED: usize = 64 << 10;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    source: String,
    root: Node,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// The byte of the expression it is about.
    pub offset: usize,
    /// What is wrong, as a fragment.
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
}

/// A step that an expression reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepUse<'e> {
    /// Its name.
    pub step: &'e str,
    /// The key of the output that is read; none when something else of it is.
    pub output: Option<&'e str>,
    /// The byte of the expression where it is named.
    pub offset: usize,
}

impl Expression {
    /// Parses an expression of at most [`MAX_EXPRESSION`] bytes.
    ///
    /// # Errors
    /// What is wrong with it, as far as that shows without any fact.
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        if source.len() > MAX_EXPRESSION {
            let message = format!("the expression has {} bytes; 4096 are allowed", source.len());
            return Err(ExpressionError::new(0, message, "let a step decide, and read its output"));
        }
        Ok(Self { source: source.to_owned(), root: parse::parse(source)? })
    }

    /// Parses what [`reduce`](Self::reduce) left, of at most [`MAX_REDUCED`] bytes: values are longer than
    /// their names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_reduced(source: &str) -> Result<Self, ExpressionError> {
        if source.len() > MAX_REDUCED {
            let message = "the expression has more than 64 KiB once its values are put in";
            return Err(ExpressionError::new(0, message, "let a step decide, and read its output"));
        }
        Ok(Self { source: source.to_owned(), root: parse::parse(source)? })
    }

    /// What is true when both are.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let root = Node::new(0, Kind::And(vec![self.root.clone(), other.root.clone()]));
        Self { source: root.to_string(), root }
    }

    /// Finds the type of its value, as far as it is known before it is evaluated.
    ///
    /// # Errors
    /// What can never work: unlike types, names that are not there, in any part, evaluated or not.
    pub fn check(&self, facts: &Facts<'_>) -> Result<Type, ExpressionError> {
        Checker::new(facts, &self.source).check(&self.root)
    }

    /// Evaluates it; none when it depends on a step of which the facts say nothing yet.
    ///
    /// # Errors
    /// What went wrong, the same for the same facts.
    pub fn evaluate(&self, facts: &Facts<'_>) -> Result<Option<Value>, ExpressionError> {
        match Evaluator::new(facts).evaluate(&self.root) {
            Ok(value) => Ok(Some(value)),
            Err(Halt::Late) => Ok(None),
            Err(Halt::Error(error)) => Err(error),
        }
    }

    /// Checks and evaluates it where a boolean is wanted.
    ///
    /// # Errors
    /// Those of [`check`](Self::check) and [`evaluate`](Self::evaluate), and that it is not a boolean.
    pub fn decide(&self, facts: &Facts<'_>) -> Result<Option<bool>, ExpressionError> {
        let kind = self.check(facts)?;
        let wrong = |kind| {
            let message = format!("a condition is a boolean, and this is {kind}");
            ExpressionError::new(0, message, "compare it with something: `env.NAME == 'yes'`")
        };
        if !matches!(kind, Type::Bool | Type::Any) {
            return Err(wrong(kind));
        }
        match self.evaluate(facts)? {
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(wrong(other.kind())),
            None => Ok(None),
        }
    }

    /// Replaces every part that these facts decide by its value, so that what is left depends on steps
    /// alone. Its text is that of [`Display`](fmt::Display).
    #[must_use]
    pub fn reduce(&self, facts: &Facts<'_>) -> Self {
        let mut root = self.root.clone();
        evaluate::reduce(&mut root, &Facts { steps: None, ..*facts });
        Self { source: root.to_string(), root }
    }

    /// The steps it reads, in the order of their names.
    pub fn steps(&self) -> Vec<StepUse<'_>> {
        let mut found = BTreeSet::new();
        self.walk(|node, output| {
            if let Kind::Step(step) = &node.kind {
                found.insert(StepUse { step, output, offset: node.at });
            }
        });
        found.into_iter().collect()
    }

    /// Whether it reads facts of a group.
    pub fn reads(&self, group: Group) -> bool {
        let mut found = false;
        self.walk(|node, _| found |= matches!(&node.kind, Kind::Group(read) if *read == group));
        found
    }

    /// Whether it asks which files have changed.
    pub fn asks_what_changed(&self) -> bool {
        let mut found = false;
        self.walk(|node, _| found |= matches!(&node.kind, Kind::Call(Function::Changed, _)));
        found
    }

    /// Shows each node, and of a step the output that is read.
    fn walk<'e>(&'e self, mut see: impl FnMut(&'e Node, Option<&'e str>)) {
        let mut open = vec![(&self.root, None)];
        while let Some((node, output)) = open.pop() {
            see(node, output);
            if let Some((step, key)) = output_of(node) {
                open.push((step, Some(key)));
            } else {
                node.each_part(|part| open.push((part, None)));
            }
        }
    }
}

/// The step and key of `steps.NAME.outputs.KEY`.
fn output_of(node: &Node) -> Option<(&Node, &str)> {
    let (outputs, key) = match &node.kind {
        Kind::Field(of, key) | Kind::Has(of, key) => (of, key),
        Kind::Index(of, index) => match &index.kind {
            Kind::Known(Value::Text(key)) => (of, key),
            _ => return None,
        },
        _ => return None,
    };
    match &outputs.kind {
        Kind::Field(step, name) if name == "outputs" && matches!(step.kind, Kind::Step(_)) => {
            Some((step, key))
        }
        _ => None,
    }
}

/// As it may be written, and means the same.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl ExpressionError {
    fn new(offset: usize, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { offset, message: message.into(), help: help.into() }
    }
}

/// Names for a message, cut short when there are many.
fn listed(names: &[&str]) -> String {
    const MOST: usize = 12;
    let shown: Vec<_> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    let more = names.len().checked_sub(MOST).filter(|more| *more > 0);
    shown.join(", ") + &more.map(|more| format!(" and {more} more")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
