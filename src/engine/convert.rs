//! From a step of the plan to the final description of its container. Pure; what this version cannot
//! do is refused here, never left out in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::environment::{Aftermath, Setting, WORKSPACE, built_in};
use crate::backend::policy::{Policy, Refusal};
use crate::backend::{ContainerSpec, Privileges, ProgramSpec};
use crate::base::{Bytes, RunId, StageId, StepId};
use crate::plan::{Image, Mount, Plan, Program, Resources, Scope, Sharing, Stage, Step, Text, Volume};

/// Processes and threads of a step that does not say (language L3).
const DEFAULT_PIDS: u32 = 4096;
const HOST: &str = "the image `host`";

/// What all containers of a run have in common.
pub(super) struct Common {
    pub(super) run: RunId,
    pub(super) backend: String,
    pub(super) env: BTreeMap<String, String>,
    pub(super) overrides: BTreeMap<String, String>,
    pub(super) lanes: BTreeMap<StepId, u32>,
    pub(super) log_limit: Bytes,
    pub(super) policy: Arc<Policy>,
}

/// An attempt that cannot or must not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpecError {
    #[error("step `{step}` asks for {feature}, which this version cannot do")]
    Unsupported { step: StepId, feature: &'static str },
    #[error("stage `{stage}` asks for steps that come from an output, which this version cannot do")]
    LateSteps { stage: StageId },
    #[error("step `{step}` holds an output of another step, which this version cannot put in")]
    LateText { step: StepId },
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Says what a plan asks for that this version cannot do, by step and feature; a plan with any of it
/// must be refused before anything starts.
pub fn unsupported(plan: &Plan) -> Vec<String> {
    let late = plan.all_stages().filter(|stage| !stage.late.is_empty());
    let late = late.map(|stage| SpecError::LateSteps { stage: stage.id.clone() });
    let steps = plan.all_steps().flat_map(|(_, step)| {
        let refuse = |feature| SpecError::Unsupported { step: step.id.clone(), feature };
        missing(plan, step).into_iter().map(refuse)
    });
    late.chain(steps).map(|error| error.to_string()).collect()
}

fn missing(plan: &Plan, step: &Step) -> Vec<&'static str> {
    let scope = step.scope.as_ref().and_then(|name| plan.scopes.get(name));
    let follows_cmd = matches!(step.program, Program::Entrypoint { args_follow_cmd: true, .. });
    let checks = [
        (scope.is_some_and(|scope| !scope.services.is_empty()), "services"),
        (scope.is_some_and(|scope| *scope != only_services(scope)), "steps that share a scope"),
        (step.after_script.is_some(), "a script after its own"),
        (!step.secrets.is_empty(), "secrets"),
        (!step.outputs.is_empty(), "outputs"),
        (
            step.mounts.iter().any(|mount| !is_workspace(plan, mount)),
            "another mount than the shared workspace",
        ),
        (step.image == Image::Host, HOST),
        (follows_cmd, "arguments that follow those of the image"),
    ];
    checks.into_iter().filter_map(|(asked, feature)| asked.then_some(feature)).collect()
}

/// The scope with nothing in common but its services.
fn only_services(scope: &Scope) -> Scope {
    Scope { services: scope.services.clone(), ..Scope::default() }
}

fn is_workspace(plan: &Plan, mount: &Mount) -> bool {
    let shared = Volume::Capture { sharing: Sharing::Shared };
    plan.volumes.get(&mount.volume) == Some(&shared)
        && mount.path == WORKSPACE
        && mount.sub_path.is_none()
        && !mount.read_only
}

impl Common {
    /// Describes the container of one attempt, and asks the policy about it.
    ///
    /// # Errors
    /// [`SpecError`], when it cannot or must not be started.
    pub(super) fn spec(
        &self,
        plan: &Plan,
        (stage, step): (&Stage, &Step),
        attempt: u32,
        aftermath: Option<&Aftermath>,
    ) -> Result<ContainerSpec, SpecError> {
        if let Some(feature) = missing(plan, step).first() {
            return Err(SpecError::Unsupported { step: step.id.clone(), feature });
        }
        let late = || SpecError::LateText { step: step.id.clone() };
        let workspace = !step.mounts.is_empty();
        let setting =
            Setting { run: &self.run, backend: &self.backend, stage, step, attempt, workspace, aftermath };
        let mut env = self.env.clone();
        env.extend(built_in(&setting));
        for (name, value) in &step.env {
            env.insert(name.clone(), value.known().ok_or_else(late)?.to_owned());
        }
        env.extend(self.overrides.clone());
        let image = match &step.image {
            Image::Reference(reference) => reference.known().ok_or_else(late)?.to_owned(),
            Image::Host => return Err(SpecError::Unsupported { step: step.id.clone(), feature: HOST }),
        };
        let spec = ContainerSpec {
            step: step.id.clone(),
            attempt,
            image,
            program: program(&step.program).ok_or_else(late)?,
            env,
            secrets: Vec::new(),
            user: step.user.clone(),
            workdir: step.workdir.clone().or(workspace.then(|| WORKSPACE.to_owned())),
            workspace,
            network: step.network,
            resources: Resources {
                pids: step.resources.pids.or(Some(DEFAULT_PIDS)),
                ..step.resources.clone()
            },
            timeout: step.timeout,
            grace: step.grace,
            log_limit: self.log_limit.0,
            lane: self.lanes.get(&step.id).copied(),
            privileges: Privileges::default(),
        };
        self.policy.check(&spec)?;
        Ok(spec)
    }
}

