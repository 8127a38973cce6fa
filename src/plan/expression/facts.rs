//! What an expression may ask: the facts it is evaluated over.

use std::collections::BTreeMap;

use super::value::Value;
use crate::plan::Text;

/// Facts that have names of their own below a common one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// `inputs`.
    Inputs,
    /// `env`.
    Env,
    /// `git`.
    Git,
    /// `event`.
    Event,
}

impl Group {
    pub(super) const ALL: [Group; 4] = [Group::Inputs, Group::Env, Group::Git, Group::Event];

    /// The name it has in an expression.
    pub fn name(self) -> &'static str {
        match self {
            Group::Inputs => "inputs",
            Group::Env => "env",
            Group::Git => "git",
            Group::Event => "event",
        }
    }
}

/// What can be asked of `git`; what is absent is `""`.
pub const GIT: [&str; 5] = ["author", "branch", "sha", "tag", "url"];

/// The facts that an expression is evaluated over. What is not in `inputs`, `env` or `event` is absent.
#[derive(Clone, Copy)]
pub struct Facts<'f> {
    /// The values of the inputs: [`Value::Bool`], [`Value::Number`], [`Value::Text`] or a list.
    pub inputs: &'f BTreeMap<String, Value>,
    /// The environment; a late value makes an expression that reads it late.
    pub env: &'f BTreeMap<String, Text>,
    /// What is known of the commit, by the names of [`GIT`].
    pub git: &'f BTreeMap<String, String>,
    /// What is known of the event.
    pub event: &'f BTreeMap<String, String>,
    /// The chosen environment; empty when none is.
    pub environment: &'f str,
    /// The files of the source.
    pub files: &'f dyn Files,
    /// How the steps ended that the expression names; none before the first container, when an expression
    /// that reads one is late.
    pub steps: Option<&'f BTreeMap<String, StepEnd>>,
}

/// The files of a source, asked only when an expression does.
///
/// Errors are fragments for the user that say what could not be done and to what.
pub trait Files {
    /// Whether a file matches one of the patterns.
    fn exist(&self, patterns: &[String]) -> Result<bool, String>;
    /// Whether a file that matches one of the patterns is not as it is in the merge base with the default
    /// branch.
    fn changed(&self, patterns: &[String]) -> Result<bool, String>;
    /// A digest over names and content of all files that match one of the patterns; empty when none does.
    fn hash(&self, patterns: &[String]) -> Result<String, String>;
    /// Why all files count as changed, when nobody can tell which have.
    fn unsure(&self) -> Option<String> {
        None
    }
}

/// For where there are no files to ask about.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles(
    /// Why, as a fragment for the user.
    pub &'static str,
);

impl Files for NoFiles {
    fn exist(&self, _: &[String]) -> Result<bool, String> {
        Err(self.0.to_owned())
    }

    fn changed(&self, _: &[String]) -> Result<bool, String> {
        Err(self.0.to_owned())
    }

    fn hash(&self, _: &[String]) -> Result<String, String> {
        Err(self.0.to_owned())
    }
}

/// How a step ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepEnd {
    /// The word of its outcome; of a matrix that of the fold over its instances.
    pub outcome: String,
    /// The wire word of its reason; empty after a pass.
    pub reason: String,
    /// The exit code of its program; none when it never ran or a signal ended it.
    pub exit_code: Option<i32>,
    /// Its outputs; of a matrix lists.
    pub outputs: BTreeMap<String, Value>,
    /// The instances of a matrix, in order; none for other steps.
    pub all: Option<Vec<StepEnd>>,
}

/// What can be asked of a step.
pub(super) const STEP: [&str; 5] = ["all", "exit_code", "outcome", "outputs", "reason"];

impl StepEnd {
    /// As a value.
    pub(super) fn to_value(&self) -> Value {
        let mut fields = BTreeMap::from([
            ("outcome".to_owned(), Value::Text(self.outcome.clone())),
            ("reason".to_owned(), Value::Text(self.reason.clone())),
            ("outputs".to_owned(), Value::Map(self.outputs.clone())),
        ]);
        if let Some(code) = self.exit_code {
            fields.insert("exit_code".to_owned(), Value::Whole(code.into()));
        }
        if let Some(all) = &self.all {
            fields.insert("all".to_owned(), Value::List(all.iter().map(StepEnd::to_value).collect()));
        }
        Value::Map(fields)
    }
}

impl Facts<'_> {
    /// The value of a name of a group.
    pub(super) fn get(&self, group: Group, name: &str) -> Fact {
        let text = |text: Option<&String>| text.map(|text| Value::Text(text.clone()));
        let value = match group {
            Group::Inputs => self.inputs.get(name).cloned(),
            Group::Env => match self.env.get(name) {
                Some(Text::Late(_)) => return Fact::Late,
                Some(Text::Known(value)) => Some(Value::Text(value.clone())),
                None => None,
            },
            Group::Git => text(self.git.get(name).filter(|value| !value.is_empty())),
            Group::Event => text(self.event.get(name)),
        };
        value.map_or(Fact::Absent, Fact::Known)
    }

    /// The names that a group has.
    pub(super) fn names(&self, group: Group) -> Vec<&str> {
        match group {
            Group::Inputs => self.inputs.keys().map(String::as_str).collect(),
            Group::Env => self.env.keys().map(String::as_str).collect(),
            Group::Git => GIT.to_vec(),
            Group::Event => self.event.keys().map(String::as_str).collect(),
        }
    }
}

/// What is known of a name.
pub(super) enum Fact {
    Known(Value),
    Absent,
    Late,
}
