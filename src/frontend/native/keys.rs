//! Every key of the language: one table a mapping. The reader refuses what is not in it, and the
//! JSON Schema is written from it, so that the two cannot drift apart.

use super::wait_for::WAIT_FOR;

/// A mapping of the language.
pub(super) struct Table {
    /// One word, for the schema.
    pub(super) name: &'static str,
    /// As it is called in a sentence.
    pub(super) noun: &'static str,
    pub(super) about: &'static str,
    pub(super) keys: &'static [Key],
    /// Pairs of keys that exclude each other.
    pub(super) clashes: &'static [(&'static str, &'static str)],
    /// Keys that mean nothing without another one.
    pub(super) requires: &'static [(&'static str, &'static str)],
}

/// A key of a mapping.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
    pub(super) required: bool,
    /// What other tools call it; not accepted, but understood in a mistake.
    pub(super) also: &'static [&'static str],
}

/// What a key takes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Version,
    Name,
    Boolean,
    Duration,
    Size,
    Cpus,
    Count,
    Attempts,
    User,
    Image,
    Reference,
    Environment,
    /// Named environments.
    Environments,
    /// Names of environments.
    Chosen,
    /// Text of any kind.
    Text,
    /// Different texts, at least one.
    Values,
    Script,
    Words,
    Command,
    Shell,
    Choice(&'static [&'static str]),
    Needs,
    /// Items of `needs`, at least one.
    NeededSteps,
    Step,
    /// An expression that is true or false.
    Condition,
    Matrix,
    /// One value for some keys of a matrix.
    Instance,
    AllowFailure,
    Retry,
    RetryFor,
    ExitCodes,
    /// Values of parameters, by their names.
    Arguments,
    /// Paths of files.
    Files,
    /// Patterns of files, at least one.
    Patterns,
    /// Names to services.
    Services,
    Port,
    /// A piece of one line.
    Line,
    /// Text that is not blank.
    Question,
    /// A port and a path.
    Http,
    Variable,
    Secrets,
    SecretUses,
    SecretFile,
    Outputs,
    /// A mapping that names one thing.
    WaitFor,
    WebAddress,
    WorkspacePath,
    HostPort,
    Mapping(&'static Table),
    /// A list that is not empty.
    List(&'static Table),
    /// In the language, but nothing here can do it yet.
    Later,
}

/// What `after` takes.
pub(super) const AFTER: &[&str] = &["success", "failure", "always"];
/// What `network` takes.
pub(super) const NETWORK: &[&str] = &["none"];

/// What an input or a parameter is.
pub(super) const TYPES: &[&str] = &["string", "number", "boolean", "choice"];

/// What `on_exit` takes.
pub(super) const ON_EXIT: &[&str] = &["fail", "ignore"];

/// Every table, the outermost first.
pub(super) static ALL: [&Table; 18] = [
    &PIPELINE,
    &INCLUDED,
    &INPUT,
    &DEFAULTS,
    &TEMPLATE,
    &PARAMETER,
    &STAGE,
    &STEP,
    &RESOURCES,
    &ALLOW_FAILURE,
    &NEEDS,
    &NEED,
    &RETRY,
    &SERVICE,
    &READY,
    &SECRET,
    &SECRET_USE,
    &WAIT_FOR,
];

pub(super) static PIPELINE: Table = Table {
    name: "pipeline",
    noun: "a pipeline",
    about: "What a repository's CI does.",
    keys: &[
        key("version", Kind::Version, "Version of the language; 1 when left out."),
        key("name", Kind::Name, "The pipeline's name, for people.").also(&["title"]),
        key("timeout", Kind::Duration, "Time limit of the whole run; 6h when left out."),
        key("inputs", Kind::List(&INPUT), "What a run is given by hand, with `--input`.")
            .also(&["parameters", "params"]),
        key("env", Kind::Environment, "Environment of all steps.").also(&["variables", "environment"]),
        key("environments", Kind::Environments, "Named sets of `env`; one is chosen with `--environment`."),
        key("defaults", Kind::Mapping(&DEFAULTS), "What steps take that do not say otherwise.")
            .also(&["default"]),
        key("stages", Kind::List(&STAGE), "Groups of steps, one after another.")
            .required()
            .also(&["jobs", "steps", "pipeline", "workflow", "tasks"]),
        key("on_failure", Kind::List(&STEP), "Steps that run when the run failed."),
        key("finally", Kind::List(&STEP), "Steps that always run at the end, within 5 minutes.")
            .also(&["always", "cleanup"]),
        key("services", Kind::Services, "Containers beside all steps, reached by their names."),
        key(
            "secrets",
            Kind::Secrets,
            "Secrets that steps may get; their values are given by whoever runs it.",
        ),
        TEMPLATES,
        INCLUDE,
    ],
    clashes: &[],
    requires: &[],
};

const TEMPLATES: Key =
    key("templates", Kind::List(&TEMPLATE), "Steps that are written once and used by name.");
const INCLUDE: Key = key("include", Kind::Files, "Files of the source whose templates are used too.");

pub(super) static INCLUDED: Table = Table {
    name: "included",
    noun: "an included file",
    about: "A file of templates for several pipelines.",
    keys: &[TEMPLATES, INCLUDE],
    clashes: &[],
    requires: &[],
};

pub(super) static TEMPLATE: Table = Table {
    name: "template",
    noun: "a template",
    about: "A step that is written once and used by name.",
    keys: &with_parameters(),
    clashes: STEP.clashes,
    requires: &[],
};

/// The keys of a step, but for the last two, by which it uses a template; and the parameters.
const fn with_parameters() -> [Key; STEP.keys.len() - 1] {
    let parameters = key("params", Kind::List(&PARAMETER), "What a step that uses it may or must say.");
    let mut all = [parameters.also(&["parameters", "inputs"]); STEP.keys.len() - 1];
    let mut at = 0;
    while at < STEP.keys.len() - 2 {
        all[at] = STEP.keys[at];
        at += 1;
    }
    all
}

pub(super) static PARAMETER: Table = Table {
    name: "parameter",
    noun: "a parameter",
    about: "Something that a step says to the template it uses.",
    keys: &[
        key("name", Kind::Name, "Its name; scripts get it as `WINDLASS_PARAM_<NAME>`.").required(),
        key("type", Kind::Choice(TYPES), "What it is; `string` when left out."),
        key("values", Kind::Values, "The values of a choice.").also(&["options", "choices", "enum"]),
        key("default", Kind::Text, "Its value where none is given; without it, one must be."),
        key("description", Kind::Text, "What it is for, for people.").also(&["help", "about"]),
    ],
    clashes: &[],
    requires: &[],
};

pub(super) static INPUT: Table = Table {
    name: "input",
    noun: "an input",
    about: "Something that a run is given by hand.",
    keys: &[
        key("name", Kind::Name, "Its name; steps get it as `WINDLASS_INPUT_<NAME>`.").required(),
        key("type", Kind::Choice(TYPES), "What it is; `string` when left out."),
        key("values", Kind::Values, "The values of a choice.").also(&["options", "choices", "enum"]),
        key("default", Kind::Text, "Its value where none is given; without it, one must be."),
        key("description", Kind::Text, "What it is for, for people.").also(&["help", "about"]),
    ],
    clashes: &[],
    requires: &[],
};

pub(super) static DEFAULTS: Table = Table {
    name: "defaults",
    noun: "`defaults`",
    about: "What steps take that do not say otherwise.",
    keys: &[
        key("image", Kind::Image, "Image of steps without one."),
        key("shell", Kind::Shell, "What reads the scripts of steps without a shell."),
        key("user", Kind::User, "User of steps without one."),
        key("timeout", Kind::Duration, "Time limit of steps without one; 1h when left out."),
        key("resources", Kind::Mapping(&RESOURCES), "Limits of steps, each where the step has none."),
        key("retry", Kind::Retry, "Extra attempts of steps that do not say."),
    ],
    clashes: &[],
    requires: &[],
};

pub(super) static STAGE: Table = Table {
    name: "stage",
    noun: "a stage",
    about: "A named group of steps that run at the same time.",
    keys: &[
        key("name", Kind::Name, "Its name, unique among the stages.").required(),
        key("after", Kind::Choice(AFTER), "Runs after success of all earlier stages, failure, or always."),
        key("fail_fast", Kind::Boolean, "Whether the first failed step cancels the others; true."),
        key("env", Kind::Environment, "Environment of its steps.").also(&["variables", "environment"]),
        key("environments", Kind::Chosen, "Skipped unless one of these environments is chosen."),
        key("steps", Kind::List(&STEP), "What runs in it.").required().also(&["jobs", "tasks"]),
        key("when", Kind::Condition, "Whether its steps run: an expression, such as `git.branch == 'main'`.")
            .also(&["if", "only", "condition"]),
        key("services", Kind::Services, "Containers beside the steps of the stage, reached by their names."),
    ],
    clashes: &[],
    requires: &[],
};

pub(super) const STEP: Table = Table {
    name: "step",
    noun: "a step",
    about: "One container that runs one script or command.",
    keys: &[
        key("name", Kind::Name, "Its name, unique in the pipeline.").required(),
        key("image", Kind::Image, "A registry reference, a `./PATH`, or `host`.").also(&["container"]),
        key("run", Kind::Script, "A script, or a list of its lines; stops at the first error.")
            .also(&["script", "commands", "bash", "sh"]),
        key("shell", Kind::Shell, "What reads `run`: `sh`, `bash`, or a program and its arguments."),
        key("command", Kind::Command, "A program and its arguments, instead of the image's entry point.")
            .also(&["entrypoint", "cmd", "exec"]),
        key("args", Kind::Words, "Arguments of `command` or of the image's entry point.")
            .also(&["arguments"]),
        key("env", Kind::Environment, "Its environment.").also(&["variables", "environment"]),
        key("environments", Kind::Chosen, "Skipped unless one of these environments is chosen."),
        key("user", Kind::User, "User id, or user and group id, instead of the image's user.")
            .also(&["run_as"]),
        key("timeout", Kind::Duration, "Time limit of an attempt; 1h when left out.")
            .also(&["timeout-minutes"]),
        key("resources", Kind::Mapping(&RESOURCES), "Its limits.").also(&["limits"]),
        key("network", Kind::Choice(NETWORK), "`none`: no network but its own loopback.")
            .also(&["network_mode"]),
        key("needs", Kind::Needs, "Steps it waits for instead of all earlier stages.").also(&[
            "depends_on",
            "dependencies",
            "requires",
        ]),
        key("after", Kind::Choice(AFTER), "Runs after success of what it waits for, failure, or always."),
        key("allow_failure", Kind::AllowFailure, "Whether its failure does not count, or which does not.")
            .also(&["continue-on-error", "ignore_errors", "optional"]),
        key("matrix", Kind::Matrix, "Lists of values: the step is there once for each combination.")
            .also(&["strategy", "parallel", "axes"]),
        key(
            "retry",
            Kind::Retry,
            "Extra attempts: a number of them after infrastructure failed, or a mapping.",
        )
        .also(&["retries", "attempts"]),
        key("when", Kind::Condition, "Whether it runs: an expression, such as `changed('web/**')`.").also(&[
            "if",
            "only",
            "condition",
        ]),
        key("services", Kind::Services, "Containers beside the step, reached by their names."),
        key("secrets", Kind::SecretUses, "Secrets it gets, as environment or as files."),
        key("outputs", Kind::Outputs, "Keys of the values that it writes for later steps."),
        later("artifacts"),
        later("artifacts_from"),
        later("caches"),
        later("cache"),
        later("reports"),
        key("gate", Kind::Question, "What somebody is asked who must agree before it starts.")
            .also(&["approval", "manual", "confirm"]),
        key("substitute", Kind::Patterns, "Files in which it alone sees values in the place of `${name}`.")
            .also(&["template_files", "envsubst"]),
        later("build"),
        key("wait_for", Kind::WaitFor, "What has to be there before it starts.").also(&["wait", "waits_for"]),
        // These two are the last ones.
        key("template", Kind::Name, "The template whose keys it takes over where it has none.")
            .also(&["uses", "extends"]),
        key("with", Kind::Arguments, "Values of the template's parameters.").also(&["params"]),
    ],
    clashes: &[("run", "command"), ("run", "args")],
    requires: &[("shell", "run"), ("with", "template")],
};

pub(super) static RESOURCES: Table = Table {
    name: "resources",
    noun: "`resources`",
    about: "Limits of a step.",
    keys: &[
        key("memory", Kind::Size, "Memory and swap together.").also(&["mem"]),
        key("cpus", Kind::Cpus, "Processor time, in cores.").also(&["cores"]),
        key("pids", Kind::Count, "Processes and threads; 4096 when left out.").also(&["processes"]),
    ],
    clashes: &[],
    requires: &[],
};

pub(super) static ALLOW_FAILURE: Table = Table {
    name: "allow_failure",
    noun: "`allow_failure`",
    about: "Which failures do not count.",
    keys: &[key("exit_codes", Kind::ExitCodes, "Exit codes that do not count.").required()],
    clashes: &[],
    requires: &[],
};

pub(super) static NEEDS: Table = Table {
    name: "needs",
    noun: "`needs`",
    about: "Steps of which one is enough.",
    keys: &[key("any", Kind::NeededSteps, "Starts as soon as the first of these has passed.").required()],
    clashes: &[],
    requires: &[],
};

pub(super) static NEED: Table = Table {
    name: "need",
    noun: "an item of `needs`",
    about: "A step that is waited for: some of its instances, or only where there is one.",
    keys: &[
        key("step", Kind::Step, "The name of the step.").required(),
        key("matrix", Kind::Instance, "The values that its instances have; all of them when left out."),
        key("optional", Kind::Boolean, "Whether nothing is waited for where there is no such step; false."),
    ],
    clashes: &[],
    requires: &[],
};

pub(super) static RETRY: Table = Table {
    name: "retry",
    noun: "`retry`",
    about: "Extra attempts.",
    keys: &[
        key("max", Kind::Attempts, "How many, at most, beyond the first.").required(),
        key("for", Kind::RetryFor, "After what: `infrastructure` when left out.").also(&["when", "on"]),
        key("backoff", Kind::Duration, "The first pause; it doubles with each attempt.").also(&["delay"]),
    ],
    clashes: &[],
    requires: &[],
};

pub(super) static SERVICE: Table = Table {
    name: "service",
    noun: "a service",
    about: "A container that runs beside steps and is reached by its name.",
    keys: &[
        key("image", Kind::Image, "What it runs in: a reference, or `./PATH` in the source.").required(),
        key("command", Kind::Command, "A program and its arguments, instead of the image's entry point.")
            .also(&["entrypoint", "cmd", "run"]),
        key("args", Kind::Words, "Arguments of `command` or of the image's entry point.")
            .also(&["arguments"]),
        key("env", Kind::Environment, "Its environment, beyond the image's.")
            .also(&["variables", "environment"]),
        key("ready", Kind::Mapping(&READY), "When it counts as ready; by the image when left out.").also(&[
            "healthcheck",
            "health",
            "wait_for",
        ]),
        key("on_exit", Kind::Choice(ON_EXIT), "Whether its early end fails the steps: `fail`, or `ignore`."),
        key("resources", Kind::Mapping(&RESOURCES), "Its limits.").also(&["limits"]),
    ],
    clashes: &[],
    requires: &[],
};

pub(super) static READY: Table = Table {
    name: "ready",
    noun: "`ready`",
    about: "When a service counts as ready: one question, asked inside its own network.",
    keys: &[
        key("command", Kind::Command, "A command inside the service ends with 0.").also(&["test", "cmd"]),
        key("port", Kind::Port, "A TCP port accepts connections.").also(&["tcp"]),
        key("log", Kind::Line, "A line of its output contains this."),
        key("http", Kind::Http, "A GET of this port and path is answered with 2xx.").also(&["url", "path"]),
        key("timeout", Kind::Duration, "How long it may take; 1m when left out.").also(&["deadline"]),
    ],
    clashes: &[
        ("command", "port"),
        ("command", "log"),
        ("command", "http"),
        ("port", "log"),
        ("port", "http"),
        ("log", "http"),
    ],
    requires: &[],
};

pub(super) static SECRET: Table = Table {
    name: "secret",
    noun: "a secret",
    about: "A secret that steps may get.",
    keys: &[
        key("name", Kind::Variable, "Its name, and the environment variable of steps that get it.")
            .required(),
        key(
            "mask",
            Kind::Boolean,
            "Whether it is hidden in all output; true. What is hidden has 8 bytes or more.",
        ),
    ],
    clashes: &[],
    requires: &[],
};

pub(super) static SECRET_USE: Table = Table {
    name: "secret_use",
    noun: "a secret of a step",
    about: "A secret that the step gets.",
    keys: &[
        key("name", Kind::Variable, "The name it is declared by.").required(),
        key("file", Kind::SecretFile, "Path of a file in memory that takes it, instead of the environment.")
            .also(&["path"]),
    ],
    clashes: &[],
    requires: &[],
};

impl Table {
    /// The key of this name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Key {
    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) const fn also(mut self, names: &'static [&'static str]) -> Self {
        self.also = names;
        self
    }

    pub(super) fn is_later(&self) -> bool {
        matches!(self.kind, Kind::Later)
    }
}

