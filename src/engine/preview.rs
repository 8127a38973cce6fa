//! The containers of a plan as a run would have them, for those who show what would be without running it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::convert::{Common, Given};
use crate::backend::ContainerSpec;
use crate::backend::policy::{Policy, Trust};
use crate::base::{Bytes, RunId, Secret, StepId};
use crate::plan::{Condition, Plan, graph};

/// What stands for the output of a step that has not run.
const LATE: &str = "known-at-run-time";

/// Describes the first attempt of every step that runs or may, in the order of the plan, and before it the services
/// that it is the first to have. What only a run knows has a word in its place; values of secrets are empty.
///
/// # Errors
/// Why the first of them that must not be started must not.
pub fn preview(plan: &Plan, run: &RunId) -> Result<Vec<ContainerSpec>, String> {
    let secrets = plan.all_steps().flat_map(|(_, step)| &step.secrets);
    let common = Common {
        run: run.clone(),
        backend: String::new(),
        env: BTreeMap::new(),
        overrides: BTreeMap::new(),
        lanes: graph::lanes(plan),
        log_limit: Bytes(0),
        policy: Arc::new(Policy { trust: Trust::Trusted, ..Policy::default() }),
        secrets: secrets.map(|secret| (secret.name.clone(), Secret::unmasked(""))).collect(),
    };
    let output = |_: &StepId, _: &str| Some(LATE);
    let (mut containers, mut begun) = (Vec::new(), BTreeSet::new());
    let runs = plan.all_steps().filter(|(_, step)| !matches!(step.condition, Condition::False(_)));
    for (stage, step) in runs {
        for (scope, service) in plan.services_of(step) {
            if begun.insert((scope, service.name.as_str())) {
                let service = common.service(plan, step, 1, service, &output);
                containers.push(service.map_err(|error| error.to_string())?);
            }
        }
        let given = Given { attempt: 1, aftermath: None, output: &output };
        let container = common.spec(plan, (stage, step), &given).map_err(|error| error.to_string())?;
        containers.push(container);
    }
    Ok(containers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::{plan, script, stage};
    use crate::plan::{Image, Part, SecretUse, Step, Text};

    #[test]
    fn what_runs_is_described_without_what_only_a_run_knows() {
        let output = Part::Output { step: StepId::new("a"), key: "tag".to_owned() };
        let image = Image::Reference(Text::Late(vec![Part::Literal("rust:".to_owned()), output]));
        let taken =
            SecretUse { name: "TOKEN".to_owned(), env: Some("T".to_owned()), file: None, unmasked: false };
        let late = Step { image, secrets: vec![taken], ..script("late", "true") };
        let never = Step { condition: Condition::False("false".to_owned()), ..script("never", "true") };
        let plan = plan([stage("s", [script("a", "true"), never, late])]);
        let found = preview(&plan, &RunId::new("r")).expect("nothing is refused");
        let found: Vec<_> = found.iter().map(|spec| (spec.step.as_str(), spec.image.to_string())).collect();
        assert_eq!(found, [("a", "sample".to_owned()), ("late", "rust:known-at-run-time".to_owned())]);
    }
}
