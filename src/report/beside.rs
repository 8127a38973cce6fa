//! The last lines of services that failed, for every step that has them beside it.

use std::collections::BTreeMap;

use crate::base::StepId;
use crate::plan::Plan;

/// A service: its scope and its name.
type Key = (String, String);

/// What is known of the services of a plan.
pub(super) struct Beside {
    steps: BTreeMap<StepId, Vec<Key>>,
    lines: BTreeMap<Key, Vec<String>>,
}

impl Beside {
    /// Nothing failed yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let steps = plan.all_steps().map(|(_, step)| {
            let services = plan.services_of(step);
            let keys = services.map(|(scope, service)| (scope.to_owned(), service.name.clone()));
            (step.id.clone(), keys.collect::<Vec<_>>())
        });
        Self { steps: steps.filter(|(_, keys)| !keys.is_empty()).collect(), lines: BTreeMap::new() }
    }

    /// Keeps the lines of a service that was started with a step.
    pub(super) fn failed(&mut self, step: &StepId, service: &str, lines: Vec<String>) {
        let known = self.steps.get(step).into_iter().flatten().find(|(_, name)| name == service);
        if let Some(key) = known {
            self.lines.insert(key.clone(), lines);
        }
    }

    /// The lines of all services of a step that failed.
    pub(super) fn lines(&self, step: &StepId) -> impl Iterator<Item = &String> {
        let keys = self.steps.get(step).into_iter().flatten();
        keys.filter_map(|key| self.lines.get(key)).flatten()
    }
}
