//! The plan of `windlass run --image`: one container, compiled from no file.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::{StageId, StepId};
use crate::plan::{
    After, AllowFailure, Condition, Image, Network, OnStepFailure, Plan, Program, Resources, Retry, Stage,
    Step, Text, VERSION,
};

const NAME: &str = "run";

/// A plan of one step that runs `command` in `image`, which was given as `name`, or the image's own program when it is empty.
pub(super) fn plan(name: &str, image: Image, command: &[String]) -> Plan {
    let words = || command.iter().cloned().map(Text::from).collect();
    let program = if command.is_empty() {
        Program::Entrypoint { args: Vec::new(), args_follow_cmd: false }
    } else {
        Program::Command(words())
    };
    let step = Step {
        id: StepId::new(NAME),
        name: NAME.to_owned(),
        image,
        program,
        after_script: None,
        env: BTreeMap::new(),
        secrets: Vec::new(),
        user: None,
        workdir: None,
        mounts: Vec::new(),
        scope: None,
        network: Network::Own,
        resources: Resources::default(),
        timeout: Duration::from_hours(1),
        grace: Duration::from_secs(10),
        needs: None,
        after: After::Success,
        allow_failure: AllowFailure::No,
        retry: Retry::default(),
        condition: Condition::True,
        gate: None,
        wait_for: None,
        instance_of: None,
        substitute: Vec::new(),
        outputs: Vec::new(),
        line: None,
    };
    let stage = Stage {
        id: StageId::new(NAME),
        after: After::Success,
        on_step_failure: OnStepFailure::CancelSiblings,
        timeout: None,
        steps: vec![step],
        late: Vec::new(),
    };
    Plan {
        version: VERSION,
        name: name.to_owned(),
        dialect: "native".to_owned(),
        file: None,
        timeout: Duration::from_hours(6),
        volumes: BTreeMap::new(),
        scopes: BTreeMap::new(),
        stages: vec![stage],
        on_failure: None,
        finally: None,
    }
}