/// What the container runs; none when part of it is not known yet.
fn program(program: &Program) -> Option<ProgramSpec> {
    let all = |texts: &[Text]| texts.iter().map(known).collect::<Option<Vec<_>>>();
    Some(match program {
        Program::Script { interpreter, body, args } => {
            ProgramSpec::Script { interpreter: interpreter.clone(), body: known(body)?, args: all(args)? }
        }
        Program::Command(words) => ProgramSpec::Command(all(words)?),
        Program::Entrypoint { args, args_follow_cmd: _ } => ProgramSpec::Entrypoint { args: all(args)? },
    })
}

fn known(text: &Text) -> Option<String> {
    text.known().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Outcome;
    use crate::plan::sample::{plan, script, stage, step};
    use crate::plan::{AfterScript, Part, SecretUse};

    fn common() -> Common {
        Common {
            run: RunId::new("run-1"),
            backend: "docker 29 (unix:///var/run/docker.sock)".to_owned(),
            env: [("WINDLASS_GIT_SHA".to_owned(), "abc".to_owned())].into(),
            overrides: [("WHO".to_owned(), "caller".to_owned())].into(),
            lanes: [(StepId::new("a"), 7)].into(),
            log_limit: Bytes(1000),
            policy: Arc::default(),
        }
    }

    fn spec(step: Step, aftermath: Option<&Aftermath>) -> Result<ContainerSpec, SpecError> {
        let stage = stage("build", []);
        let plan = plan([]);
        common().spec(&plan, (&stage, &step), 2, aftermath)
    }

    #[test]
    fn a_step_becomes_a_container_with_all_defaults_filled_in() {
        let mut step = script("a", "make");
        step.env = [("WHO".to_owned(), "file".into()), ("CI".to_owned(), "maybe".into())].into();
        let spec = spec(step, None).expect("the step asks for nothing special");
        assert_eq!(spec.resources.pids, Some(4096));
        assert_eq!(spec.workdir.as_deref(), Some("/workspace"));
        assert_eq!((spec.lane, spec.attempt, spec.log_limit), (Some(7), 2, 1000));
        let env: Vec<String> = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(env.join("\n"), @r"
        CI=maybe
        GIT_CONFIG_COUNT=1
        GIT_CONFIG_KEY_0=safe.directory
        GIT_CONFIG_VALUE_0=/workspace
        WHO=caller
        WINDLASS=true
        WINDLASS_ATTEMPT=2
        WINDLASS_BACKEND=docker
        WINDLASS_GIT_SHA=abc
        WINDLASS_RUN=run-1
        WINDLASS_STAGE=build
        WINDLASS_STEP=a
        WINDLASS_WORKSPACE=/workspace
        ");
    }

    #[test]
    fn without_a_workspace_nothing_speaks_of_one() {
        let mut step = step("a");
        step.mounts.clear();
        let spec = spec(step, None).expect("the step asks for nothing special");
        assert_eq!(spec.workdir, None);
        assert!(!spec.env.keys().any(|name| name.starts_with("GIT_") || name == "WINDLASS_WORKSPACE"));
    }

    #[test]
    fn the_last_stages_are_told_what_happened() {
        let failed = vec![StepId::new("unit"), StepId::new("lint")];
        let aftermath = Aftermath { outcome: Outcome::Failed, failed };
        let spec = spec(step("tidy"), Some(&aftermath)).expect("the step asks for nothing special");
        let told = |name: &str| spec.env.get(name).map(String::as_str);
        assert_eq!(told("WINDLASS_OUTCOME"), Some("failed"));
        assert_eq!(told("WINDLASS_FAILED_STEP"), Some("unit"));
        assert_eq!(told("WINDLASS_FAILED_STEPS"), Some("unit lint"));
    }

    #[test]
    fn what_cannot_be_done_is_named_and_refused() {
        let mut greedy = step("greedy");
        greedy.secrets = vec![SecretUse { name: "TOKEN".to_owned(), env: None, file: None }];
        greedy.outputs = vec!["version".to_owned()];
        let timeout = std::time::Duration::from_secs(1);
        let program = Program::Command(vec!["true".into()]);
        greedy.after_script = Some(AfterScript { program, timeout, required: false });
        greedy.mounts[0].read_only = true;
        let plan = plan([stage("s", [step("plain"), greedy.clone()])]);
        assert_eq!(
            unsupported(&plan),
            [
                "step `greedy` asks for a script after its own, which this version cannot do",
                "step `greedy` asks for secrets, which this version cannot do",
                "step `greedy` asks for outputs, which this version cannot do",
                "step `greedy` asks for another mount than the shared workspace, which this version cannot do",
            ]
        );
        assert!(matches!(spec(greedy, None), Err(SpecError::Unsupported { .. })));
    }

    #[test]
    fn a_late_string_is_refused() {
        let mut late = step("late");
        let part = Part::Output { step: StepId::new("a"), key: "tag".to_owned() };
        late.image = Image::Reference(Text::Late(vec![part]));
        assert!(matches!(spec(late, None), Err(SpecError::LateText { .. })));
    }

    #[test]
    fn the_policy_has_the_last_word() {
        let mut odd = step("odd");
        odd.workdir = Some("/proc/self/fd/8".to_owned());
        let error = spec(odd, None).expect_err("it is refused");
        assert!(error.to_string().contains("/proc"), "{error}");
    }
}
