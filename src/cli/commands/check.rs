//! `windlass check`.

use serde_json::{Value, json};

use super::load::{Stopped, look_over};
use crate::base::{Diagnostic, Severity, SourceText};
use crate::cli::args::{Check, CheckOutput};
use crate::cli::exit::Exit;
use crate::cli::{failure, output};
use crate::plan::Plan;

/// Reports everything that is wrong with a pipeline file.
pub(in crate::cli) async fn check(args: Check) -> Exit {
    let (plan, text, found) = match look_over(&args.pipeline, &args.chosen).await {
        Ok(loaded) => (Some(loaded.plan), loaded.text, loaded.warnings),
        Err(Stopped::Invalid(invalid)) => (None, Some(invalid.text), invalid.diagnostics),
        Err(Stopped::Said(exit)) => return exit,
    };
    let Some(text) = text else { return Exit::Bug };
    let printed = match (args.output, &plan) {
        (CheckOutput::Json, _) => output::data(&format!("{:#}\n", report(&text, &found, plan.is_some()))),
        (CheckOutput::Text, Some(plan)) => {
            failure::diagnostics(&text, &found);
            output::data(&format!("{} is valid: {}\n", text.name, size(plan)))
        }
        (CheckOutput::Text, None) => {
            failure::diagnostics(&text, &found);
            Exit::Passed
        }
    };
    if plan.is_none() { Exit::Invalid } else { printed }
}

fn size(plan: &Plan) -> String {
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!("{}, {}", count(plan.all_stages().count(), "stage"), count(plan.all_steps().count(), "step"))
}

fn report(text: &SourceText, found: &[Diagnostic], valid: bool) -> Value {
    let diagnostics = found.iter().map(|diagnostic| {
        let place = diagnostic.span.map(|span| text.position(span.start));
        let file = diagnostic.span.map_or(text, |span| text.file(span.start).0);
        json!({
            "code": diagnostic.code,
            "severity": match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "message": diagnostic.message,
            "file": &*file.name,
            "line": place.map(|(line, _)| line),
            "column": place.map(|(_, column)| column),
            "help": diagnostic.help,
        })
    });
    json!({ "file": &*text.name, "valid": valid, "diagnostics": diagnostics.collect::<Vec<_>>() })
}
