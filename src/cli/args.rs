//! The command line as it is written; nothing here touches the system.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::base::Bytes;
use crate::frontend::Choice;
use crate::runner::Source;

/// Run a repository's CI pipeline in containers on this machine
#[derive(Debug, Parser)]
#[command(name = "windlass", version, max_term_width = 100, disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a pipeline, or one command in one container
    Run(Run),
    /// Show what would run, without running it
    Plan(Plan),
    /// Check a pipeline file and report everything that is wrong with it
    Check(Check),
    /// Print every value that steps get, and where it comes from
    Vars(Vars),
    /// Say what a code of a message, or the reason of an end, means
    Explain(Explain),
    /// Print the JSON Schema of the pipeline file
    Schema,
    /// Remove what runs that were killed left behind
    Clean(Clean),
}

/// Where the pipeline is.
#[derive(Debug, clap::Args)]
pub(super) struct Pipeline {
    /// Directory or git URL whose pipeline to use
    #[arg(default_value = ".", hide_default_value = false)]
    pub(super) source: String,
    /// Branch, tag or commit of a git URL
    #[arg(long = "ref", value_name = "REF")]
    pub(super) reference: Option<String>,
    /// Clone the submodules of a git URL too, two deep, from the same host alone
    #[arg(long)]
    pub(super) submodules: bool,
    /// Pipeline file, relative to the source's root, instead of windlass.yml or .windlass.yml
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

/// What a pipeline leaves open.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Chosen {
    /// Give an input of the pipeline its value
    #[arg(long, value_name = "NAME=VALUE", value_parser = input)]
    pub(super) input: Vec<(String, String)>,
    /// Choose one of the pipeline's environments
    #[arg(long, value_name = "NAME")]
    pub(super) environment: Option<String>,
    /// Set an environment variable in every step, over the file's own
    #[arg(long, value_name = "KEY=VALUE", value_parser = variable)]
    pub(super) env: Vec<(String, String)>,
}

/// Arguments of `windlass run`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "windlass run [OPTIONS] [SOURCE]\n       windlass run [OPTIONS] --image <IMAGE> [-- COMMAND...]"
)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) pipeline: Pipeline,
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// Run one container of this image: no file, no source, no workspace
    #[arg(long, conflicts_with_all = [
        "source", "reference", "submodules", "file", "in_place", "input", "environment"
    ])]
    pub(super) image: Option<String>,
    /// Command to run in the image instead of the image's own
    #[arg(last = true, value_name = "COMMAND", requires = "image")]
    pub(super) command: Vec<String>,
    /// Take secrets from a file of NAME=value lines; those it does not have come from the environment
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub(super) secret_file: Vec<PathBuf>,
    /// Run at most this many steps at the same time [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZero<usize>>,
    /// Open the gate of this step; may be given several times
    #[arg(long, value_name = "STEP", conflicts_with = "image")]
    pub(super) approve: Vec<String>,
    /// Choose what is written to standard output
    #[arg(long, value_enum)]
    pub(super) output: Option<Output>,
    /// Choose where steps run
    #[arg(long, value_enum, default_value = "docker")]
    pub(super) backend: Backend,
    /// Work on the directory itself instead of a copy-on-write capture of it
    #[arg(long)]
    pub(super) in_place: bool,
    /// Keep at most this much output of each step
    #[arg(long, value_name = "SIZE", default_value = "64Mi", value_parser = Bytes::parse)]
    pub(super) log_limit: Bytes,
    /// Let the other steps of a stage go on when one fails
    #[arg(long)]
    pub(super) keep_going: bool,
    /// Exit with the failed step's own code
    #[arg(long)]
    pub(super) propagate_exit: bool,
    /// Say what is done besides running steps, and how long it takes
    #[arg(short, long)]
    pub(super) verbose: bool,
}

/// Arguments of `windlass clean`.
#[derive(Debug, clap::Args)]
pub(super) struct Clean {
    /// Choose where to look for what dead runs left
    #[arg(long, value_enum, default_value = "docker")]
    pub(super) backend: Backend,
}

/// Arguments of `windlass plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) pipeline: Pipeline,
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// Choose the form [default: tree]
    #[arg(long, value_enum)]
    pub(super) output: Option<PlanOutput>,
    /// Refuse what this backend cannot do; on kubernetes, print the manifests of all that a run makes
    #[arg(long, value_enum)]
    pub(super) backend: Option<Backend>,
    /// Have the cluster's API server look at the manifests, which makes nothing, and print what it refuses
    #[arg(long)]
    pub(super) server: bool,
}

