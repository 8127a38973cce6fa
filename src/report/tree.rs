//! The tree of a plan: what would run, decided before anything starts.

use std::collections::HashMap;
use std::time::Duration;

use super::ansi::one_line;
use super::style::{pad, width};
use crate::base::StepId;
use crate::base::units::show_duration;
use crate::plan::{
    After, AllowFailure, Condition, Image, LateNode, Needs, Network, OnStepFailure, Plan, Stage, Step, Text,
};

/// The language's defaults (L3, L7), which are not worth a word.
const STEP_TIMEOUT: Duration = Duration::from_hours(1);
const RUN_TIMEOUT: Duration = Duration::from_hours(6);

/// What steps are called, by their ids.
type Names<'p> = HashMap<&'p StepId, &'p str>;

/// Draws a plan as a tree of stages and steps, each with what is not the default.
pub fn render(plan: &Plan) -> String {
    let mut title = vec![one_line(&plan.name)];
    title.extend(plan.file.as_deref().map(one_line));
    if plan.timeout != RUN_TIMEOUT {
        title.push(format!("timeout {}", show_duration(plan.timeout)));
    }
    let mut lines = vec![title.join(" · ")];
    let stages: Vec<_> = plan.all_stages().collect();
    let names = plan.all_steps().map(|(_, step)| (&step.id, step.name.as_str())).collect();
    for (place, stage) in stages.iter().enumerate() {
        let last = place + 1 == stages.len();
        let indent = if last { "   " } else { "│  " };
        lines.push(format!("{} {}", branch(last), join(one_line(stage.id.as_str()), &stage_notes(stage))));
        lines.extend(children(plan, stage, &names).into_iter().map(|line| format!("{indent}{line}")));
    }
    lines.join("\n") + "\n"
}

fn children(plan: &Plan, stage: &Stage, known: &Names<'_>) -> Vec<String> {
    let names: Vec<_> = stage.steps.iter().map(|step| one_line(&step.name)).collect();
    let images: Vec<_> = stage.steps.iter().map(|step| image(&step.image)).collect();
    let widest = |texts: &[String]| texts.iter().map(|text| width(text)).max().unwrap_or_default();
    let (name_column, image_column) = (widest(&names), widest(&images));
    let steps = stage.steps.iter().zip(&names).zip(&images).map(|((step, name), image)| {
        let head = format!("{}  {}", pad(name, name_column), pad(image, image_column));
        let mut notes = step_notes(step, known);
        notes.extend(services(plan, step));
        join(head, &notes).trim_end().to_owned()
    });
    let lines: Vec<_> = steps.chain(stage.late.iter().map(late_node)).collect();
    let all = lines.len();
    lines
        .into_iter()
        .enumerate()
        .map(|(place, line)| format!("{} {line}", branch(place + 1 == all)))
        .collect()
}

fn branch(last: bool) -> &'static str {
    if last { "└─" } else { "├─" }
}

fn join(head: String, notes: &[String]) -> String {
    if notes.is_empty() { head } else { format!("{head}  {}", notes.join(" · ")) }
}

fn stage_notes(stage: &Stage) -> Vec<String> {
    let mut notes: Vec<_> = after(stage.after).into_iter().collect();
    match stage.on_step_failure {
        OnStepFailure::CancelSiblings => {}
        OnStepFailure::StartNothingNew => notes.push("a failure starts nothing new".to_owned()),
        OnStepFailure::GoOn => notes.push("fail_fast off".to_owned()),
    }
    notes.extend(stage.timeout.map(|timeout| format!("timeout {}", show_duration(timeout))));
    notes
}

fn step_notes(step: &Step, names: &Names<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    match &step.condition {
        Condition::True => {}
        Condition::False(why) => notes.push(format!("skipped: {}", one_line(why))),
        Condition::Late(expression) => notes.push(format!("decided at run time: {}", one_line(expression))),
    }
    if let Some(gate) = &step.gate {
        let shown = gate.known().map_or("(text known later)".to_owned(), one_line);
        notes.push(format!("gate: {shown}"));
    }
    if let Some(wait) = &step.wait_for {
        let what = wait.what.known().map_or("(text known later)".to_owned(), one_line);
        let limit = show_duration(wait.timeout);
        notes.push(format!("waits for {} {what}, at most {limit}", wait.kind.noun()));
    }
    if !step.substitute.is_empty() {
        let patterns: Vec<String> = step.substitute.iter().map(|pattern| one_line(pattern)).collect();
        notes.push(format!("substitutes in {}", patterns.join(", ")));
    }
    match &step.needs {
        None => {}
        Some(Needs::All(steps)) if steps.is_empty() => notes.push("needs nothing".to_owned()),
        Some(Needs::All(steps)) => notes.push(format!("needs {}", list(steps, names))),
        Some(Needs::Any(steps)) => notes.push(format!("needs any of {}", list(steps, names))),
    }
    notes.extend(after(step.after));
    match &step.allow_failure {
        AllowFailure::No => {}
        AllowFailure::Yes => notes.push("may fail".to_owned()),
        AllowFailure::ExitCodes(codes) => {
            let codes: Vec<_> = codes.iter().map(ToString::to_string).collect();
            notes.push(format!("may fail with {}", codes.join(", ")));
        }
    }
    if step.timeout != STEP_TIMEOUT {
        notes.push(format!("timeout {}", show_duration(step.timeout)));
    }
    if step.retry.max > 0 {
        notes.push(format!("retry {}", step.retry.max));
    }
    if step.network == Network::None {
        notes.push("network none".to_owned());
    }
    notes
}

/// `with db (postgres:16)`
fn services(plan: &Plan, step: &Step) -> Option<String> {
    let services = plan
        .services_of(step)
        .map(|(_, service)| format!("{} ({})", one_line(&service.name), image(&service.image)));
    let services: Vec<_> = services.collect();
    (!services.is_empty()).then(|| format!("with {}", services.join(", ")))
}

fn after(after: After) -> Option<String> {
    match after {
        After::Success => None,
        After::Failure => Some("after failure".to_owned()),
        After::Always => Some("after always".to_owned()),
    }
}

fn image(image: &Image) -> String {
    match image {
        Image::Host => "host".to_owned(),
        Image::File(file) => one_line(&file.to_string()),
        Image::Reference(Text::Known(reference)) => one_line(reference),
        Image::Reference(Text::Late(_)) => "(image known later)".to_owned(),
    }
}

fn late_node(node: &LateNode) -> String {
    match node {
        LateNode::Matrix { step, key, template, .. } => {
            let names: Vec<_> = template.iter().map(|step| one_line(&step.name)).collect();
            format!("{} for each of {step}.{key}", names.join(", "))
        }
        LateNode::ChildPlan { step, key, .. } => format!("the plan in {step}.{key}"),
    }
}

fn list(steps: &[StepId], names: &Names<'_>) -> String {
    let name = |step: &StepId| one_line(names.get(step).copied().unwrap_or(step.as_str()));
    steps.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
