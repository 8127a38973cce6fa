//! Reads the services of a pipeline, a stage or a step (language L19), and puts steps into the scopes that
//! have them beside them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::keys;
use super::read::{Field, Fields, Reader};
use super::values::is_name;
use crate::frontend::lines::Lines;
use crate::frontend::yaml::Value;
use crate::frontend::{codes, shorten};
use crate::plan::{Image, Network, OnExit, Probe, Program, Ready, Resources, Scope, Service, Step, Text};

/// How long a service may take to get ready when the file does not say.
const READY: Duration = Duration::from_mins(1);
/// Names that a container has for itself: `windlass` is its host name.
pub(super) const TAKEN: &[&str] = &["localhost", "ip6-localhost", "ip6-loopback", "windlass"];
/// How a line for a shell is written where there is no `run`.
const LINE: &str = "`command: [sh, -c, …]`";
/// What a service weighs beside its texts.
const WEIGHT: usize = size_of::<Service>();

/// Services with the lines in which they stand.
#[derive(Clone, Default)]
pub(super) struct Services {
    pub(super) own: Vec<Service>,
    lines: BTreeMap<String, usize>,
}

/// The scope around some steps, and the names that are taken in it.
#[derive(Clone, Default)]
pub(super) struct Around {
    /// None when there are no services around them.
    scope: Option<String>,
    lines: BTreeMap<String, usize>,
}

impl Around {
    /// Opens a scope for the steps of a pipeline or stage, unless they have no services of their own.
    pub(super) fn with(
        &self,
        name: String,
        services: Services,
        scopes: &mut BTreeMap<String, Scope>,
    ) -> Self {
        if services.own.is_empty() {
            return self.clone();
        }
        let mut lines = self.lines.clone();
        lines.extend(services.lines);
        scopes.insert(name.clone(), self.around(services.own));
        Self { scope: Some(name), lines }
    }

    /// Puts a step among its services.
    pub(super) fn hold(&self, step: &mut Step, own: &[Service], scopes: &mut BTreeMap<String, Scope>) {
        step.scope = match step.network {
            // It reaches nobody.
            Network::None => None,
            Network::Own if own.is_empty() => self.scope.clone(),
            Network::Own => {
                let name = format!("step-{}", step.id);
                scopes.insert(name.clone(), self.around(own.to_vec()));
                Some(name)
            }
        };
    }

    /// Whether one of the services is called so.
    pub(super) fn has(&self, name: &str) -> bool {
        self.lines.contains_key(name)
    }

    fn around(&self, services: Vec<Service>) -> Scope {
        Scope { services, within: self.scope.clone(), ..Scope::default() }
    }
}

impl Services {
    /// Whether one of them is called so.
    pub(super) fn has(&self, name: &str) -> bool {
        self.lines.contains_key(name)
    }

    /// What they cost each step that has its own.
    pub(super) fn size(&self) -> usize {
        let texts = self.own.iter().flat_map(Service::texts).filter_map(Text::known);
        texts.map(|text| text.len() + WEIGHT).sum::<usize>() + self.own.len() * WEIGHT
    }
}