pub(super) const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, about, required: false, also: &[] }
}

const fn later(name: &'static str) -> Key {
    key(name, Kind::Later, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a YAML 1.1 reader takes for a boolean, null or a merge instead of a key.
    #[test]
    fn no_key_means_something_else_to_a_yaml_1_1_reader() {
        let special = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "="];
        for key in ALL.iter().flat_map(|table| table.keys) {
            assert!(!special.contains(&key.name.to_lowercase().as_str()), "{}", key.name);
            assert!(key.name.starts_with(|first: char| first.is_ascii_lowercase()), "{}", key.name);
        }
    }

    #[test]
    fn a_template_has_the_keys_of_a_step_but_uses_none() {
        let names = |table: &Table| table.keys.iter().map(|key| key.name).collect::<Vec<_>>();
        let (step, mut template) = (names(&STEP), names(&TEMPLATE));
        assert_eq!(step.get(step.len() - 2..), Some(&["template", "with"][..]));
        assert_eq!(template.pop(), Some("params"));
        assert_eq!(step.get(..step.len() - 2), Some(template.as_slice()));
    }

    #[test]
    fn rules_between_keys_name_keys_of_the_table() {
        for table in ALL {
            for (one, other) in table.clashes.iter().chain(table.requires) {
                assert!(table.key(one).is_some() && table.key(other).is_some(), "{one}, {other}");
            }
        }
    }
}
