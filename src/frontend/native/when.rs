//! Conditions (language L11): decides `when` as far as it can be decided before anything starts.
//!
//! It works on the finished plan, where every instance of a matrix has its environment and every step
//! what it waits for. What depends on how other steps end stays in the plan, with all values put in.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::declared::Declared;
use super::read::{Field, Reader};
use crate::base::Span;
use crate::frontend::lines::Lines;
use crate::frontend::{codes, shorten};
use crate::plan::expression::{Expression, ExpressionError, StepUse};
use crate::plan::graph::{Graph, Waits};
use crate::plan::{Condition, Plan, Step, Text};

/// How much of a condition is shown where it was false, in characters.
const SHOWN: usize = 200;

/// What helps when the mistake itself says no more.
const HELP: &str = "`windlass explain W0181` says what a condition may ask";

/// A condition as parsed, for all that are written alike.
pub(super) type Parsed = Rc<Result<Expression, ExpressionError>>;

/// A condition as written.
pub(super) struct When<'n> {
    text: &'n str,
    span: Span,
    parsed: Parsed,
}

/// What is needed to decide the conditions of a plan.
pub(super) struct Conditions<'c, 'n> {
    pub(super) steps: &'c [Declared<'n>],
    /// Which of them each step of the plan is of, in the plan's order.
    pub(super) owners: &'c [Option<usize>],
    /// Of each stage its condition, with the environment it is decided in.
    pub(super) stages: &'c [Option<(When<'n>, BTreeMap<String, Text>)>],
    pub(super) lines: &'c Lines<'c>,
}

/// What a condition came to.
enum Decided {
    True,
    False(String),
    Late(Expression),
}

impl Reader<'_> {
    /// Reads a condition.
    pub(super) fn when<'n>(&mut self, field: Field<'n, '_>) -> Option<When<'n>> {
        let text = self.verbatim(field, "an expression such as `git.branch == 'main'`")?;
        let span = field.node.span;
        if text.trim_start().starts_with("${{") {
            let help = "`when` is an expression already; write it without `${{` and `}}`";
            self.error(codes::BAD_CONDITION, span, "`${{ }}` does not stand in `when`", help);
            return None;
        }
        if !self.parsed.contains_key(text) {
            self.parsed.insert(text.to_owned(), Rc::new(Expression::parse(text)));
        }
        let parsed = Rc::clone(self.parsed.get(text)?);
        Some(When { text, span, parsed })
    }

    /// Decides the conditions of all steps, or leaves of them what only a run can tell.
    pub(super) fn conditions(&mut self, plan: &mut Plan, all: &Conditions<'_, '_>) {
        if all.stages.iter().all(Option::is_none) && all.steps.iter().all(|step| step.when.is_none()) {
            return;
        }
        let world = World::new(all, plan);
        let stages: Vec<_> = all
            .stages
            .iter()
            .map(|stage| {
                let (when, env) = stage.as_ref()?;
                world.decide(when, env, self).map(|decided| (when, decided))
            })
            .collect();
        let mut decisions = Vec::new();
        for (position, (_, step)) in plan.all_steps().enumerate() {
            let own = all.owners.get(position).copied().flatten().and_then(|owner| all.steps.get(owner));
            let own = own.and_then(|declared| declared.when.as_ref());
            let stage = world.graph.steps().get(position).map_or(usize::MAX, |node| node.stage);
            let stage = stages.get(stage).and_then(Option::as_ref);
            for when in stage.map(|(when, _)| *when).into_iter().chain(own) {
                world.ended_before(when, position, self);
            }
            let own = own.and_then(|when| world.decide(when, &step.env, self));
            decisions.push(joined(stage.map(|(_, decided)| decided), own));
        }
        let whens = all.stages.iter().flatten().map(|(when, _)| when);
        let mut whens = whens.chain(all.steps.iter().filter_map(|step| step.when.as_ref()));
        let asking = whens.find(|when| (*when.parsed).as_ref().is_ok_and(Expression::asks_what_changed));
        if let Some(when) = asking
            && let Some(why) = self.scope.files().unsure()
        {
            let message = format!("every file counts as changed: {why}");
            let help = "nothing is left out by `changed`; with a default branch to compare with it would be";
            self.warn(codes::ALL_CHANGED, when.span, message, help);
        }
        for (step, decision) in plan.all_steps_mut().zip(decisions) {
            // What never runs for another reason stays as it is.
            if step.condition == Condition::True {
                step.condition = decision;
            }
        }
    }
}

/// The condition of a step, of its stage's and its own.
fn joined(stage: Option<&Decided>, own: Option<Decided>) -> Condition {
    match (stage, own) {
        (Some(Decided::False(why)), _) => Condition::False(format!("of its stage: {why}")),
        (_, Some(Decided::False(why))) => Condition::False(why),
        (Some(Decided::Late(stage)), Some(Decided::Late(own))) => {
            Condition::Late(stage.and(&own).to_string())
        }
        (Some(Decided::Late(late)), _) => Condition::Late(late.to_string()),
        (_, Some(Decided::Late(late))) => Condition::Late(late.to_string()),
        (Some(Decided::True) | None, Some(Decided::True) | None) => Condition::True,
    }
}

