//! `${{ }}` in strings (language L12): what it stands for is put in its place when the pipeline is
//! compiled; an output of an earlier step stays in the plan as one. Scripts are never looked at.

use std::borrow::Cow;

use super::pieces::{self, Piece, Unclosed};
use super::read::{Field, Reader};
use super::scope::Place;
use crate::base::{Diagnostic, Span, StepId};
use crate::frontend::codes;
use crate::plan::expression::{Expression, ExpressionError, Group};
use crate::plan::{Part, Text};

/// How much text all expressions of a file together may give, in bytes: a small file must not become a
/// huge plan.
const MAX_GIVEN: usize = 64 << 20;

/// How outputs are written.
const ALONE: &str = "an output stands alone: `${{ steps.NAME.outputs.KEY }}`; text may stand around it";

/// A string with everything put in that is known.
pub(super) struct Resolved {
    pub(super) text: Text,
    /// Some of it is text of git or of an event.
    pub(super) foreign: bool,
    /// Some of it stands as it is written, since it could not be evaluated; what that means is said later.
    pub(super) as_written: bool,
}

/// What one expression stands for.
struct Value {
    parts: Vec<Part>,
    foreign: bool,
    as_written: bool,
}

impl Value {
    fn known(text: impl Into<String>, foreign: bool) -> Self {
        Self { parts: vec![Part::Literal(text.into())], foreign, as_written: false }
    }
}

/// What expressions left to be looked at once all steps are known.
#[derive(Default)]
pub(super) struct Left {
    /// The outputs that strings take.
    pub(super) taken: Vec<Taken>,
    /// What could not be evaluated, which is no mistake in a step that does not run.
    pub(super) failed: Vec<(Place, Diagnostic)>,
    /// Bytes that expressions have given so far.
    given: usize,
}

/// An output that a string takes.
pub(super) struct Taken {
    pub(super) by: Place,
    pub(super) from: StepId,
    pub(super) key: String,
    pub(super) span: Span,
}

