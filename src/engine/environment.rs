//! The environment that windlass itself gives to a step (language L13, L7), and who wins over whom.

use std::collections::BTreeMap;

use crate::base::{Outcome, RunId, StepId};
use crate::plan::{Stage, Step};

/// Where the workspace is in every container.
pub(super) const WORKSPACE: &str = "/workspace";

/// What the steps of `on_failure` and `finally` are told about the run before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aftermath {
    /// The outcome so far.
    pub(super) outcome: Outcome,
    /// Required steps that failed or were lost, in the order in which they ended.
    pub(super) failed: Vec<StepId>,
}

/// Who is asking.
pub(super) struct Setting<'a> {
    pub(super) run: &'a RunId,
    pub(super) backend: &'a str,
    pub(super) stage: &'a Stage,
    pub(super) step: &'a Step,
    pub(super) attempt: u32,
    pub(super) workspace: bool,
    pub(super) aftermath: Option<&'a Aftermath>,
}

/// The built-in variables of one attempt.
pub(super) fn built_in(setting: &Setting<'_>) -> BTreeMap<String, String> {
    let word = setting.backend.split_whitespace().next().unwrap_or_default();
    let mut env = BTreeMap::new();
    let mut set = |name: &str, value: String| _ = env.insert(name.to_owned(), value);
    set("CI", "true".to_owned());
    set("WINDLASS", "true".to_owned());
    set("WINDLASS_RUN", setting.run.to_string());
    set("WINDLASS_STAGE", setting.stage.id.to_string());
    set("WINDLASS_STEP", setting.step.id.to_string());
    set("WINDLASS_ATTEMPT", setting.attempt.to_string());
    set("WINDLASS_BACKEND", word.to_owned());
    if setting.workspace {
        set("WINDLASS_WORKSPACE", WORKSPACE.to_owned());
        // The tree belongs to another user than the step's, and git would refuse to look at it (L16).
        set("GIT_CONFIG_COUNT", "1".to_owned());
        set("GIT_CONFIG_KEY_0", "safe.directory".to_owned());
        set("GIT_CONFIG_VALUE_0", WORKSPACE.to_owned());
    }
    if let Some(aftermath) = setting.aftermath {
        let names: Vec<&str> = aftermath.failed.iter().map(StepId::as_str).collect();
        set("WINDLASS_OUTCOME", aftermath.outcome.to_string());
        set("WINDLASS_FAILED_STEP", names.first().copied().unwrap_or_default().to_owned());
        set("WINDLASS_FAILED_STEPS", names.join(" "));
    }
    env
}