/// What is known before a run, and where its steps stand.
struct World<'c, 'n> {
    steps: &'c [Declared<'n>],
    graph: Graph,
    /// The positions of the instances of each step, by its name in the file.
    names: HashMap<&'c str, Vec<usize>>,
    /// Output keys of each step of the file.
    outputs: HashMap<String, Vec<String>>,
    lines: &'c Lines<'c>,
}

impl<'c, 'n> World<'c, 'n> {
    fn new(all: &'c Conditions<'c, 'n>, plan: &Plan) -> Self {
        let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
        for (position, owner) in all.owners.iter().enumerate() {
            if let Some(declared) = owner.and_then(|owner| all.steps.get(owner)) {
                names.entry(declared.name).or_default().push(position);
            }
        }
        let name = |step: &Step| step.instance_of.as_ref().unwrap_or(&step.id).as_str().to_owned();
        let writers = plan.all_steps().filter(|(_, step)| !step.outputs.is_empty());
        Self {
            steps: all.steps,
            graph: Graph::new(plan),
            names,
            outputs: writers.map(|(_, step)| (name(step), step.outputs.clone())).collect(),
            lines: all.lines,
        }
    }

    /// Decides a condition in an environment; none when it was refused.
    fn decide(
        &self,
        when: &When<'_>,
        env: &BTreeMap<String, Text>,
        reader: &mut Reader<'_>,
    ) -> Option<Decided> {
        let decided = match when.parsed.as_ref() {
            Ok(expression) if reader.scope.excuses(expression) => return None,
            Ok(expression) => evaluated(expression, env, when.text, reader),
            Err(error) => Err(error.clone()),
        };
        decided.map_err(|error| self.refuse(when, codes::BAD_CONDITION, error, reader)).ok()
    }
    /// Checks that the steps that a condition names are there, and have ended when it is decided.
    fn ended_before(&self, when: &When<'_>, position: usize, reader: &mut Reader<'_>) {
        let Ok(expression) = when.parsed.as_ref() else { return };
        for StepUse { step, output, offset } in expression.steps() {
            let refuse = |code, message: String, help: String, reader: &mut Reader<'_>| {
                self.refuse(when, code, ExpressionError { offset, message, help }, reader);
            };
            let Some(named) = self.names.get(step) else {
                let message = format!("there is no step `{}`", shorten(step));
                let near = reader.nearest(step, self.steps.iter().map(|step| step.name));
                let help = near.map(|(near, _)| format!("the nearest name is `{near}`"));
                refuse(codes::BAD_CONDITION, message, help.unwrap_or_default(), reader);
                continue;
            };
            if !named.iter().all(|named| self.certain(*named, position)) {
                let message = format!("`{step}` may not have ended when this is decided");
                let help = format!("wait for it: `needs: [{step}]`, or move the step to a later stage");
                refuse(codes::ASKS_TOO_EARLY, message, help, reader);
            }
            let declared = self.outputs.get(step).map_or(&[][..], Vec::as_slice);
            if let Some(key) = output.filter(|key| !declared.iter().any(|known| known == key)) {
                let message = format!("`{step}` does not declare the output `{}`", shorten(key));
                let help = format!("add it there: `outputs: [{}]`", shorten(key));
                refuse(codes::BAD_CONDITION, message, help, reader);
            }
        }
    }

    fn refuse(&self, when: &When<'_>, code: &'static str, error: ExpressionError, reader: &mut Reader<'_>) {
        let span = self.lines.within(when.span, when.text, error.offset);
        if error.help.is_empty() {
            reader.error(code, span, error.message, HELP);
        } else {
            reader.error(code, span, error.message, error.help);
        }
    }

    /// Whether a step has certainly ended when it is another one's turn.
    fn certain(&self, named: usize, position: usize) -> bool {
        let (Some(one), Some(other)) = (self.graph.steps().get(named), self.graph.steps().get(position))
        else {
            return false;
        };
        // What most conditions ask, without a walk over the graph.
        let behind_barrier = other.waits == Waits::Stages && one.stage < other.stage;
        let needed = matches!(&other.waits, Waits::All(needs) if needs.contains(&named));
        behind_barrier || needed || self.graph.happens_before(named, position)
    }
}

/// What a condition comes to in an environment.
fn evaluated(
    expression: &Expression,
    env: &BTreeMap<String, Text>,
    text: &str,
    reader: &mut Reader<'_>,
) -> Result<Decided, ExpressionError> {
    let mut env = Cow::Borrowed(env);
    let facts = reader.scope.facts_in(expression, &mut env).map_err(|message| {
        let help = "the condition asks for `git`; see that the repository is whole".to_owned();
        ExpressionError { offset: 0, message, help }
    })?;
    Ok(match expression.decide(&facts)? {
        Some(true) => Decided::True,
        Some(false) => Decided::False(format!("`{}` is false", in_a_line(text))),
        None => {
            let left = expression.reduce(&facts);
            Decided::Late(Expression::parse_reduced(&left.to_string())?)
        }
    })
}

/// A condition on one line, for where it was false.
fn in_a_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", words.get(..at).unwrap_or_default()),
        None => words,
    }
}
