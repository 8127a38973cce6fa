//! From a step of the plan to the final description of its container. Pure; what this version cannot
//! do is refused here, never left out in silence.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::environment::{Aftermath, Setting, WORKSPACE, built_in};
use crate::backend::policy::{Policy, Refusal, Trust};
use crate::backend::{
    ContainerImage, ContainerSpec, GivenSecret, Privileges, ProgramSpec, SecretPlace, Substitution,
};
use crate::base::{Bytes, Reason, RunId, Secret, StageId, StepId};
use crate::plan::expand::{self, Lookup};
use crate::plan::{
    Image, Mount, Network, Plan, Program, Resources, Scope, SecretUse, Service, Sharing, Stage, Step, Text,
    Volume,
};

/// Processes and threads of a step that does not say (language L3).
const DEFAULT_PIDS: u32 = 4096;
const HOST: &str = "the image `host`";
const FOLLOWS: &str = "arguments that follow those of the image";
/// Longer than any run.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

/// What all containers of a run have in common.
pub(super) struct Common {
    pub(super) run: RunId,
    pub(super) backend: String,
    pub(super) env: BTreeMap<String, String>,
    pub(super) overrides: BTreeMap<String, String>,
    pub(super) lanes: BTreeMap<StepId, u32>,
    pub(super) log_limit: Bytes,
    pub(super) policy: Arc<Policy>,
    pub(super) secrets: BTreeMap<String, Secret>,
}

/// What is known of one attempt.
pub(super) struct Given<'a> {
    pub(super) attempt: u32,
    pub(super) aftermath: Option<&'a Aftermath>,
    /// The outputs of steps that have ended.
    pub(super) output: &'a Lookup<'a>,
}

