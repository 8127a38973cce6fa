//! Where the values of secrets come from (language L14): whoever runs a pipeline gives them, and never its
//! file. All that a plan needs are there before anything starts, or one error names those that are not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::command;
use crate::base::{Secret, SecretTooShort};
use crate::config::Settings;
use crate::plan::{Condition, Plan};

/// Asks a person for the secret of this name, without showing what is typed.
pub type Ask = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<u8>>> + Send + Sync>;

/// Where the values of secrets come from besides the user's settings. The first that has one counts: what was
/// given, the environment, a command of the settings, a person.
#[derive(Clone, Default)]
pub struct SecretSources {
    /// Given by name.
    pub given: BTreeMap<String, Secret>,
    /// Whether this process's environment is looked at.
    pub environment: bool,
    /// Asked for what is still missing.
    pub ask: Option<Ask>,
}

impl fmt::Debug for SecretSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, environment, ask } = self;
        let mut shown = f.debug_struct("SecretSources");
        shown.field("given", given).field("environment", environment);
        shown.field("ask", &ask.is_some()).finish()
    }
}

/// The secrets of a run.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// By name.
    pub(super) values: BTreeMap<String, Secret>,
    /// Those of them that are hidden in all output.
    pub(super) hidden: Vec<Secret>,
}

/// A secret that a step cannot get. No message holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretProblem {
    /// No source has it.
    #[error("the secret `{name}` of step `{step}` is not given")]
    Missing {
        /// Its name.
        name: String,
        /// The first step that gets it.
        step: String,
    },
    /// It could not be masked.
    #[error("the secret `{name}` cannot be hidden in output: {short}")]
    TooShort {
        /// Its name.
        name: String,
        /// How short it is.
        short: SecretTooShort,
    },
    /// No variable can hold it.
    #[error("the secret `{name}` holds a NUL byte, which no environment variable can")]
    Nul {
        /// Its name.
        name: String,
    },
    /// A command of the settings did not give it.
    #[error("the command that the settings name for the secret `{name}` {problem}")]
    Command {
        /// Its name.
        name: String,
        /// What it did instead.
        problem: String,
    },
    /// It was given on the command line, which everybody sees.
    #[error("`--env {name}` sets a variable that is a secret of step `{step}`")]
    Overridden {
        /// Its name.
        name: String,
        /// The first step that gets it.
        step: String,
    },
}

impl SecretProblem {
    /// What to do about it.
    fn help(&self) -> &'static str {
        match self {
            SecretProblem::Missing { .. } => {
                "set each as an environment variable, write NAME=value lines to a file for `--secret-file FILE`, \
                 let the settings name a command, or run on a terminal, which asks"
            }
            SecretProblem::TooShort { .. } => {
                "use a longer one, or declare it `{ name: …, mask: false }` if everybody may see it"
            }
            SecretProblem::Nul { .. } => {
                "let the step take it as a file: `{ name: …, file: /run/secrets/… }`"
            }
            SecretProblem::Command { .. } => {
                "try the command by hand; `[[secret]]` in docs/settings.md says how it is run"
            }
            SecretProblem::Overridden { .. } => {
                "leave `--env` out: others can see a command line; use `--secret-file`"
            }
        }
    }
}

/// What to do about all of them, each thing once.
pub(super) fn help(problems: &[SecretProblem]) -> String {
    let mut said: Vec<&str> = problems.iter().map(SecretProblem::help).collect();
    said.dedup();
    said.join("; ")
}

/// A secret as steps want it.
#[derive(Default)]
struct Wanted<'p> {
    step: &'p str,
    masked: bool,
    variable: bool,
}

/// Finds the value of every secret that a step may get.
///
/// # Errors
/// Everything that is wrong with them, in the order of their names.
pub(super) async fn gather(
    plan: &Plan,
    overrides: &BTreeMap<String, String>,
    (settings, source): (&Settings, Option<&str>),
    sources: &SecretSources,
) -> Result<Gathered, Vec<SecretProblem>> {
    let wanted = wanted(plan);
    let mut gathered = Gathered::default();
    let mut problems = Vec::new();
    let mut missing = BTreeSet::new();
    for (&name, want) in &wanted {
        if want.variable && overrides.contains_key(name) {
            let (name, step) = (name.to_owned(), want.step.to_owned());
            problems.push(SecretProblem::Overridden { name, step });
            continue;
        }
        let found = sources.given.get(name).map(|secret| secret.expose().to_vec());
        let variable = || std::env::var_os(name).filter(|_| sources.environment).map(OsStringExt::into_vec);
        let found = found.or_else(variable).filter(|value| !value.is_empty());
        let of_settings =
            || settings.secrets.iter().find(|one| one.name == name && source == Some(&one.source));
        match (found, of_settings()) {
            (Some(value), _) => add(&mut gathered, &mut problems, (name, want), value),
            (None, Some(secret)) => match command::output(&secret.command).await {
                Ok(value) => add(&mut gathered, &mut problems, (name, want), value),
                Err(problem) => {
                    problems.push(SecretProblem::Command { name: name.to_owned(), problem });
                }
            },
            (None, None) => _ = missing.insert(name),
        }
    }
    // Nobody is asked for one secret to be told that another is wrong.
    let ask = sources.ask.as_ref().filter(|_| problems.is_empty());
    for (name, want) in wanted.iter().filter(|(name, _)| missing.contains(*name)) {
        let told = match ask {
            Some(ask) => ask((*name).to_owned()).await.ok().filter(|value| !value.is_empty()),
            None => None,
        };
        if let Some(value) = told {
            add(&mut gathered, &mut problems, (name, want), value);
        } else {
            let (name, step) = ((*name).to_owned(), want.step.to_owned());
            problems.push(SecretProblem::Missing { name, step });
        }
    }
    if problems.is_empty() { Ok(gathered) } else { Err(problems) }
}

fn add(
    gathered: &mut Gathered,
    problems: &mut Vec<SecretProblem>,
    (name, want): (&str, &Wanted<'_>),
    value: Vec<u8>,
) {
    if want.variable && value.contains(&0) {
        problems.push(SecretProblem::Nul { name: name.to_owned() });
        return;
    }
    let secret = if want.masked { Secret::new(value) } else { Ok(Secret::unmasked(value)) };
    match secret {
        Ok(secret) => {
            gathered.hidden.extend(want.masked.then(|| secret.clone()));
            gathered.values.insert(name.to_owned(), secret);
        }
        Err(short) => problems.push(SecretProblem::TooShort { name: name.to_owned(), short }),
    }
}

/// The secrets of all steps that may run.
fn wanted(plan: &Plan) -> BTreeMap<&str, Wanted<'_>> {
    let mut wanted: BTreeMap<&str, Wanted<'_>> = BTreeMap::new();
    let steps = plan.all_steps().map(|(_, step)| step);
    for step in steps.filter(|step| !matches!(step.condition, Condition::False(_))) {
        for secret in &step.secrets {
            let want = wanted.entry(&secret.name).or_default();
            if want.step.is_empty() {
                want.step = &step.name;
            }
            want.masked |= !secret.unmasked;
            want.variable |= secret.env.is_some();
        }
    }
    wanted
}

#[cfg(test)]
mod tests;
