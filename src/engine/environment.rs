//! The environment that windlass itself gives to a step (language L13, L7), and who wins over whom.

use std::collections::BTreeMap;

use crate::base::{Outcome, RunId, StepId};
use crate::plan::{Plan, Stage, Step};

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

/// A built-in value, as far as it is known before a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// What it is.
    Known(String),
    /// What it will be.
    AtRunTime(&'static str),
}

/// What only a run knows.
const AT_RUN_TIME: [(&str, &str); 7] = [
    ("WINDLASS_RUN", "the run's id"),
    ("WINDLASS_ATTEMPT", "1, and one more with each retry"),
    ("WINDLASS_BACKEND", "where the step runs"),
    ("WINDLASS_OUTPUT", "the file that outputs are written to"),
    ("WINDLASS_OUTCOME", "the outcome so far"),
    ("WINDLASS_FAILED_STEP", "the first step that failed"),
    ("WINDLASS_FAILED_STEPS", "all steps that failed"),
];

/// The built-in variables of a step that do not depend on its source, before a run.
pub fn built_ins(plan: &Plan, stage: &Stage, step: &Step) -> BTreeMap<String, BuiltIn> {
    let last = plan.on_failure.iter().chain(&plan.finally).any(|last| last.id == stage.id);
    let aftermath = Aftermath { outcome: Outcome::Passed, failed: Vec::new() };
    let setting = Setting {
        run: &RunId::new("unknown"),
        backend: "",
        stage,
        step,
        attempt: 1,
        workspace: !step.mounts.is_empty(),
        aftermath: last.then_some(&aftermath),
    };
    let mut env = built_in(&setting);
    // The helper sets it, where it has made the file.
    env.insert("WINDLASS_OUTPUT".to_owned(), String::new());
    let known = |(name, value): (String, String)| {
        let later = AT_RUN_TIME.iter().find(|(later, _)| *later == name);
        let value = later.map_or(BuiltIn::Known(value), |(_, what)| BuiltIn::AtRunTime(what));
        (name, value)
    };
    env.into_iter().map(known).collect()
}
