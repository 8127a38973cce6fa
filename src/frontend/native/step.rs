//! Lowers one step.

use std::time::Duration;

use super::declared::Declared;
use super::environment::Environments;
use super::keys;
use super::program::default_shell;
use super::read::{Field, Reader};
use super::scope::Variables;
use super::secrets::{Beside, Secrets};
use super::services::Around;
use crate::base::StepId;
use crate::frontend::codes;
use crate::frontend::lines::Lines;
use crate::frontend::origin::names;
use crate::frontend::yaml::Value;
use crate::plan::{After, AllowFailure, Condition, Image, Mount, Network, Resources, Retry, Step, Text};

/// The name of the volume that every native step mounts.
pub(super) const WORKSPACE: &str = "workspace";

const WORKSPACE_PATH: &str = "/workspace";
const TIMEOUT: Duration = Duration::from_hours(1);
const GRACE: Duration = Duration::from_secs(10);

/// What steps take that do not say otherwise.
pub(super) struct Defaults {
    pub(super) image: Option<Image>,
    /// `defaults` has an image, though perhaps one that is wrong and reported already.
    pub(super) has_image: bool,
    shell: Vec<String>,
    user: Option<String>,
    timeout: Duration,
    resources: Resources,
    retry: Retry,
}

/// Where a list of steps stands.
pub(super) struct Place<'p> {
    /// Number of the stage, `on_failure` and `finally` after all others.
    pub(super) stage: usize,
    /// The name of the part for the steps of `on_failure` and `finally`, which begin after all else
    /// and wait for nobody outside.
    pub(super) apart: Option<&'static str>,
    pub(super) defaults: &'p Defaults,
    pub(super) secrets: &'p Secrets,
    pub(super) env: &'p Variables,
    pub(super) environments: &'p Environments<'p>,
    /// The environment that the run has chosen.
    pub(super) chosen: Option<&'p str>,
    /// Why none of the steps runs, if none does.
    pub(super) skipped: Option<&'p str>,
    /// The services around the steps.
    pub(super) around: &'p Around,
    pub(super) lines: &'p Lines<'p>,
}

impl Defaults {
    /// How much text each step takes over.
    pub(super) fn size(&self) -> usize {
        let image = match &self.image {
            Some(Image::Reference(Text::Known(reference))) => reference.len(),
            Some(Image::File(file)) => file.path.len() + file.name.as_ref().map_or(0, String::len),
            Some(Image::Reference(Text::Late(_)) | Image::Host) | None => 0,
        };
        image + self.shell.iter().map(|word| word.len() + size_of::<String>()).sum::<usize>()
    }
}

