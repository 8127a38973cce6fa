//! What is wrong with a user's file: code, place, what was expected, what to do.

use std::fmt;
use std::sync::Arc;

/// A range of bytes in a source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A file's name and content, as diagnostics quote it, and those of the files it includes.
///
/// A place in an included file is counted on from the end of the file before it, so that a [`Span`] says
/// which file it is in.
#[derive(Clone, Debug)]
pub struct SourceText {
    /// The name to print, relative to where the user stands.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    included: Vec<SourceText>,
}

/// Whether a finding stops the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is not accepted.
    Error,
    /// The file is accepted; the user should know.
    Warning,
}

/// One finding in a user's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable code, such as `W0103`.
    pub code: &'static str,
    /// Whether it stops the run.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// Where, when there is a place.
    pub span: Option<Span>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error with a place.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), span: Some(span), help: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl SourceText {
    /// Wraps a file's name and content.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into(), included: Vec::new() }
    }

    /// Adds a file that it includes, and gives the offset at which the places in that file begin.
    pub fn include(&mut self, file: SourceText) -> usize {
        let start = self.files().map(|(start, file)| start + file.text.len() + 1).last().unwrap_or_default();
        self.included.push(file);
        start
    }

    /// The file and those it includes, each with the offset at which its places begin.
    pub fn files(&self) -> impl Iterator<Item = (usize, &SourceText)> {
        std::iter::once(self).chain(&self.included).scan(0, |next, file| {
            let start = *next;
            *next += file.text.len() + 1;
            Some((start, file))
        })
    }

    /// The file that an offset is in, and the offset in that file.
    pub fn file(&self, offset: usize) -> (&SourceText, usize) {
        let (start, file) =
            self.files().take_while(|(start, _)| *start <= offset).last().unwrap_or((0, self));
        (file, offset - start)
    }

    /// Line and column (both from 1, columns in characters) of a byte offset, in the file it is in.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let (file, offset) = self.file(offset);
        file.own_position(offset)
    }

    fn own_position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}
