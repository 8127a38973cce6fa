//! `windlass vars`.

use serde_json::json;

use super::load::load;
use crate::cli::args::{CheckOutput, Vars};
use crate::cli::exit::Exit;
use crate::cli::{failure, output};
use crate::plan::facts::GitFacts;
use crate::runner::{self, Loaded, NotRun, RunError, Source, StepValues, Value, Variable};

/// Prints every value that steps get, with its origin.
pub(in crate::cli) async fn vars(args: Vars) -> Exit {
    let loaded = match load(&args.pipeline, &args.chosen).await {
        Ok(loaded) => loaded,
        Err(stopped) => return stopped.said(),
    };
    let values = match values(&args, &loaded) {
        Ok(values) => values,
        Err(exit) => return exit,
    };
    let values = match selected(&args.step, values, &loaded) {
        Ok(values) => values,
        Err(unknown) => {
            let names: Vec<_> = loaded.plan.all_steps().map(|(_, step)| step.id.as_str()).collect();
            let help = format!("its steps are {}", names.join(", "));
            output::error(&format!("the pipeline has no step `{unknown}`"), Some(&help));
            return Exit::NothingSelected;
        }
    };
    output::data(&match args.output {
        CheckOutput::Text => values.iter().map(text).collect::<Vec<_>>().join("\n"),
        CheckOutput::Json => {
            format!("{:#}\n", json!({ "steps": values.iter().map(data).collect::<Vec<_>>() }))
        }
    })
}

fn values(args: &Vars, loaded: &Loaded) -> Result<Vec<StepValues>, Exit> {
    let choice = failure::choice(&args.chosen)?;
    let git = match (&loaded.git, Source::parse(&args.pipeline.source)) {
        (Some(git), _) => Ok(git.clone()),
        (None, Source::Directory(dir) | Source::InPlace(dir)) => runner::git_of(&dir),
        (None, Source::Url { .. }) => Ok(GitFacts::default()),
    };
    let git = git.map_err(|error: RunError| failure::not_run(&NotRun::from(error), None))?;
    Ok(runner::values(loaded, &git, &choice))
}

/// The steps that were asked for, all when none was; or a name that is nobody's.
fn selected(names: &[String], values: Vec<StepValues>, loaded: &Loaded) -> Result<Vec<StepValues>, String> {
    let called = |step: &StepValues, name: &String| step.is_called(&loaded.plan, name);
    if let Some(unknown) = names.iter().find(|name| !values.iter().any(|step| called(step, name))) {
        return Err(unknown.clone());
    }
    let wanted = |step: &StepValues| names.is_empty() || names.iter().any(|name| called(step, name));
    Ok(values.into_iter().filter(wanted).collect())
}

/// A step and its values, one a line: where it comes from first, so that long values do no harm.
fn text(step: &StepValues) -> String {
    let widest = step.variables.iter().map(|variable| variable.origin.to_string().chars().count()).max();
    let lines = step.variables.iter().map(|Variable { name, value, origin }| {
        let (origin, width) = (origin.to_string(), widest.unwrap_or_default());
        match value {
            Value::Known(value) => format!("  {origin:width$}  {name}={}\n", in_a_line(value)),
            Value::AtRunTime(what) => {
                format!("  {origin:width$}  {name} (at run time: {})\n", in_a_line(what))
            }
            Value::Secret(secret) => format!("  {origin:width$}  {name} (the secret {secret})\n"),
        }
    });
    format!("{} · {}\n{}", step.stage, in_a_line(&step.name), lines.collect::<String>())
}

/// The text as it is, or with its line breaks and control characters shown.
fn in_a_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

fn data(step: &StepValues) -> serde_json::Value {
    let variables = step.variables.iter().map(|variable| {
        let mut data = json!({ "name": variable.name, "origin": variable.origin.to_string() });
        match &variable.value {
            Value::Known(value) => data["value"] = value.as_str().into(),
            Value::AtRunTime(what) => data["at_run_time"] = what.as_str().into(),
            Value::Secret(secret) => data["secret"] = secret.as_str().into(),
        }
        data
    });
    json!({
        "stage": step.stage,
        "step": step.step.as_str(),
        "name": step.name,
        "variables": variables.collect::<Vec<_>>(),
    })
}