impl Reader<'_> {
    pub(super) fn defaults(&mut self, field: Option<Field<'_, '_>>) -> Defaults {
        let mut defaults = Defaults {
            image: None,
            has_image: false,
            shell: default_shell(),
            user: None,
            timeout: TIMEOUT,
            resources: Resources::default(),
            retry: Retry::default(),
        };
        let Some(field) = field else { return defaults };
        let fields = self.fields(&keys::DEFAULTS, field);
        if let Some(field) = fields.get("image") {
            defaults.has_image = true;
            defaults.image = self.image(field);
        }
        if let Some(shell) = fields.get("shell").and_then(|field| self.shell(field)) {
            defaults.shell = shell;
        }
        defaults.user = fields.get("user").and_then(|field| self.user(field));
        if let Some(timeout) = fields.get("timeout").and_then(|field| self.duration(field)) {
            defaults.timeout = timeout;
        }
        if let Some(field) = fields.get("resources") {
            self.resources(field, &mut defaults.resources);
        }
        if let Some(field) = fields.get("retry") {
            defaults.retry = self.retry(field);
        }
        defaults
    }

    /// Lowers a step, still once and without what it needs, which only all steps together can tell;
    /// and how it was declared, if it has a name. What is wrong is reported and stands in the step as if
    /// it had been left out.
    pub(super) fn step<'n>(
        &mut self,
        field: Field<'n, '_>,
        place: &Place<'_>,
    ) -> (Step, Option<Declared<'n>>) {
        let fields = self.fields(&keys::STEP, field);
        let defaults = place.defaults;
        let name = fields.get("name").and_then(|field| self.name(field).map(|name| (name, field.node.span)));
        let skipped = fields
            .get("environments")
            .and_then(|field| self.skipped_in(field, place.environments, place.chosen));
        let skipped = place.skipped.map(str::to_owned).or(skipped);
        self.scope.place.step = name.map(|(name, _)| name.to_owned());
        self.scope.enter(place.env.clone());
        let own = fields.get("env").map(|field| self.environment(field)).unwrap_or_default();
        self.scope.extend(&own);
        let needed = fields.get("needs").map(|field| self.needs(field));
        let image = self.step_image(&fields, name, defaults);
        let program = self.program(&fields, &defaults.shell);
        let user = fields.get("user").and_then(|field| self.user(field));
        let timeout = fields.get("timeout").and_then(|field| self.duration(field));
        let mut resources = defaults.resources.clone();
        if let Some(field) = fields.get("resources") {
            self.resources(field, &mut resources);
        }
        let no_network = fields.get("network").filter(|field| self.choice(*field, keys::NETWORK).is_some());
        let services = self.services(&fields, place.around, place.lines);
        if let Some(field) = no_network {
            self.reaches(field, &services);
        }
        let after = fields.get("after").and_then(|field| self.after(field));
        let allow_failure = fields.get("allow_failure").map(|field| self.allow_failure(field));
        let retry = fields.get("retry").map(|field| self.retry(field));
        let matrix = fields.get("matrix").and_then(|field| {
            let taken = names(self.scope.env().texts());
            self.matrix(field, &taken, place.environments)
        });
        let when = fields.get("when").and_then(|field| self.when(field));
        let gate = fields.get("gate").and_then(|field| self.gate(field, place.apart));
        let wait_for = fields.get("wait_for").and_then(|field| self.wait_for(field, &services, place.around));
        let secrets = fields.get("secrets").map(|field| {
            let taken = names(self.scope.env().texts());
            let beside = Beside { env: taken, environments: place.environments, matrix: matrix.as_ref() };
            self.secret_uses(field, place.secrets, &beside)
        });
        let outputs = fields.get("outputs").map(|field| self.outputs(field)).unwrap_or_default();
        let substitute = fields.get("substitute").map(|field| self.patterns(field)).unwrap_or_default();
        let id = StepId::new(name.map_or("", |(name, _)| name));
        let waits = needed.as_ref().is_some_and(|needed| !needed.steps.is_empty());
        // `on_failure` and `finally` begin when they may: `needs: []` cannot mean earlier there.
        let needed = needed.filter(|_| waits || place.apart.is_none());
        let declared = name.map(|(name, span)| {
            let (stage, apart) = (place.stage, place.apart);
            Declared { name, span, stage, apart, needed, when, matrix, services, env: names(own.texts()) }
        });
        let env = self.scope.enter(Variables::default()).into_texts();
        self.scope.place.step = None;
        let step = Step {
            name: id.as_str().to_owned(),
            id,
            instance_of: None,
            image,
            program,
            after_script: None,
            env,
            secrets: secrets.unwrap_or_default(),
            user: user.or_else(|| defaults.user.clone()),
            workdir: None,
            mounts: vec![Mount {
                volume: WORKSPACE.to_owned(),
                path: WORKSPACE_PATH.to_owned(),
                sub_path: None,
                read_only: false,
            }],
            scope: None,
            network: if no_network.is_some() { Network::None } else { Network::Own },
            resources,
            timeout: timeout.unwrap_or(defaults.timeout),
            grace: GRACE,
            needs: None,
            after: after.unwrap_or(if place.apart.is_some() && !waits {
                After::Always
            } else {
                After::Success
            }),
            allow_failure: allow_failure.unwrap_or_default(),
            retry: retry.unwrap_or_else(|| defaults.retry.clone()),
            condition: skipped.map_or(Condition::True, Condition::False),
            gate,
            wait_for,
            substitute,
            outputs,
            line: u32::try_from(place.lines.number(fields.span.start)).ok(),
        };
        (step, declared)
    }

    /// What somebody is asked before the step starts.
    fn gate(&mut self, field: Field<'_, '_>, apart: Option<&str>) -> Option<Text> {
        let resolved = self.late_text(field, "a question, such as `Deploy to production?`")?;
        let blank = resolved.text.known().is_some_and(|text| text.trim().is_empty());
        if let Some(part) = apart {
            let message = format!("a gate in `{part}`");
            let help = "these steps come last and wait for nobody; put the gate on a step of a stage";
            self.error(codes::BAD_GATE, field.node.span, message, help);
        } else if blank {
            let help = "write what somebody has to agree to: `gate: Deploy to production?`";
            self.error(codes::BAD_GATE, field.node.span, "`gate` is empty", help);
        }
        Some(resolved.text)
    }

    pub(super) fn resources(&mut self, field: Field<'_, '_>, into: &mut Resources) {
        let fields = self.fields(&keys::RESOURCES, field);
        if let Some(field) = fields.get("memory") {
            into.memory = self.size(field);
        }
        if let Some(field) = fields.get("cpus") {
            into.cpu_millis = self.cpus(field);
        }
        if let Some(field) = fields.get("pids") {
            into.pids = self.whole(field, 1, 4_194_304);
        }
    }

    pub(super) fn after(&mut self, field: Field<'_, '_>) -> Option<After> {
        let words = [After::Success, After::Failure, After::Always];
        self.choice(field, keys::AFTER).and_then(|index| words.get(index).copied())
    }

    fn allow_failure(&mut self, field: Field<'_, '_>) -> AllowFailure {
        match &field.node.value {
            Value::Map(_) => {
                let fields = self.fields(&keys::ALLOW_FAILURE, field);
                let Some(field) = fields.get("exit_codes") else { return AllowFailure::No };
                let items: Vec<_> =
                    self.items(field, "a list of numbers", "write `exit_codes: [1, 2]`").collect();
                if items.is_empty() && matches!(field.node.value, Value::List(_)) {
                    let help = "list the codes that do not count, or write `allow_failure: true`";
                    self.error(codes::BAD_NUMBER, field.node.span, "`exit_codes` is empty", help);
                }
                let codes = items.into_iter().filter_map(|item| self.whole(item, 1, 255));
                AllowFailure::ExitCodes(codes.filter_map(|code| i32::try_from(code).ok()).collect())
            }
            Value::List(_) => {
                let help = "write `allow_failure: { exit_codes: [1, 2] }`";
                self.wrong_kind(field, "`true`, `false` or `{ exit_codes: … }`", help);
                AllowFailure::No
            }
            Value::Scalar { .. } => match self.boolean(field) {
                Some(true) => AllowFailure::Yes,
                Some(false) | None => AllowFailure::No,
            },
        }
    }
}
