//! Small plans for the tests of every room.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{After, AllowFailure, Image, Mount, Needs, Network, OnStepFailure, Plan, Program, Sharing};
use super::{Stage, Step, VERSION, Volume};
use crate::base::{StageId, StepId};

/// A plan of these stages, with a shared capture named `workspace`.
pub(crate) fn plan(stages: impl IntoIterator<Item = Stage>) -> Plan {
    Plan {
        version: VERSION,
        name: "sample".to_owned(),
        dialect: "native".to_owned(),
        file: Some("windlass.yml".to_owned()),
        timeout: Duration::from_hours(6),
        volumes: [("workspace".to_owned(), Volume::Capture { sharing: Sharing::Shared })].into(),
        scopes: [].into(),
        stages: stages.into_iter().collect(),
        on_failure: None,
        finally: None,
    }
}

/// A stage of these steps.
pub(crate) fn stage(id: &str, steps: impl IntoIterator<Item = Step>) -> Stage {
    Stage {
        id: StageId::new(id),
        after: After::Success,
        on_step_failure: OnStepFailure::CancelSiblings,
        timeout: None,
        steps: steps.into_iter().collect(),
        late: vec![],
    }
}

/// A step that runs `true` in the image `sample`.
pub(crate) fn step(id: &str) -> Step {
    script(id, "true")
}

/// A step that runs a script in the image `sample`.
pub(crate) fn script(id: &str, body: &str) -> Step {
    Step {
        id: StepId::new(id),
        name: id.to_owned(),
        image: Image::Reference("sample".into()),
        program: Program::Script {
            interpreter: vec!["sh".to_owned(), "-e".to_owned()],
            body: body.into(),
            args: vec![],
        },
        after_script: None,
        env: [].into(),
        secrets: vec![],
        user: None,
        workdir: None,
        mounts: vec![Mount {
            volume: "workspace".to_owned(),
            path: "/workspace".to_owned(),
            sub_path: None,
            read_only: false,
        }],
        scope: None,
        network: Network::Own,
        resources: super::Resources::default(),
        timeout: Duration::from_hours(1),
        grace: Duration::from_secs(10),
        needs: None,
        after: After::Success,
        allow_failure: AllowFailure::No,
        retry: super::Retry::default(),
        condition: super::Condition::True,
        gate: None,
        wait_for: None,
        instance_of: None,
        substitute: vec![],
        outputs: vec![],
        line: None,
    }
}

/// The step, waiting for these alone.
pub(crate) fn needs<const N: usize>(step: Step, names: [&str; N]) -> Step {
    Step { needs: Some(Needs::All(names.map(StepId::new).to_vec())), ..step }
}

/// What a random step needs: nothing named, or earlier steps by number, of which all or any.
type Shape = (Option<(bool, Vec<prop::sample::Index>)>, bool, u8);

/// Valid plans of up to 24 steps that need steps of their own and of earlier stages.
pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    let needs = prop::option::weighted(0.5, (any::<bool>(), vec(any::<prop::sample::Index>(), 0..3)));
    let stages = vec((vec((needs, any::<bool>(), 0..3u8), 0..6), 0..6u8), 0..5);
    stages.prop_map(|stages| {
        let mut names: Vec<StepId> = vec![];
        let mut made = vec![];
        for (number, (steps, rules)) in stages.into_iter().enumerate() {
            let steps =
                steps.into_iter().map(|shape: Shape| random_step(&mut names, shape)).collect::<Vec<_>>();
            let mut stage = stage(&format!("stage-{number}"), steps);
            stage.on_step_failure =
                [OnStepFailure::CancelSiblings, OnStepFailure::StartNothingNew, OnStepFailure::GoOn]
                    [usize::from(rules % 3)];
            stage.after = if rules < 4 { After::Success } else { After::Always };
            made.push(stage);
        }
        let mut plan = plan(made);
        plan.on_failure = Some(stage("on_failure", [step("tell")]));
        plan.finally = Some(stage("finally", [step("tidy"), step("sweep")]));
        plan
    })
}

fn random_step(names: &mut Vec<StepId>, (needs, offline, after): Shape) -> Step {
    let mut made = step(&format!("step-{}", names.len()));
    made.network = if offline { Network::None } else { Network::Own };
    made.after = [After::Success, After::Always, After::Failure][usize::from(after)];
    made.needs = needs.map(|(all, picked)| {
        let picked = if names.is_empty() { vec![] } else { picked };
        let picked = picked.iter().map(|index| index.get(names).clone()).collect();
        if all { Needs::All(picked) } else { Needs::Any(picked) }
    });
    names.push(made.id.clone());
    made
}
