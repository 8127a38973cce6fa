//! `windlass clean`.

use crate::cli::args::{Backend, Clean};
use crate::cli::exit::Exit;
use crate::cli::{failure, output};
use crate::config::Settings;
use crate::runner::{self, Home};

/// Removes what dead runs left, and says what it was.
pub(in crate::cli) async fn clean(args: Clean) -> Exit {
    let home = match Home::open() {
        Ok(home) => home,
        Err(error) => return failure::home(&error),
    };
    let backend = match args.backend {
        Backend::Docker => runner::docker(&home),
        Backend::Kubernetes => match Settings::read() {
            Ok(settings) => runner::kubernetes(&home, &settings),
            Err(error) => return failure::settings(&error),
        },
    };
    let cleaned = match runner::clean(&home, backend).await {
        Ok(cleaned) => cleaned,
        Err(error) => return failure::run(&error, None),
    };
    let removed = cleaned.removed.iter();
    let mut lines: Vec<String> = removed
        .map(|(run, object)| format!("removed {} of run {run}\n", failure::describe(object)))
        .collect();
    if cleaned.removed.is_empty() && cleaned.failed.is_empty() {
        lines.push("nothing to remove\n".to_owned());
    }
    let printed = output::data(&lines.concat());
    for (run, object, why) in &cleaned.failed {
        output::error(&format!("could not remove {} of run {run}: {why}", failure::describe(object)), None);
    }
    if let Some(error) = &cleaned.unreachable {
        let message = format!("only what this machine's ledgers name was looked for: {error}");
        output::warning(&message, error.help.as_deref());
    }
    if cleaned.failed.is_empty() { printed } else { Exit::StepLost }
}
