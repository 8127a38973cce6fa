//! Conditions that depend on how steps ended (language L11), decided when the turn of their step has come.
//!
//! Only what some condition names is remembered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::base::{Outcome, Reason};
use crate::event::{End, fold};
use crate::plan::expression::{Expression, ExpressionError, Facts, NoFiles, StepEnd, Value};
use crate::plan::{Condition, Plan};

/// Outputs by key.
type Outputs = BTreeMap<String, String>;

/// The conditions of a plan that are still open.
#[derive(Default)]
pub(super) struct Late {
    conditions: HashMap<usize, Open>,
    /// The steps that conditions name, by their names in the file.
    named: BTreeMap<String, Named>,
    /// Which of them each instance is of.
    names: HashMap<usize, String>,
    outputs: HashMap<usize, Outputs>,
}

struct Open {
    text: String,
    parsed: Result<Expression, ExpressionError>,
}

#[derive(Default)]
struct Named {
    /// It has a matrix, if perhaps with one instance or none.
    matrix: bool,
    instances: BTreeMap<usize, Option<Ended>>,
}

#[derive(Clone)]
struct Ended {
    end: End,
    allowed: bool,
    outputs: Outputs,
}

impl Late {
    /// Finds the open conditions of a plan.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut late = Self::default();
        let mut wanted = BTreeSet::new();
        for (position, (_, step)) in plan.all_steps().enumerate() {
            if let Condition::Late(text) = &step.condition {
                let parsed = Expression::parse_reduced(text);
                for step in parsed.iter().flat_map(Expression::steps) {
                    wanted.insert(step.step.to_owned());
                }
                late.conditions.insert(position, Open { text: text.clone(), parsed });
            }
        }
        if wanted.is_empty() {
            return late;
        }
        for (position, (_, step)) in plan.all_steps().enumerate() {
            let name = step.instance_of.as_ref().unwrap_or(&step.id).as_str();
            if wanted.contains(name) {
                let named = late.named.entry(name.to_owned()).or_default();
                named.matrix |= step.instance_of.is_some();
                // Of a matrix without an instance the step itself is there, and never runs.
                named.instances.insert(position, None);
                late.names.insert(position, name.to_owned());
            }
        }
        late
    }

    /// Takes in what a step wrote that is about to end.
    pub(super) fn wrote(&mut self, step: usize, outputs: &Outputs) {
        if self.names.contains_key(&step) {
            self.outputs.insert(step, outputs.clone());
        }
    }

    /// Takes in how a step ended.
    pub(super) fn record(&mut self, step: usize, end: &End, allowed: bool) {
        let named = self.names.get(&step).and_then(|name| self.named.get_mut(name));
        if let Some(slot) = named.and_then(|named| named.instances.get_mut(&step)) {
            let outputs = self.outputs.remove(&step).unwrap_or_default();
            *slot = Some(Ended { end: end.clone(), allowed, outputs });
        }
    }

    /// Why a step with an open condition does not run; none when it does.
    pub(super) fn why_not(&self, step: usize) -> Option<End> {
        let open = self.conditions.get(&step)?;
        match open.parsed.as_ref().map_err(Clone::clone).and_then(|parsed| self.decide(parsed)) {
            Ok(Some(true)) => None,
            Ok(Some(false)) => {
                Some(End::skipped(Reason::ConditionFalse, Some(format!("`{}` is false", open.text))))
            }
            Ok(None) => {
                let why = format!("`{}` asks for a step that has not ended", open.text);
                Some(End::because(Reason::ConditionError, Some(why)))
            }
            Err(error) => {
                let help = Some(error.help).filter(|help| !help.is_empty());
                let help = help.map(|help| format!("; {help}")).unwrap_or_default();
                let why = format!("`{}` cannot be decided: {}{help}", open.text, error.message);
                Some(End::because(Reason::ConditionError, Some(why)))
            }
        }
    }

    fn decide(&self, expression: &Expression) -> Result<Option<bool>, ExpressionError> {
        let mut steps = BTreeMap::new();
        for used in expression.steps() {
            if let Some(end) = self.named.get(used.step).and_then(Named::end) {
                steps.insert(used.step.to_owned(), end);
            }
        }
        let (values, texts, env) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        expression.decide(&Facts {
            inputs: &values,
            env: &env,
            git: &texts,
            event: &texts,
            environment: "",
            files: &NoFiles("files are asked for before the first step only; a step may look for itself"),
            steps: Some(&steps),
        })
    }
}

impl Named {
    /// How it ended, once all its instances have.
    fn end(&self) -> Option<StepEnd> {
        let all: Vec<&Ended> = self.instances.values().map(Option::as_ref).collect::<Option<_>>()?;
        if !self.matrix {
            return all.first().map(|ended| ended.to_step());
        }
        let counted = |ended: &Ended| if ended.allowed { Outcome::Passed } else { ended.end.outcome };
        let outcome = fold(all.iter().map(|ended| counted(ended)));
        // The first that ended like the whole speaks for it.
        let first = all.iter().find(|ended| ended.end.outcome == outcome);
        let mut folded = first.map(|ended| ended.to_step()).unwrap_or_default();
        outcome.word().clone_into(&mut folded.outcome);
        let keys: BTreeSet<&String> = all.iter().flat_map(|ended| ended.outputs.keys()).collect();
        let value =
            |ended: &&Ended, key: &String| Value::Text(ended.outputs.get(key).cloned().unwrap_or_default());
        let list = |key: &String| Value::List(all.iter().map(|ended| value(ended, key)).collect());
        folded.outputs = keys.into_iter().map(|key| (key.clone(), list(key))).collect();
        folded.all = Some(all.iter().map(|ended| ended.to_step()).collect());
        Some(folded)
    }
}

impl Ended {
    fn to_step(&self) -> StepEnd {
        let text = |(key, value): (&String, &String)| (key.clone(), Value::Text(value.clone()));
        StepEnd {
            outcome: self.end.outcome.word().to_owned(),
            reason: self.end.reason.map(|reason| reason.word().to_owned()).unwrap_or_default(),
            exit_code: self.end.exit_code,
            outputs: self.outputs.iter().map(text).collect(),
            all: None,
        }
    }
}
