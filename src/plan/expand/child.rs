//! A child plan: its steps become steps of the stage that the node is in.
//!
//! Every name in it gets the node's id in front. The order of its stages becomes needs; what its first
//! stage waits for is what the node waits for. The capture is common when both plans call it the
//! same; the run's own time limit holds for both.

use super::{ExpandError, Expansion, Growth, rename_needs, stage_mut};
use crate::base::StepId;
use crate::plan::{
    After, Condition, LateNode, Mount, Needs, Part, Plan, Stage, Step, Text, Volume, texts, validate, wire,
};

/// Grows a child plan.
pub(super) fn grow(
    expansion: &mut Expansion<'_>,
    node: &LateNode,
    output: &str,
    stage: usize,
) -> Result<Growth, ExpandError> {
    let LateNode::ChildPlan { id, needs, .. } = node else { return Ok(Growth::default()) };
    let plan =
        wire::from_json(output).map_err(|source| ExpandError::ChildUnreadable { id: id.clone(), source })?;
    validate::validate(&plan).map_err(|errors| ExpandError::ChildInvalid { id: id.clone(), errors })?;
    let host = stage_mut(&mut expansion.plan, stage).map(|stage| stage.on_step_failure).unwrap_or_default();
    if let Some(what) = unfit(&plan, |stage| stage.on_step_failure != host) {
        return Err(ExpandError::ChildUnfit { id: id.clone(), what });
    }
    let common = plan.volumes.iter().filter(|(name, volume)| {
        matches!(volume, Volume::Capture { .. }) && expansion.plan.volumes.get(*name) == Some(*volume)
    });
    let child = Child { id, common: common.map(|(name, _)| name.clone()).collect() };
    let mut growth = Growth::default();
    for stage in plan.stages {
        child.flatten(stage, needs.as_ref(), &mut growth);
    }
    for step in &growth.steps {
        expansion.claim(&step.id)?;
    }
    for (name, volume) in plan.volumes {
        let name = child.volume(&name);
        if !child.common.contains(&name) && expansion.plan.volumes.insert(name.clone(), volume).is_some() {
            return Err(ExpandError::DuplicateName { name });
        }
    }
    for (name, mut scope) in plan.scopes {
        scope.within = scope.within.map(|outer| child.name(&outer));
        for service in &mut scope.services {
            child.mounts(&mut service.mounts);
            texts::of_service_mut(service).for_each(|text| child.text(text));
        }
        expansion.add_scope(child.name(&name), scope)?;
    }
    growth.instead.insert(id.clone(), waited_for(&growth));
    Ok(growth)
}

/// What a child plan asks for that cannot be kept once its stages are gone.
fn unfit(plan: &Plan, fails_otherwise: impl Fn(&Stage) -> bool) -> Option<&'static str> {
    let mut stages = plan.stages.iter();
    if plan.on_failure.is_some() {
        Some("`on_failure` steps")
    } else if plan.finally.is_some() {
        Some("`finally` steps")
    } else if stages.clone().any(|stage| stage.timeout.is_some()) {
        Some("a time limit for a stage")
    } else if stages.clone().any(fails_otherwise) {
        Some("another rule for what a failed step does to the others of its stage")
    } else if stages.any(|stage| stage.steps.iter().any(|step| matches!(step.condition, Condition::Late(_))))
    {
        Some("a condition that is decided at run time")
    } else {
        None
    }
}

/// The ids of everything that grew so far.
fn waited_for(growth: &Growth) -> Vec<StepId> {
    let late = growth.late.iter().flat_map(|node| match node {
        LateNode::Matrix { template, .. } => template.iter().map(|step| &step.id).collect(),
        LateNode::ChildPlan { id, .. } => vec![id],
    });
    growth.steps.iter().map(|step| &step.id).chain(late).cloned().collect()
}

struct Child<'a> {
    id: &'a StepId,
    /// Volumes that are the parent's own.
    common: Vec<String>,
}

impl Child<'_> {
    fn flatten(&self, stage: Stage, first: Option<&Needs>, growth: &mut Growth) {
        let earlier = waited_for(growth);
        let needs = if earlier.is_empty() { first.cloned() } else { Some(Needs::All(earlier)) };
        let adopt = |mut step: Step| {
            self.step(&mut step);
            self.needs(&mut step.needs, first, needs.as_ref());
            if step.after == After::Success {
                step.after = stage.after;
            }
            step
        };
        growth.steps.extend(stage.steps.into_iter().map(adopt));
        growth.late.extend(stage.late.into_iter().map(|node| match node {
            LateNode::Matrix { step, key, env, template } => {
                let template = template.into_iter().map(adopt).collect();
                LateNode::Matrix { step: self.step_id(&step), key, env, template }
            }
            LateNode::ChildPlan { id, needs: mut own, step, key } => {
                self.needs(&mut own, first, needs.as_ref());
                LateNode::ChildPlan { id: self.step_id(&id), needs: own, step: self.step_id(&step), key }
            }
        }));
    }

    fn step(&self, step: &mut Step) {
        step.id = self.step_id(&step.id);
        step.name = format!("{}: {}", self.id, step.name);
        self.mounts(&mut step.mounts);
        if let Some(scope) = &mut step.scope {
            *scope = self.name(scope);
        }
        texts::of_step_mut(step).for_each(|text| self.text(text));
    }

    /// At once, for a child's step, is when the child starts.
    fn needs(&self, needs: &mut Option<Needs>, first: Option<&Needs>, stage: Option<&Needs>) {
        match needs {
            Some(Needs::All(steps)) if steps.is_empty() => *needs = first.cloned(),
            Some(named) => rename_needs(named, |id| Some(vec![self.step_id(id)])),
            None => *needs = stage.cloned(),
        }
    }

    fn mounts(&self, mounts: &mut [Mount]) {
        for mount in mounts {
            mount.volume = self.volume(&mount.volume);
        }
    }

    fn text(&self, text: &mut Text) {
        let Text::Late(parts) = text else { return };
        for part in parts {
            match part {
                Part::Output { step, .. } => *step = self.step_id(step),
                Part::Outputs { steps, .. } => steps.iter_mut().for_each(|step| *step = self.step_id(step)),
                Part::Literal(_) | Part::Element => {}
            }
        }
    }

    fn volume(&self, name: &str) -> String {
        if self.common.iter().any(|common| common == name) { name.to_owned() } else { self.name(name) }
    }

    fn step_id(&self, id: &StepId) -> StepId {
        StepId::new(self.name(id.as_str()))
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.id)
    }
}
