//! Prints why something could not begin, and gives its exit code.

use std::io;

use super::args::Chosen;
use super::exit::Exit;
use super::output;
use super::secrets::SecretFileError;
use crate::base::{Diagnostic, SourceText, with_causes};
use crate::config::SettingsError;
use crate::frontend::{self, Choice};
use crate::ledger::{Object, ObjectKind};
use crate::runner::{HomeError, NotRun, RunError};

/// What removes what is left.
const CLEAN: &str = "`windlass clean` removes it";

/// A state directory that cannot be used.
pub(super) fn home(error: &HomeError) -> Exit {
    output::error(&with_causes(error), Some(error.help()));
    Exit::StoreUnusable
}

/// Settings that cannot be used.
pub(super) fn settings(error: &SettingsError) -> Exit {
    match error {
        SettingsError::Invalid { text, diagnostic } => diagnostics(text, std::slice::from_ref(diagnostic)),
        _ => output::error(&with_causes(error), error.help()),
    }
    Exit::Usage
}

/// What the user chose, or why it cannot be taken.
pub(super) fn choice(chosen: &Chosen) -> Result<Choice, Exit> {
    chosen.choice().map_err(|name| {
        output::error(&format!("the input `{name}` is given twice"), Some("keep one of the values"));
        Exit::Usage
    })
}

/// A file of secrets that cannot be used.
pub(super) fn secret_file(error: &SecretFileError) -> Exit {
    output::error(&with_causes(error), Some(error.help()));
    Exit::Usage
}

/// A system that has no place for a signal handler.
pub(super) fn no_signals(error: &io::Error) -> Exit {
    output::error(&format!("cannot listen to signals: {error}"), None);
    Exit::Bug
}

/// A run that did not begin. `signal` is the code of the signal that came, if one did.
pub(super) fn not_run(not_run: &NotRun, signal: Option<Exit>) -> Exit {
    let exit = run(&not_run.error, signal);
    left(&not_run.left);
    exit
}

/// Anything that kept a run, a plan or a check from being made.
pub(super) fn run(error: &RunError, signal: Option<Exit>) -> Exit {
    let Some(class) = error.class() else {
        output::note(error);
        return signal.unwrap_or(Exit::StepFailed);
    };
    match error {
        RunError::Invalid(invalid) => diagnostics(&invalid.text, &invalid.diagnostics),
        RunError::Unmet(unmet) => {
            for unmet in unmet {
                output::error(&unmet.what, Some(unmet.help));
            }
        }
        _ => output::error(&with_causes(error), error.help().as_deref()),
    }
    signal.unwrap_or(Exit::of_class(class))
}

/// What was found in a pipeline file.
pub(super) fn diagnostics(text: &SourceText, found: &[Diagnostic]) {
    if !found.is_empty() {
        output::note(frontend::render(text, found, output::colors(&io::stderr())).trim_end());
    }
}

/// What a run could not remove.
pub(super) fn left(objects: &[Object]) {
    if !objects.is_empty() {
        output::warning(&format!("could not remove {}", names(objects)), Some(CLEAN));
    }
}

/// What a run has made that is left without a clean-up. A source that was being captured is in no ledger.
pub(super) fn left_at_once(objects: &[Object]) {
    let what = if objects.is_empty() { "what the run made".to_owned() } else { names(objects) };
    output::warning(&format!("left at once: {what} may still be there"), Some(CLEAN));
}

fn names(objects: &[Object]) -> String {
    objects.iter().map(describe).collect::<Vec<_>>().join(", ")
}

/// An object in the words of people.
pub(super) fn describe(object: &Object) -> String {
    let kind = match object.kind {
        ObjectKind::Container => "container",
        ObjectKind::Network => "network",
        ObjectKind::Volume => "volume",
        ObjectKind::Directory => "directory",
        ObjectKind::Resource => "object",
    };
    format!("{kind} {}", object.name)
}