impl Reader<'_> {
    /// Reads `services`, none of which may be called like one around them.
    pub(super) fn services(
        &mut self,
        fields: &Fields<'_, '_>,
        around: &Around,
        lines: &Lines<'_>,
    ) -> Services {
        let mut services = Services::default();
        let Some(field) = fields.get("services") else { return services };
        let Value::Map(entries) = &field.node.value else {
            let help = "write `services: { db: { image: … } }`";
            self.wrong_kind(field, "a mapping of names to services", help);
            return services;
        };
        for entry in entries.iter().filter(|entry| !entry.key().starts_with("x-")) {
            let (name, span) = (entry.key(), entry.key_span());
            if !is_name(name) {
                let message = format!("`{}` is not a name", shorten(name));
                let help =
                    "small letters, digits, `_` and `-`, a letter first, at most 63: it is a host name";
                self.error(codes::BAD_NAME, span, message, help);
            } else if TAKEN.contains(&name) {
                let message = format!("no service can be called `{name}`");
                let help = format!("`{name}` is the step itself; call the service otherwise");
                self.error(codes::SERVICE_TWICE, span, message, help);
            } else if let Some(line) = around.lines.get(name) {
                let message = format!("there is a service `{name}` around this one");
                let help =
                    format!("that is in line {line}, and steps would reach one of them only; rename one");
                self.error(codes::SERVICE_TWICE, span, message, help);
            }
            services.lines.insert(name.to_owned(), lines.number(span.start));
            let service = self.service(name, Field::new("service", &entry.value));
            services.own.push(service);
        }
        services
    }

    /// Says that services and `network: none` are at odds.
    pub(super) fn reaches(&mut self, network: Field<'_, '_>, services: &Services) {
        if !services.own.is_empty() {
            let help = "remove `network: none`; without a network no step can reach a service";
            self.error(
                codes::SERVICE_OUT_OF_REACH,
                network.node.span,
                "a step with services and no network",
                help,
            );
        }
    }

    fn service(&mut self, name: &str, field: Field<'_, '_>) -> Service {
        if let Value::Scalar { text, .. } = &field.node.value
            && !field.node.is_null()
        {
            let (shown, image) = (shorten(name), shorten(text));
            let message = format!("the service `{shown}` takes a mapping, not text");
            let help = format!("write `{shown}: {{ image: {image} }}`");
            self.error(codes::WRONG_KIND, field.node.span, message, help);
            return self.of_fields(name, &Fields::of(field.node));
        }
        let fields = self.fields(&keys::SERVICE, field);
        self.of_fields(name, &fields)
    }

    fn of_fields(&mut self, name: &str, fields: &Fields<'_, '_>) -> Service {
        let image = fields.get("image").and_then(|field| self.image(field));
        let command = fields.get("command").map(|field| self.argv(field, LINE));
        let before = command.as_deref().unwrap_or_default();
        let args = fields.get("args").map(|field| self.words(field, before)).unwrap_or_default();
        let program = match command {
            Some(command) => Program::Command(command.into_iter().chain(args).collect()),
            None => Program::Entrypoint { args, args_follow_cmd: false },
        };
        let mut resources = Resources::default();
        if let Some(field) = fields.get("resources") {
            self.resources(field, &mut resources);
        }
        let ignores = fields.get("on_exit").and_then(|field| self.choice(field, keys::ON_EXIT)) == Some(1);
        let ready = fields.get("ready").map(|field| self.ready(field));
        Service {
            name: name.to_owned(),
            aliases: Vec::new(),
            image: image.unwrap_or(Image::Host),
            program,
            env: fields.get("env").map(|field| self.environment(field).into_texts()).unwrap_or_default(),
            mounts: Vec::new(),
            on_exit: if ignores { OnExit::Ignore } else { OnExit::Fail },
            ready: Some(ready.unwrap_or(Ready { probe: Probe::Image, timeout: READY })),
            resources,
        }
    }

    fn ready(&mut self, field: Field<'_, '_>) -> Ready {
        let fields = self.fields(&keys::READY, field);
        let command = fields.get("command").map(|field| {
            let words = self.argv(field, LINE);
            if words.iter().any(|word| word.known().is_none()) {
                let help = "give it to the service in `env`, and let the command read it there";
                let message = "what asks a service cannot hold an output of a step";
                self.error(codes::BAD_PROBE, field.node.span, message, help);
            }
            Probe::Command(words.iter().filter_map(Text::known).map(str::to_owned).collect())
        });
        let port = fields.get("port").and_then(|field| self.port(field)).map(Probe::Port);
        let log = fields.get("log").and_then(|field| self.line(field)).map(Probe::Log);
        let http = fields.get("http").and_then(|field| self.address(field));
        let timeout = fields.get("timeout").and_then(|field| self.duration(field));
        let probe = command.or(port).or(log).or(http).unwrap_or(Probe::Image);
        Ready { probe, timeout: timeout.unwrap_or(READY) }
    }

    fn port(&mut self, field: Field<'_, '_>) -> Option<u16> {
        self.whole(field, 1, u16::MAX.into()).and_then(|port| u16::try_from(port).ok())
    }

    fn line(&mut self, field: Field<'_, '_>) -> Option<String> {
        let text = self.text(field, "a piece of a line")?;
        if !text.is_empty() && !text.contains('\n') {
            return Some(text.into_owned());
        }
        let help = "write what a line of the service's output holds once it is ready: `log: ready to accept`";
        self.error(codes::BAD_PROBE, field.node.span, "`log` takes a piece of one line", help);
        None
    }

    /// `8080/health`, or a port alone.
    fn address(&mut self, field: Field<'_, '_>) -> Option<Probe> {
        let text = self.text(field, "a port and a path such as `8080/health`")?;
        let (port, path) = text.split_once('/').unwrap_or((&text, ""));
        let plain = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| plain && *port > 0);
        let visible = path.bytes().all(|byte| byte.is_ascii_graphic());
        if let (Some(port), true) = (port, visible) {
            return Some(Probe::Http { port, path: format!("/{path}") });
        }
        let message = format!("`{}` is no port and path", shorten(&text));
        let help = "write `http: 8080/health`: the service is asked at its own address, over plain HTTP";
        self.error(codes::BAD_PROBE, field.node.span, message, help);
        None
    }
}
