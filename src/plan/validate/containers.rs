//! What each container of a plan says by itself: names, paths, mounts, limits.

use std::collections::{BTreeMap, HashSet};

use super::error::{PlaceInPlan, PlanError};
use super::is_id;
use crate::base::glob;
use crate::plan::{
    Image, LateNode, Mount, Network, Plan, Probe, Program, Resources, Scope, Service, Stage, Step, Text,
    Volume, texts,
};

/// Checks volumes, scopes, stages and every container.
pub(super) fn check(plan: &Plan, errors: &mut Vec<PlanError>) {
    let mut check = Check { plan, errors };
    check.limit(&PlaceInPlan::Plan, "time", plan.timeout.as_nanos());
    for (name, volume) in &plan.volumes {
        check.id(name);
        check.volume(name, volume);
    }
    for (name, scope) in &plan.scopes {
        check.id(name);
        check.scope(name, scope);
    }
    for stage in plan.all_stages() {
        check.stage(stage);
    }
}

struct Check<'a> {
    plan: &'a Plan,
    errors: &'a mut Vec<PlanError>,
}

impl Check<'_> {
    fn volume(&mut self, name: &str, volume: &Volume) {
        let files = match volume {
            Volume::Files(files) | Volume::Secrets(files) => files,
            Volume::Capture { .. } | Volume::Empty { .. } => return,
        };
        for path in files.keys().filter(|path| !leads_down(path)) {
            let place = PlaceInPlan::Volume(name.to_owned());
            self.errors.push(PlanError::PathInVolume { place, path: path.clone() });
        }
    }

    fn scope(&mut self, name: &str, scope: &Scope) {
        let mut names = HashSet::new();
        if let Some(within) = &scope.within {
            let outer: Vec<_> = self.plan.scopes_from(Some(within)).collect();
            if outer.is_empty() || outer.iter().any(|(outer, _)| *outer == name) {
                let (scope, within) = (name.to_owned(), within.clone());
                self.errors.push(PlanError::NotAround { scope, within });
                return;
            }
            names.extend(outer.iter().flat_map(|(_, scope)| &scope.services).flat_map(host_names));
        }
        for service in &scope.services {
            let place = PlaceInPlan::Service { scope: name.to_owned(), name: service.name.clone() };
            for host in host_names(service) {
                if !is_host_name(host) {
                    self.errors.push(PlanError::HostName { place: place.clone(), name: host.to_owned() });
                }
                if !names.insert(host) {
                    self.errors
                        .push(PlanError::DuplicateService { scope: name.to_owned(), name: host.to_owned() });
                }
            }
            self.service(&place, service);
        }
    }

    fn service(&mut self, place: &PlaceInPlan, service: &Service) {
        self.no_element(place, texts::of_service(service));
        self.image(place, &service.image);
        self.program(place, &service.program);
        self.env(place, &service.env);
        self.mounts(place, &service.mounts);
        self.resources(place, &service.resources);
        if let Some(ready) = &service.ready {
            self.limit(place, "time to get ready", ready.timeout.as_nanos());
            let empty = match &ready.probe {
                Probe::Image => false,
                Probe::Command(argv) => argv.is_empty(),
                Probe::Port(port) => *port == 0,
                Probe::Log(line) => line.is_empty() || line.contains('\n'),
                Probe::Http { port, path } => *port == 0 || !path.starts_with('/'),
            };
            if empty {
                self.errors.push(PlanError::EmptyProbe { place: place.clone() });
            }
        }
    }

    fn stage(&mut self, stage: &Stage) {
        self.id(stage.id.as_str());
        let nanos = stage.timeout.map_or(u128::MAX, |timeout| timeout.as_nanos());
        self.limit(&PlaceInPlan::Stage(stage.id.clone()), "time", nanos);
        for step in &stage.steps {
            self.step(step);
            self.no_element(&PlaceInPlan::Step(step.id.clone()), texts::of_step(step));
        }
        for node in &stage.late {
            match node {
                LateNode::Matrix { template, env, .. } => {
                    for step in template {
                        self.step(step);
                        self.variable(&PlaceInPlan::Step(step.id.clone()), env);
                    }
                }
                LateNode::ChildPlan { id, .. } => self.id(id.as_str()),
            }
        }
    }

    fn step(&mut self, step: &Step) {
        let place = PlaceInPlan::Step(step.id.clone());
        self.id(step.id.as_str());
        self.image(&place, &step.image);
        self.program(&place, &step.program);
        if let Some(after) = &step.after_script {
            self.program(&place, &after.program);
            self.limit(&place, "the after-script's time", after.timeout.as_nanos());
        }
        self.env(&place, &step.env);
        for secret in &step.secrets {
            if secret.env.is_none() && secret.file.is_none() {
                self.errors
                    .push(PlanError::SecretNowhere { place: place.clone(), name: secret.name.clone() });
            }
            if let Some(env) = &secret.env {
                self.variable(&place, env);
            }
            if let Some(file) = &secret.file {
                self.path(&place, file);
            }
        }
        if let Some(workdir) = &step.workdir {
            self.path(&place, workdir);
        }
        for pattern in &step.substitute {
            if let Some(mistake) = glob::mistake(pattern) {
                self.errors.push(PlanError::Pattern { step: step.id.clone(), mistake });
            }
        }
        if !step.substitute.is_empty() && step.mounts.is_empty() {
            self.errors.push(PlanError::NothingToSubstitute { step: step.id.clone() });
        }
        self.mounts(&place, &step.mounts);
        if let Some(scope) = &step.scope
            && !self.plan.scopes.contains_key(scope)
        {
            self.errors.push(PlanError::UnknownScope { step: step.id.clone(), scope: scope.clone() });
        }
        if step.network == Network::None && self.plan.services_of(step).next().is_some() {
            self.errors.push(PlanError::OutOfReach { step: step.id.clone() });
        }
        self.resources(&place, &step.resources);
        self.limit(&place, "time", step.timeout.as_nanos());
        let mut keys = HashSet::new();
        for key in &step.outputs {
            if !is_variable(key) || !keys.insert(key) {
                self.errors.push(PlanError::OutputKey { step: step.id.clone(), key: key.clone() });
            }
        }
    }

    fn no_element<'t>(&mut self, place: &PlaceInPlan, mut texts: impl Iterator<Item = &'t Text>) {
        if texts.any(texts::has_element) {
            self.errors.push(PlanError::NoElement { place: place.clone() });
        }
    }

    fn id(&mut self, id: &str) {
        if !is_id(id) {
            self.errors.push(PlanError::InvalidId { id: id.to_owned() });
        }
    }

    fn image(&mut self, place: &PlaceInPlan, image: &Image) {
        let empty = match image {
            Image::Reference(Text::Known(reference)) => reference.is_empty(),
            Image::Reference(Text::Late(parts)) => parts.is_empty(),
            Image::File(file) => {
                let path = file.path.strip_prefix('/').unwrap_or(&file.path);
                if !leads_down(path) || file.name.as_ref().is_some_and(String::is_empty) {
                    let (place, image) = (place.clone(), file.to_string());
                    self.errors.push(PlanError::ImageFile { place, image });
                }
                false
            }
            Image::Host => false,
        };
        if empty {
            self.errors.push(PlanError::NoImage { place: place.clone() });
        }
    }

    fn program(&mut self, place: &PlaceInPlan, program: &Program) {
        let empty = match program {
            Program::Script { interpreter, .. } => interpreter.is_empty(),
            Program::Command(command) => command.is_empty(),
            Program::Entrypoint { .. } => false,
        };
        if empty {
            self.errors.push(PlanError::NoProgram { place: place.clone() });
        }
    }

    fn env(&mut self, place: &PlaceInPlan, env: &BTreeMap<String, Text>) {
        for name in env.keys() {
            self.variable(place, name);
        }
    }

    fn variable(&mut self, place: &PlaceInPlan, name: &str) {
        if !is_variable(name) {
            self.errors.push(PlanError::VariableName { place: place.clone(), name: name.to_owned() });
        }
    }

    /// One mount may lie inside another; two at one path would hide each other.
    fn mounts(&mut self, place: &PlaceInPlan, mounts: &[Mount]) {
        let mut paths = HashSet::new();
        for mount in mounts {
            if !self.plan.volumes.contains_key(&mount.volume) {
                let volume = mount.volume.clone();
                self.errors.push(PlanError::UnknownVolume { place: place.clone(), volume });
            }
            self.path(place, &mount.path);
            if !paths.insert(mount.path.as_str()) {
                self.errors.push(PlanError::SamePath { place: place.clone(), path: mount.path.clone() });
            }
            if let Some(path) = mount.sub_path.as_ref().filter(|path| !leads_down(path)) {
                self.errors.push(PlanError::PathInVolume { place: place.clone(), path: path.clone() });
            }
        }
    }

    fn path(&mut self, place: &PlaceInPlan, path: &str) {
        let plain = path == "/" || path.strip_prefix('/').is_some_and(leads_down);
        if !plain {
            self.errors.push(PlanError::Path { place: place.clone(), path: path.to_owned() });
        }
    }

    fn resources(&mut self, place: &PlaceInPlan, resources: &Resources) {
        self.limit(place, "memory", resources.memory.map_or(u128::MAX, |memory| memory.0.into()));
        self.limit(place, "processor time", resources.cpu_millis.map_or(u128::MAX, u128::from));
        self.limit(place, "processes", resources.pids.map_or(u128::MAX, u128::from));
    }

    fn limit(&mut self, place: &PlaceInPlan, what: &'static str, amount: u128) {
        if amount == 0 {
            self.errors.push(PlanError::ZeroLimit { place: place.clone(), what });
        }
    }
}

/// The names that a service is reached by.
fn host_names(service: &Service) -> impl Iterator<Item = &str> {
    std::iter::once(&service.name).chain(&service.aliases).map(String::as_str)
}

/// Whether a relative path consists of plain names.
fn leads_down(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn is_host_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.len() <= 63 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(plain)
}
