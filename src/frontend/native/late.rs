//! What `${{ }}` (language L12) leaves to be looked at once all steps are known: whether the outputs
//! that strings take are there in time, and whether what could not be evaluated is in a step that runs.

use std::collections::{HashMap, HashSet};

use super::declared::Declared;
use super::interpolate::{Left, Taken};
use super::matrix::instance_id;
use super::read::Reader;
use super::scope::Place;
use crate::base::StepId;
use crate::frontend::{codes, shorten};
use crate::plan::validate::{PlaceInPlan, PlanError, validate};
use crate::plan::{Condition, Part, Plan, Step, Text};

/// How many single outputs of instances a plan may take.
const MOST_TAKEN: usize = 1_000_000;

/// Steps by the position of their stage, with the name they have in the file.
type Located<'p> = Vec<(usize, Option<&'p str>, &'p Step)>;

impl Reader<'_> {
    /// Looks at what was left. Conditions that can be decided are decided by now.
    pub(super) fn left_over(&mut self, plan: &mut Plan, declared: &[Declared<'_>], owners: &[Option<usize>]) {
        let Left { taken, failed, .. } = std::mem::take(&mut self.left);
        if let Some(first) = taken.first()
            && !take_from_all_instances(plan, declared)
        {
            let message = "outputs of steps with a matrix are taken too often";
            let help = "let one step put them together, and take its output";
            self.error(codes::TOO_MUCH_ENVIRONMENT, first.span, message, help);
        }
        let names = owners.iter().map(|owner| declared.get((*owner)?).map(|declared| declared.name));
        let stages = plan.all_stages().enumerate();
        let steps = stages.flat_map(|(stage, found)| found.steps.iter().map(move |step| (stage, step)));
        let located = steps.zip(names).map(|((stage, step), name)| (stage, name, step)).collect();
        for (place, refusal) in failed {
            if runs(&place, &located) {
                self.found.push(refusal);
            }
        }
        if !taken.is_empty() {
            self.in_time(plan, &located, &taken);
        }
    }

    fn in_time(&mut self, plan: &Plan, located: &Located<'_>, taken: &[Taken]) {
        let name_of: HashMap<&StepId, &str> =
            located.iter().filter_map(|(_, name, step)| Some((&step.id, (*name)?))).collect();
        let name = |id: &StepId| name_of.get(id).map_or_else(|| id.to_string(), |name| (*name).to_owned());
        let mut said = HashSet::new();
        for error in validate(plan).err().into_iter().flatten() {
            let (place, from, key, why) = match error {
                PlanError::UnknownProducer { place, from, key } => (place, from, key, Why::Unknown),
                PlanError::UndeclaredOutput { place, from, key } => (place, from, key, Why::Undeclared),
                PlanError::NotEarlier { place, from, key } => (place, from, key, Why::NotEarlier),
                _ => continue,
            };
            let PlaceInPlan::Step(by) = place else { continue };
            let (from, by) = (name(&from), name(&by));
            let same = |taken: &&Taken| taken.from.as_str() == from && taken.key == key;
            let found = taken.iter().filter(same);
            let own = found.clone().find(|taken| taken.by.step.as_deref() == Some(&by));
            let Some(taken) = own.or_else(|| found.clone().find(|taken| taken.by.step.is_none())) else {
                continue;
            };
            // What many steps take over is one mistake.
            if said.insert(taken.span) {
                let (message, help) = why.say(&from, &key, &by);
                self.error(codes::NOT_ENDED, taken.span, message, help);
            }
        }
    }
}

/// Why an output cannot be taken.
enum Why {
    Unknown,
    Undeclared,
    NotEarlier,
}

impl Why {
    fn say(&self, from: &str, key: &str, by: &str) -> (String, String) {
        let (from, key) = (shorten(from), shorten(key));
        match self {
            Why::Unknown => (
                format!("there is no step `{from}`"),
                "outputs are those of steps of this pipeline".to_owned(),
            ),
            Why::Undeclared => (
                format!("`{from}` does not declare the output `{key}`"),
                format!("add it there: `outputs: [{key}]`"),
            ),
            Why::NotEarlier => (
                format!("`{from}` may not have ended when `{by}` starts"),
                format!("let `{by}` wait for it: `needs: [{from}]`; or move it to a later stage"),
            ),
        }
    }
}

/// Whether anything at a place of the file runs, as far as that is known.
fn runs(place: &Place, located: &Located<'_>) -> bool {
    let mut steps = located
        .iter()
        .filter(|(stage, _, _)| place.stage.is_none_or(|wanted| wanted == *stage))
        .filter(|(_, name, _)| place.step.is_none() || *name == place.step.as_deref())
        .peekable();
    steps.peek().is_none() || steps.any(|(_, _, step)| !matches!(step.condition, Condition::False(_)))
}

/// Lets the output of a step with a matrix be the list of those of its instances; false when that becomes
/// too much.
fn take_from_all_instances(plan: &mut Plan, declared: &[Declared<'_>]) -> bool {
    let several: HashMap<&str, Vec<StepId>> = declared
        .iter()
        .filter_map(|step| {
            let count = step.matrix.as_ref()?.instances().len();
            Some((step.name, (1..=count).map(|number| instance_id(step.name, number)).collect()))
        })
        .filter(|(_, instances): &(&str, Vec<StepId>)| !instances.is_empty())
        .collect();
    let mut room = MOST_TAKEN;
    for text in plan.all_steps_mut().flat_map(Step::texts_mut) {
        let Text::Late(parts) = text else { continue };
        for part in parts {
            if let Part::Output { step, key } = part
                && let Some(steps) = several.get(step.as_str())
            {
                let Some(left) = room.checked_sub(steps.len()) else { return false };
                room = left;
                *part = Part::Outputs { steps: steps.clone(), key: std::mem::take(key) };
            }
        }
    }
    true
}
