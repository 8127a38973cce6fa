//! What is fetched before the first step starts. It decides nothing about what runs.

use std::sync::Arc;

use super::Dispatcher;
use crate::engine::convert::Given;
use crate::plan::{Condition, Image, Text};

impl Dispatcher {
    /// Asks for the images of all steps that may run, all at once.
    pub(super) fn request_images(&mut self) {
        let plan = Arc::clone(&self.plan);
        for (stage, step) in plan.all_steps() {
            // Nothing is fetched for a step that nobody may agree to, or whose image may still have to come.
            let may_run = step.condition == Condition::True && step.gate.is_none() && step.wait_for.is_none();
            // A spec that the policy refuses is no reason to fetch anything.
            // Nor is an image whose name is not known yet one to fetch; other strings may come later.
            let named = !matches!(&step.image, Image::Reference(Text::Late(_)));
            let setting = Given { attempt: 1, aftermath: None, output: &|_, _| Some("") };
            if may_run
                && named
                && let Ok(spec) = self.common.spec(&plan, (stage, step), &setting)
            {
                self.images.request(&self.world, &spec.image, false);
                let services = plan.services_of(step).map(|(_, service)| service);
                for spec in services
                    .filter_map(|service| self.common.service(&plan, step, 1, service, &|_, _| None).ok())
                {
                    self.images.request(&self.world, &spec.image, false);
                }
            }
        }
    }
}