impl Reader<'_> {
    /// Text that is known when the pipeline is compiled.
    pub(super) fn text<'n>(&mut self, field: Field<'n, '_>, wanted: &str) -> Option<Cow<'n, str>> {
        let text = self.verbatim(field, wanted)?;
        if pieces::is_plain(text) {
            return Some(Cow::Borrowed(text));
        }
        let (taken, failed) = (self.left.taken.len(), self.left.failed.len());
        let resolved = self.resolved(field, text)?;
        match resolved.text {
            Text::Known(_) if self.left.failed.len() > failed || resolved.as_written => None,
            Text::Known(text) => Some(Cow::Owned(text)),
            Text::Late(_) => {
                self.left.taken.truncate(taken);
                let message = format!("`{}` cannot wait for an output", field.key);
                let help = "it is needed before anything starts; outputs may stand in `image`, `env`, `command` \
                            and `args`";
                self.error(codes::LATE_VALUE, field.node.span, message, help);
                None
            }
        }
    }

    /// Text that may wait for outputs of earlier steps.
    pub(super) fn late_text(&mut self, field: Field<'_, '_>, wanted: &str) -> Option<Resolved> {
        let text = self.verbatim(field, wanted)?;
        if pieces::is_plain(text) {
            return Some(Resolved { text: Text::Known(text.to_owned()), foreign: false, as_written: false });
        }
        self.resolved(field, text)
    }

    /// An argument of a program: an expression is all of it or not in it, so that no value of another can
    /// change what it means.
    pub(super) fn argument(&mut self, field: Field<'_, '_>) -> Option<Resolved> {
        let text = self.verbatim(field, "text")?;
        if let Ok(pieces) = pieces::pieces(text)
            && pieces.len() > 1
            && let Some((expression, at)) = pieces.iter().find_map(Piece::expression)
        {
            let span = self.span_in(field, text, at, expression.len());
            let message = format!("`${{{{ }}}}` is a part of an item of `{}`", field.key);
            let help = "let it be a whole item, or let the program read a variable of `env`";
            self.error(codes::PART_OF_ARGUMENT, span, message, help);
            return None;
        }
        self.late_text(field, "text")
    }

    fn resolved(&mut self, field: Field<'_, '_>, text: &str) -> Option<Resolved> {
        let pieces = match pieces::pieces(text) {
            Ok(pieces) => pieces,
            Err(Unclosed { at }) => {
                let span = self.span_in(field, text, at, pieces::OPEN.len());
                let message = "this `${{` has no `}}`";
                self.error(codes::EXPRESSION, span, message, "for a literal `${{` write `$${{`");
                return None;
            }
        };
        let mut all = Vec::new();
        let (mut foreign, mut as_written, mut whole) = (false, false, true);
        for piece in pieces {
            match piece {
                Piece::Literal(text) => all.push(Part::Literal(text.to_owned())),
                Piece::Expression { text: expression, at } => match self.value(field, text, expression, at) {
                    Some(value) => {
                        foreign |= value.foreign;
                        as_written |= value.as_written;
                        all.extend(value.parts);
                    }
                    None => whole = false,
                },
            }
        }
        whole.then(|| Resolved { text: joined(all), foreign, as_written })
    }

    /// What an expression at a place of a text stands for.
    fn value(&mut self, field: Field<'_, '_>, text: &str, source: &str, at: usize) -> Option<Value> {
        let expression = match Expression::parse(source) {
            Ok(expression) => expression,
            Err(error) => {
                let refused = self.refusal(field, text, source, at, &error);
                let said = |known: &Diagnostic| {
                    // A parameter that a template does not have.
                    let covers = known.span.zip(refused.span).is_some_and(|(known, refused)| {
                        known.start <= refused.start && refused.end <= known.end
                    });
                    known.code == codes::BAD_PARAMETER && covers
                };
                if !self.found.iter().any(said) {
                    self.found.push(refused);
                }
                return None;
            }
        };
        let as_written = || {
            let text = format!("${{{{ {source} }}}}");
            Some(Value { parts: vec![Part::Literal(text)], foreign: false, as_written: true })
        };
        if self.scope.excuses(&expression) {
            return as_written();
        }
        if !expression.steps().is_empty() {
            let part = self.output(field, text, at, &expression)?;
            return Some(Value { parts: vec![part], foreign: false, as_written: false });
        }
        let written = expression.to_string();
        if let Some(written) = self.scope.as_written(&written) {
            return Some(Value::known(written, false));
        }
        let foreign = self.scope.is_foreign(&expression);
        if let Some(Text::Late(parts)) = self.scope.late_variable(&written) {
            return Some(Value { parts: parts.clone(), foreign, as_written: false });
        }
        let value = match self.scope.facts(&expression) {
            Ok(facts) => expression.check(&facts).and_then(|_| expression.evaluate(&facts)),
            Err(message) => Err(ExpressionError { offset: 0, message, help: String::new() }),
        };
        match value {
            Ok(Some(value)) => {
                let given = value.to_string();
                self.room(field, text, source, at, given.len()).then(|| Value::known(given, foreign))
            }
            Ok(None) => {
                let span = self.span_in(field, text, at, source.len());
                self.error(codes::LATE_VALUE, span, "this is known only once a step has ended", ALONE);
                None
            }
            Err(error) => {
                let refused = self.refusal(field, text, source, at, &error);
                if expression.reads(Group::Env) || expression.reads(Group::Event) {
                    // What is set elsewhere may be missing where nothing runs.
                    self.left.failed.push((self.scope.place.clone(), refused));
                    return as_written();
                }
                self.found.push(refused);
                None
            }
        }
    }

    /// Whether there is room for what an expression gives; said once when there is none.
    fn room(&mut self, field: Field<'_, '_>, text: &str, source: &str, at: usize, bytes: usize) -> bool {
        let before = self.left.given;
        self.left.given = before.saturating_add(bytes);
        if before <= MAX_GIVEN && self.left.given > MAX_GIVEN {
            let span = self.span_in(field, text, at, source.len());
            let message = "the values of `${{ }}` up to here come to more than 64 MiB";
            let help = "put large data into files of the repository";
            self.error(codes::TOO_MUCH_ENVIRONMENT, span, message, help);
        }
        self.left.given <= MAX_GIVEN
    }

    /// An output of an earlier step, which must be all that the expression is.
    fn output(
        &mut self,
        field: Field<'_, '_>,
        text: &str,
        at: usize,
        expression: &Expression,
    ) -> Option<Part> {
        let written = expression.to_string();
        let span = self.span_in(field, text, at, written.len());
        let steps = expression.steps();
        let read = steps.first().and_then(|read| Some((read.step, read.output?)));
        let alone = |(step, key): &(&str, &str)| {
            let plain = [format!("steps.{step}.outputs.{key}"), format!("steps['{step}'].outputs.{key}")];
            plain.contains(&written)
        };
        let Some((step, key)) = read.filter(alone) else {
            self.error(codes::LATE_VALUE, span, "what steps do is known only once they have ended", ALONE);
            return None;
        };
        let (from, key) = (StepId::new(step), key.to_owned());
        let by = self.scope.place.clone();
        self.left.taken.push(Taken { by, from: from.clone(), key: key.clone(), span });
        Some(Part::Output { step: from, key })
    }

    /// What is wrong with an expression, at its place in the string.
    fn refusal(
        &self,
        field: Field<'_, '_>,
        text: &str,
        source: &str,
        at: usize,
        error: &ExpressionError,
    ) -> Diagnostic {
        let rest = source.get(error.offset..).unwrap_or_default();
        let word =
            rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(rest.len());
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let span = self.span_in(field, text, at + error.offset, word.max(first));
        let (message, help) = if rest.starts_with("secrets") {
            let help = "list the secret in `secrets` of the step; its program gets it as a variable";
            ("there are no secrets in `${{ }}`".to_owned(), help)
        } else if source.is_empty() {
            let help =
                "write what stands for the value: `${{ inputs.NAME }}`; for a literal `${{` write `$${{`";
            ("this `${{ }}` is empty".to_owned(), help)
        } else {
            (error.message.clone(), error.help.as_str())
        };
        let refusal = Diagnostic::error(codes::EXPRESSION, span, message);
        refusal.with_help(if help.is_empty() {
            "`windlass explain W0173` says what it may ask"
        } else {
            help
        })
    }

    /// The place in the file of a part of a string. Where the file writes the string in another way,
    /// with escapes or over several lines, the place of its `${{`, or else of the string.
    pub(super) fn span_in(&self, field: Field<'_, '_>, text: &str, at: usize, length: usize) -> Span {
        let whole = field.node.span;
        let found = || {
            let (file, start) = self.source?.file(whole.start);
            let written = file.text.get(start..start + whole.end.checked_sub(whole.start)?)?;
            let open = text.get(..at + pieces::OPEN.len()).unwrap_or(text).rfind(pieces::OPEN)?;
            let before = text.get(..open)?.matches(pieces::OPEN).count();
            let (start, _) = written.match_indices(pieces::OPEN).nth(before)?;
            let wanted = text.get(open..at + length)?;
            let there = written.get(start..)?.starts_with(wanted);
            let (skip, length) = if there { (at - open, length) } else { (0, pieces::OPEN.len()) };
            let start = whole.start + start + skip;
            Some(Span { start, end: start + length.max(1) })
        };
        found().unwrap_or(whole)
    }
}

/// One text of all parts; late when one of them is.
fn joined(parts: Vec<Part>) -> Text {
    let mut joined: Vec<Part> = Vec::new();
    for part in parts {
        match (joined.last_mut(), part) {
            (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(&text),
            (_, part) => joined.push(part),
        }
    }
    match joined.as_mut_slice() {
        [] => Text::Known(String::new()),
        [Part::Literal(text)] => Text::Known(std::mem::take(text)),
        _ => Text::Late(joined),
    }
}
