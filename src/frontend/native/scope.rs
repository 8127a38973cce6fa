//! What an expression at a place of the file may ask (language L11, L12): the facts of the run, and the
//! environment at that place.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::frontend::Given;
use crate::plan::Text;
use crate::plan::expression::{Expression, Facts, Files, Group, Value};

/// The variables at a place of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variables {
    texts: BTreeMap<String, Text>,
    /// Those with text of git or of an event in them.
    foreign: BTreeSet<String>,
}

impl Variables {
    /// Sets a variable, whoever has set it before.
    pub(super) fn set(&mut self, name: String, text: Text, foreign: bool) {
        if foreign {
            self.foreign.insert(name.clone());
        } else {
            self.foreign.remove(&name);
        }
        self.texts.insert(name, text);
    }

    /// Sets all of these.
    pub(super) fn extend(&mut self, others: &Variables) {
        for (name, text) in &others.texts {
            self.set(name.clone(), text.clone(), others.foreign.contains(name));
        }
    }

    pub(super) fn texts(&self) -> &BTreeMap<String, Text> {
        &self.texts
    }

    pub(super) fn into_texts(self) -> BTreeMap<String, Text> {
        self.texts
    }
}

/// A place of the file: in a step, in a stage above its steps, or above all stages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) stage: Option<usize>,
    pub(super) step: Option<String>,
}

/// What may be asked at one place.
#[derive(Debug)]
pub(super) struct Scope<'g> {
    given: Given<'g>,
    inputs: BTreeMap<String, Value>,
    /// The inputs as they were written.
    written: BTreeMap<String, String>,
    environment: String,
    env: Variables,
    /// `env` with what goes before it, once it is asked for.
    merged: Option<BTreeMap<String, Text>>,
    git: Option<BTreeMap<String, String>>,
    event: BTreeMap<String, String>,
    /// What cannot be evaluated is nobody's mistake: what was given is wrong, and is reported.
    pub(super) lenient: bool,
    /// An input has no value, and nobody minds.
    pub(super) lacks_input: bool,
    /// The stage and the step that are being read.
    pub(super) place: Place,
}

impl<'g> Scope<'g> {
    pub(super) fn new(given: Given<'g>) -> Self {
        Self {
            given,
            inputs: BTreeMap::new(),
            written: BTreeMap::new(),
            environment: String::new(),
            env: Variables::default(),
            merged: None,
            git: None,
            event: BTreeMap::new(),
            lenient: false,
            lacks_input: false,
            place: Place::default(),
        }
    }

    /// Whether what is wrong with an expression may be the fault of what was given.
    pub(super) fn excuses(&self, expression: &Expression) -> bool {
        self.lenient || self.lacks_input && (expression.reads(Group::Inputs) || expression.reads(Group::Env))
    }

    /// The files of the source.
    pub(super) fn files(&self) -> &'g dyn Files {
        self.given.source.files()
    }

    /// Makes an input known.
    pub(super) fn add_input(&mut self, name: &str, value: Value, written: &str) {
        self.inputs.insert(name.to_owned(), value);
        self.written.insert(name.to_owned(), written.to_owned());
    }

    /// Makes the chosen environment known.
    pub(super) fn choose(&mut self, environment: &str) {
        environment.clone_into(&mut self.environment);
    }

    /// Goes to a place with this environment; gives that of the place before.
    pub(super) fn enter(&mut self, env: Variables) -> Variables {
        self.merged = None;
        std::mem::replace(&mut self.env, env)
    }

    /// Adds variables of this place.
    pub(super) fn extend(&mut self, own: &Variables) {
        self.merged = None;
        self.env.extend(own);
    }

    /// The variables of this place.
    pub(super) fn env(&self) -> &Variables {
        &self.env
    }

    /// The facts that an expression asks for.
    ///
    /// # Errors
    /// What could not be found out.
    pub(super) fn facts(&mut self, asking: &Expression) -> Result<Facts<'_>, String> {
        self.find_out(asking)?;
        let over = &self.given.choice.env;
        if !over.is_empty() && self.merged.is_none() && asking.reads(Group::Env) {
            self.merged = Some(self.beneath_choice(&self.env.texts));
        }
        Ok(self.over(self.merged.as_ref().unwrap_or(&self.env.texts)))
    }

    /// The facts that an expression asks for, in this environment.
    ///
    /// # Errors
    /// What could not be found out.
    pub(super) fn facts_in<'f>(
        &'f mut self,
        asking: &Expression,
        env: &'f mut Cow<'_, BTreeMap<String, Text>>,
    ) -> Result<Facts<'f>, String> {
        self.find_out(asking)?;
        if !self.given.choice.env.is_empty() && asking.reads(Group::Env) {
            *env = Cow::Owned(self.beneath_choice(env));
        }
        Ok(self.over(env))
    }

    fn find_out(&mut self, asking: &Expression) -> Result<(), String> {
        if self.git.is_none() && asking.reads(Group::Git) {
            let read = self.given.source.git();
            let facts = read.map_err(|error| format!("the repository cannot be read: {error}"))?;
            self.git = Some(facts.named());
        }
        Ok(())
    }

    /// An environment with what `--env` sets over it.
    fn beneath_choice(&self, env: &BTreeMap<String, Text>) -> BTreeMap<String, Text> {
        let chosen = self.given.choice.env.iter();
        let mut env = env.clone();
        env.extend(chosen.map(|(name, value)| (name.clone(), Text::Known(value.clone()))));
        env
    }

    fn over<'f>(&'f self, env: &'f BTreeMap<String, Text>) -> Facts<'f> {
        Facts {
            inputs: &self.inputs,
            env,
            git: self.git.as_ref().unwrap_or(&NOTHING),
            event: &self.event,
            environment: &self.environment,
            files: self.files(),
            steps: None,
        }
    }

    /// An input as it was written, when the expression is nothing but its name.
    pub(super) fn as_written(&self, expression: &str) -> Option<&str> {
        let name = expression.strip_prefix("inputs.").or_else(|| {
            let quoted = expression.strip_prefix("inputs['")?;
            quoted.strip_suffix("']")
        });
        self.written.get(name?).map(String::as_str)
    }

    /// A variable that is known only once some steps have ended, when the expression is nothing but it.
    pub(super) fn late_variable(&self, expression: &str) -> Option<&Text> {
        let name = variable(expression).filter(|name| !self.given.choice.env.contains_key(*name))?;
        self.env.texts.get(name).filter(|text| text.known().is_none())
    }

    /// Whether a value may hold text of git or of an event.
    pub(super) fn is_foreign(&self, expression: &Expression) -> bool {
        if expression.reads(Group::Git) || expression.reads(Group::Event) {
            return true;
        }
        let foreign = |name: &String| !self.given.choice.env.contains_key(name);
        let mut variables = self.env.foreign.iter().filter(|name| foreign(name));
        let written = expression.to_string();
        match variable(&written) {
            Some(read) => variables.any(|name| name == read),
            // Which of them it reads cannot always be told; one is enough.
            None => expression.reads(Group::Env) && variables.next().is_some(),
        }
    }
}

/// The variable that an expression is, when it is nothing but one.
fn variable(expression: &str) -> Option<&str> {
    let name = expression.strip_prefix("env.")?;
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then_some(name)
}

static NOTHING: BTreeMap<String, String> = BTreeMap::new();
