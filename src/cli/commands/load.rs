//! From the command line to a plan, for the commands that run nothing.

use crate::cli::args::{Chosen, Pipeline};
use crate::cli::exit::Exit;
use crate::cli::signal::Signals;
use crate::cli::{failure, output};
use crate::engine;
use crate::frontend::Choice;
use crate::runner::{self, Home, Invalid, Loaded, Made, NotRun, RunError, Source};

/// Why there is no plan.
pub(super) enum Stopped {
    /// It is printed already.
    Said(Exit),
    /// The file is not valid.
    Invalid(Invalid),
}

impl Stopped {
    /// Prints what is not printed yet.
    pub(super) fn said(self) -> Exit {
        match self {
            Stopped::Said(exit) => exit,
            Stopped::Invalid(invalid) => {
                failure::diagnostics(&invalid.text, &invalid.diagnostics);
                Exit::Invalid
            }
        }
    }
}

/// Compiles a pipeline without running it.
pub(super) async fn load(pipeline: &Pipeline, chosen: &Chosen) -> Result<Loaded, Stopped> {
    let choice = failure::choice(chosen).map_err(Stopped::Said)?;
    compile(pipeline, &choice).await
}

/// Compiles a pipeline only to judge its file, for which nobody has to give inputs.
pub(super) async fn look_over(pipeline: &Pipeline, chosen: &Chosen) -> Result<Loaded, Stopped> {
    let choice = failure::choice(chosen).map_err(Stopped::Said)?;
    compile(pipeline, &Choice { partial: true, ..choice }).await
}

async fn compile(pipeline: &Pipeline, choice: &Choice) -> Result<Loaded, Stopped> {
    let source = pipeline.source(false).map_err(|(message, help)| {
        output::error(message, Some(help));
        Stopped::Said(Exit::Usage)
    })?;
    let file = pipeline.file.as_deref();
    let (loaded, signal) = match &source {
        Source::Directory(dir) | Source::InPlace(dir) => {
            (runner::directory(Home::place().as_deref(), dir, file, choice).map_err(NotRun::from), None)
        }
        Source::Url { .. } => {
            let home = Home::open().map_err(|error| Stopped::Said(failure::home(&error)))?;
            let (handle, cancel) = engine::cancel();
            let made = Made::default();
            let signals = Signals::listen(handle, made.clone());
            let signals = signals.map_err(|error| Stopped::Said(failure::no_signals(&error)))?;
            let loaded = runner::cloned(&home, &source, file, choice, &made, &cancel).await;
            (loaded, signals.exit())
        }
    };
    loaded.map_err(|not_run| match not_run {
        NotRun { error: RunError::Invalid(invalid), left } => {
            failure::left(&left);
            Stopped::Invalid(invalid)
        }
        not_run => Stopped::Said(failure::not_run(&not_run, signal)),
    })
}
