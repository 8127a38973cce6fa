//! From a file to a plan: finds the file, parses it with positions, lowers it, and says everything
//! that is wrong with it in one pass.
//!
//! Owns one folder a dialect (so far `native`), the YAML they share, the table of diagnostic codes
//! and how diagnostics are shown. It looks at the repository only through the view that it is given,
//! never runs anything, and the plan it makes holds nothing of the dialect's syntax.

mod accepted;
pub mod codes;
mod find;
mod given;
mod lines;
mod native;
mod origin;
mod render;
mod yaml;

pub use accepted::NotAccepted;
pub use find::{FindError, find};
pub use given::{Choice, Given};
pub use native::schema;
pub use origin::{Origin, Origins};
pub use render::render;
pub use yaml::MAX_FILE;

use std::sync::Arc;

use self::native::Lowered;
use crate::base::{Diagnostic, Severity, SourceText};
use crate::plan::Plan;

/// What came of compiling a file.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The file, with those that it includes: what the diagnostics' places are in.
    pub source: SourceText,
    /// The plan; none when a diagnostic is an error, or what was given is not accepted.
    pub plan: Option<Plan>,
    /// Who has set the variables of the plan's steps.
    pub origins: Origins,
    /// What is wrong with the file, in its order.
    pub diagnostics: Vec<Diagnostic>,
    /// What is wrong with the inputs and the environment that were given.
    pub refused: Option<NotAccepted>,
}

/// Compiles a pipeline file; never panics, whatever the text.
pub fn compile(source: &SourceText, given: &Given<'_>) -> Compiled {
    let mut diagnostics = Vec::new();
    let mut source = source.clone();
    let main = Arc::clone(&source.text);
    let lowered = yaml::load(&main, 0, &mut diagnostics).and_then(|root| {
        let expanded = native::expand(&mut source, root, given.source, &mut diagnostics);
        let lowered = native::lower(&source, &expanded.root, given, &mut diagnostics);
        expanded.annotate(&source, &mut diagnostics);
        lowered
    });
    diagnostics.sort_by(|one, other| {
        (one.span, one.code, &one.message).cmp(&(other.span, other.code, &other.message))
    });
    // What stands under an anchor is read once for each alias, and said once.
    diagnostics.dedup();
    let invalid = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let (plan, origins, refused) = match lowered {
        Some(Lowered { plan, origins, refused }) => {
            (Some(plan).filter(|_| !invalid && refused.is_none()), origins, refused)
        }
        None => Default::default(),
    };
    Compiled { source, plan, origins, diagnostics, refused }
}

/// Shows a text of the user's in a sentence.
fn shown(text: &str) -> String {
    if text.is_empty() { "an empty text".to_owned() } else { format!("`{}`", shorten(text)) }
}

/// Joins words of which there may be several: `one, two or three`.
fn joined(words: &[String], last: &str) -> String {
    match words {
        [first @ .., end] if !first.is_empty() => format!("{} {last} {end}", first.join(", ")),
        words => words.concat(),
    }
}

/// Cuts a text of the user's short enough for a message.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None if line.len() < text.trim_end().len() => format!("{line}…"),
        None => line.to_owned(),
    }
}