/// Arguments of `windlass check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) pipeline: Pipeline,
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// Choose the form
    #[arg(long, value_enum, default_value = "text")]
    pub(super) output: CheckOutput,
}

/// Arguments of `windlass vars`.
#[derive(Debug, clap::Args)]
pub(super) struct Vars {
    #[command(flatten)]
    pub(super) pipeline: Pipeline,
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// Print only those of this step, by its name or id
    #[arg(long, value_name = "STEP")]
    pub(super) step: Vec<String>,
    /// Choose the form
    #[arg(long, value_enum, default_value = "text")]
    pub(super) output: CheckOutput,
}

/// Arguments of `windlass explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The code of a message, such as W0121, or the word of a reason, such as timeout
    pub(super) code: String,
}

/// What a run writes to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Lines of the steps and a summary
    Plain,
    /// Events, one JSON object a line
    Json,
}

/// The form of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanOutput {
    /// A tree of stages and steps
    Tree,
    /// The plan itself
    Json,
}

/// The form of what a check finds, and of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckOutput {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Where steps run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Backend {
    /// Docker, or Podman's Docker API
    Docker,
    /// The Kubernetes cluster of the kubeconfig
    Kubernetes,
}

impl Pipeline {
    /// The source that is meant.
    ///
    /// # Errors
    /// When a directory is to be taken at a reference, or an URL in place.
    pub(super) fn source(&self, in_place: bool) -> Result<Source, (&'static str, &'static str)> {
        match (Source::parse(&self.source), in_place) {
            (Source::Directory(_), _) if self.reference.is_some() => Err((
                "`--ref` goes with a git URL, not with a directory",
                "a local repository has one too: file:///path/to/repository",
            )),
            (Source::Directory(_), _) if self.submodules => Err((
                "`--submodules` goes with a git URL, not with a directory",
                "leave it out: what is checked out in a directory is captured",
            )),
            (Source::Directory(dir), true) => Ok(Source::InPlace(dir)),
            (Source::Url { .. }, true) => Err((
                "`--in-place` goes with a directory, not with a git URL",
                "leave it out: the clone of a URL is the run's own",
            )),
            (Source::Url { url, .. }, false) => {
                let (reference, submodules) = (self.reference.clone(), self.submodules);
                Ok(Source::Url { url, reference, submodules })
            }
            (source, _) => Ok(source),
        }
    }
}

impl Chosen {
    /// What was chosen.
    ///
    /// # Errors
    /// The name of an input that is given twice: nothing says which value was meant.
    pub(super) fn choice(&self) -> Result<Choice, String> {
        let mut inputs = BTreeMap::new();
        for (name, value) in &self.input {
            if inputs.insert(name.clone(), value.clone()).is_some() {
                return Err(name.clone());
            }
        }
        let (environment, env) = (self.environment.clone(), self.env.iter().cloned().collect());
        Ok(Choice { inputs, environment, env, partial: false })
    }
}

fn input(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    let mut letters = key.chars();
    let first = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if !first || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Err(format!("`{key}` is not a name of a variable: letters, digits and `_`, no digit first"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn variables() {
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("_a1="), Ok(("_a1".to_owned(), String::new())));
        for bad in ["A", "=b", "1A=b", "A-B=c"] {
            assert!(variable(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_input_is_given_once() {
        let given = |text: &str| input(text).expect("it has a name and a value");
        assert_eq!(given("a=b=c"), ("a".to_owned(), "b=c".to_owned()));
        assert!(input("a").is_err());
        let chosen = Chosen { input: vec![given("a=1"), given("b=")], ..Chosen::default() };
        assert_eq!(chosen.choice().map(|choice| choice.inputs.len()), Ok(2));
        let chosen = Chosen { input: vec![given("a=1"), given("a=1")], ..Chosen::default() };
        assert_eq!(chosen.choice(), Err("a".to_owned()));
    }

    #[test]
    fn a_reference_goes_with_a_url_and_in_place_with_a_directory() {
        let pipeline = |source: &str, reference: Option<&str>| Pipeline {
            source: source.to_owned(),
            reference: reference.map(str::to_owned),
            submodules: false,
            file: None,
        };
        assert!(pipeline(".", Some("main")).source(false).is_err());
        assert!(pipeline("https://host/a", None).source(true).is_err());
        assert_eq!(pipeline(".", None).source(true), Ok(Source::InPlace(".".into())));
        let url = Source::Url {
            url: "https://host/a".to_owned(),
            reference: Some("v1".to_owned()),
            submodules: false,
        };
        assert_eq!(pipeline("https://host/a", Some("v1")).source(false), Ok(url));
    }
}