/// An attempt that cannot or must not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpecError {
    #[error("step `{step}` asks for {feature}, which this version cannot do")]
    Unsupported { step: StepId, feature: &'static str },
    #[error("stage `{stage}` asks for steps that come from an output, which this version cannot do")]
    LateSteps { stage: StageId },
    #[error("step `{step}` takes the output `{key}` of step `{from}`, which ended without it")]
    NoOutput { step: StepId, from: StepId, key: String },
    #[error("step `{step}` takes the secret `{name}`, and nobody has given it")]
    NoSecret { step: StepId, name: String },
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl SpecError {
    /// The reason of a step that ends with it.
    pub(super) fn reason(&self) -> Reason {
        match self {
            SpecError::NoOutput { .. } => Reason::OutputInvalid,
            _ => Reason::CouldNotStart,
        }
    }
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
    let follows = |program: &Program| matches!(program, Program::Entrypoint { args_follow_cmd: true, .. });
    let checks = [
        (plan.scopes_of(step).any(|(_, scope)| *scope != only_services(scope)), "steps that share a scope"),
        (plan.services_of(step).any(|(_, service)| !service.mounts.is_empty()), "a service with a mount"),
        (
            plan.services_of(step).any(|(_, service)| service.image == Image::Host),
            "a service in the image `host`",
        ),
        (plan.services_of(step).any(|(_, service)| follows(&service.program)), FOLLOWS),
        (step.after_script.is_some(), "a script after its own"),
        (
            step.mounts.iter().any(|mount| !is_workspace(plan, mount)),
            "another mount than the shared workspace",
        ),
        (follows(&step.program), FOLLOWS),
    ];
    checks.into_iter().filter_map(|(asked, feature)| asked.then_some(feature)).collect()
}

/// The scope with nothing in common but its services.
fn only_services(scope: &Scope) -> Scope {
    Scope { services: scope.services.clone(), within: scope.within.clone(), ..Scope::default() }
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
        given: &Given<'_>,
    ) -> Result<ContainerSpec, SpecError> {
        let Given { attempt, aftermath, output } = *given;
        if let Some(feature) = missing(plan, step).first() {
            return Err(SpecError::Unsupported { step: step.id.clone(), feature });
        }
        let mut resolved = Cow::Borrowed(step);
        if step.texts().any(|text| text.known().is_none()) {
            expand::resolve(resolved.to_mut(), output).map_err(|(from, key)| SpecError::NoOutput {
                step: step.id.clone(),
                from,
                key,
            })?;
        }
        let step = resolved.as_ref();
        // All that is left then is the element of a matrix, which a valid plan has in templates alone.
        let late = || SpecError::Unsupported { step: step.id.clone(), feature: "the element of a matrix" };
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
            Image::Reference(reference) => ContainerImage::from(reference.known().ok_or_else(late)?),
            Image::File(file) => ContainerImage::File(file.clone()),
            Image::Host => return Err(SpecError::Unsupported { step: step.id.clone(), feature: HOST }),
        };
        let spec = ContainerSpec {
            step: step.id.clone(),
            attempt,
            service: None,
            image,
            program: program(&step.program).ok_or_else(late)?,
            env,
            secrets: self.secrets(step)?,
            user: step.user.clone(),
            workdir: step.workdir.clone().or(workspace.then(|| WORKSPACE.to_owned())),
            workspace,
            network: step.network,
            among_services: plan.services_of(step).next().is_some(),
            resources: Resources {
                pids: step.resources.pids.or(Some(DEFAULT_PIDS)),
                ..step.resources.clone()
            },
            timeout: step.timeout,
            grace: step.grace,
            log_limit: self.log_limit.0,
            lane: self.lanes.get(&step.id).copied(),
            no_new_privileges: self.policy.trust == Trust::Untrusted,
            privileges: Privileges::default(),
            substitution: self.substitution(step)?,
        };
        self.policy.check(&spec)?;
        Ok(spec)
    }

    /// What a step sees in the place of names in files.
    fn substitution(&self, step: &Step) -> Result<Option<Substitution>, SpecError> {
        if step.substitute.is_empty() {
            return Ok(None);
        }
        let listed = step.secrets.iter().map(|SecretUse { name, .. }| {
            let missing = || SpecError::NoSecret { step: step.id.clone(), name: name.clone() };
            Ok((name.clone(), self.secrets.get(name).ok_or_else(missing)?.clone()))
        });
        let patterns = step.substitute.clone();
        Ok(Some(Substitution { patterns, secrets: listed.collect::<Result<_, SpecError>>()? }))
    }

    /// What a step lists, and nothing else.
    fn secrets(&self, step: &Step) -> Result<Vec<GivenSecret>, SpecError> {
        let mut given = Vec::new();
        for SecretUse { name, env, file, unmasked: _ } in &step.secrets {
            let value = self.secrets.get(name);
            let missing = || SpecError::NoSecret { step: step.id.clone(), name: name.clone() };
            let value = value.ok_or_else(missing)?;
            let variable = env.iter().cloned().map(SecretPlace::Variable);
            let places = variable.chain(file.iter().cloned().map(SecretPlace::File));
            given.extend(places.map(|place| GivenSecret { value: value.clone(), place }));
        }
        Ok(given)
    }

    /// Describes the container of a service that starts with an attempt of a step, and asks the policy
    /// about it.
    ///
    /// # Errors
    /// [`SpecError`], when it cannot or must not be started.
    pub(super) fn service(
        &self,
        plan: &Plan,
        step: &Step,
        attempt: u32,
        service: &Service,
        output: &Lookup<'_>,
    ) -> Result<ContainerSpec, SpecError> {
        if let Some(feature) = missing(plan, step).first() {
            return Err(SpecError::Unsupported { step: step.id.clone(), feature });
        }
        let mut resolved = Cow::Borrowed(service);
        if service.texts().any(|text| text.known().is_none()) {
            expand::resolve_service(resolved.to_mut(), output)
                .map_err(|(from, key)| SpecError::NoOutput { step: step.id.clone(), from, key })?;
        }
        let service = resolved.as_ref();
        let late = || SpecError::Unsupported { step: step.id.clone(), feature: "the element of a matrix" };
        let env = service.env.iter().map(|(name, value)| Some((name.clone(), known(value)?)));
        let image = match &service.image {
            Image::Reference(reference) => ContainerImage::from(reference.known().ok_or_else(late)?),
            Image::File(file) => ContainerImage::File(file.clone()),
            Image::Host => return Err(SpecError::Unsupported { step: step.id.clone(), feature: HOST }),
        };
        let spec = ContainerSpec {
            step: step.id.clone(),
            attempt,
            service: Some(service.name.clone()),
            image,
            program: program(&service.program).ok_or_else(late)?,
            env: env.collect::<Option<_>>().ok_or_else(late)?,
            secrets: Vec::new(),
            user: None,
            workdir: None,
            workspace: false,
            network: Network::Own,
            among_services: true,
            resources: Resources {
                pids: service.resources.pids.or(Some(DEFAULT_PIDS)),
                ..service.resources.clone()
            },
            timeout: FOR_EVER,
            grace: Duration::ZERO,
            log_limit: self.log_limit.0,
            lane: None,
            no_new_privileges: self.policy.trust == Trust::Untrusted,
            privileges: Privileges::default(),
            substitution: None,
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
    use crate::plan::{AfterScript, Part};

    fn common() -> Common {
        Common {
            run: RunId::new("run-1"),
            backend: "docker 29 (unix:///var/run/docker.sock)".to_owned(),
            env: [("WINDLASS_GIT_SHA".to_owned(), "abc".to_owned())].into(),
            overrides: [("WHO".to_owned(), "caller".to_owned())].into(),
            lanes: [(StepId::new("a"), 7)].into(),
            log_limit: Bytes(1000),
            policy: Arc::new(Policy { trust: Trust::Trusted, ..Policy::default() }),
            secrets: [("TOKEN".to_owned(), Secret::new("hunter2-hunter2").expect("it is long enough"))]
                .into(),
        }
    }

    fn spec(step: Step, aftermath: Option<&Aftermath>) -> Result<ContainerSpec, SpecError> {
        let stage = stage("build", []);
        let plan = plan([]);
        let output = |step: &StepId, key: &str| (step.as_str() == "a" && key == "tag").then_some("1.2");
        common().spec(&plan, (&stage, &step), &Given { attempt: 2, aftermath, output: &output })
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
        let timeout = std::time::Duration::from_secs(1);
        let program = Program::Command(vec!["true".into()]);
        greedy.after_script = Some(AfterScript { program, timeout, required: false });
        greedy.mounts[0].read_only = true;
        let plan = plan([stage("s", [step("plain"), greedy.clone()])]);
        assert_eq!(
            unsupported(&plan),
            [
                "step `greedy` asks for a script after its own, which this version cannot do",
                "step `greedy` asks for another mount than the shared workspace, which this version cannot do",
            ]
        );
        assert!(matches!(spec(greedy, None), Err(SpecError::Unsupported { .. })));
    }

    #[test]
    fn a_late_string_gets_its_outputs() {
        let late = |key: &str| {
            let part = Part::Output { step: StepId::new("a"), key: key.to_owned() };
            let image = Text::Late(vec![Part::Literal("rust:".to_owned()), part]);
            Step { image: Image::Reference(image), ..step("late") }
        };
        assert_eq!(spec(late("tag"), None).expect("the output is there").image, "rust:1.2".into());
        let error = spec(late("other"), None).expect_err("there is no such output");
        assert_eq!(error.reason(), Reason::OutputInvalid);
        let message = "step `late` takes the output `other` of step `a`, which ended without it";
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn a_step_gets_the_secrets_that_it_lists() {
        let takes = |name: &str| {
            let (env, file) = (Some("VARIABLE".to_owned()), Some("/run/file".to_owned()));
            let taken = SecretUse { name: name.to_owned(), env, file, unmasked: false };
            Step { secrets: vec![taken], ..step("deploy") }
        };
        let given = spec(takes("TOKEN"), None).expect("the secret is there");
        assert_eq!((given.secrets.len(), given.env.contains_key("VARIABLE")), (2, false));
        assert!(!format!("{given:?}").contains("hunter2"));
        assert!(matches!(spec(takes("OTHER"), None), Err(SpecError::NoSecret { .. })));
        assert_eq!(spec(step("other"), None).expect("it lists none").secrets, []);
    }

    #[test]
    fn the_policy_has_the_last_word() {
        let mut odd = step("odd");
        odd.workdir = Some("/proc/self/fd/8".to_owned());
        let error = spec(odd, None).expect_err("it is refused");
        assert!(error.to_string().contains("/proc"), "{error}");
    }
}
