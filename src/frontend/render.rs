//! Diagnostics as people read them: code, message, place, the source line, what to do.
//!
//! Shows text of the user's file, so nothing of it reaches a terminal as a control character, and
//! no line is longer than a screen can take.

use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};

use super::lines::Lines;
use crate::base::{Diagnostic, Severity, SourceText, Span};

/// How wide messages are wrapped.
const WIDTH: usize = 100;
/// How many characters of a long source line are shown on each side of the place.
const AROUND: usize = 60;

/// Writes all findings in the order of the file.
pub fn render(source: &SourceText, diagnostics: &[Diagnostic], color: bool) -> String {
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_links(false)
        .without_syntax_highlighting();
    let mut sorted: Vec<_> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| (diagnostic.span, diagnostic.code));
    let files: Vec<_> = source.files().map(|(start, file)| (start, file, Lines::new(&file.text))).collect();
    let mut out = String::new();
    for diagnostic in sorted {
        if !out.is_empty() {
            out.push('\n');
        }
        let finding = Finding::new(&files, diagnostic);
        if handler.render_report(&mut out, &finding).is_err() {
            // Only reached when the excerpt and its label disagree; the words are still there.
            out.extend([finding.message.as_str(), "\n"]);
        }
    }
    out
}

/// A diagnostic with the one line it is about.
#[derive(Debug)]
struct Finding {
    code: &'static str,
    severity: Severity,
    message: String,
    help: Option<String>,
    excerpt: Option<Excerpt>,
}

/// A piece of one line of the file.
#[derive(Debug)]
struct Excerpt {
    name: String,
    text: String,
    /// What is meant, in bytes of `text`.
    label: SourceSpan,
    /// Both from 0.
    line: usize,
    column: usize,
}

impl Finding {
    fn new(files: &[(usize, &SourceText, Lines<'_>)], diagnostic: &Diagnostic) -> Self {
        let message = visible(&diagnostic.message);
        let first = files.first().map_or("", |(_, file, _)| &file.name);
        let excerpt = diagnostic.span.and_then(|span| {
            let (start, file, lines) = files.iter().rfind(|(start, ..)| *start <= span.start)?;
            let span = Span { start: span.start - start, end: span.end.saturating_sub(*start) };
            Some(Excerpt::new(&file.name, lines, span))
        });
        Self {
            code: diagnostic.code,
            severity: diagnostic.severity,
            message: if excerpt.is_some() { message } else { format!("{first}: {message}") },
            help: diagnostic.help.as_deref().map(visible),
            excerpt,
        }
    }
}

impl Excerpt {
    fn new(name: &str, lines: &Lines<'_>, span: Span) -> Self {
        let number = lines.number(span.start);
        let (start, line) = lines.line(number);
        let from = line.floor_char_boundary(span.start.saturating_sub(start));
        let to = line.ceil_char_boundary(span.end.saturating_sub(start)).max(from);
        let (before, rest) = line.split_at(from);
        let (meant, after) = rest.split_at(to - from);
        let (cut_before, cut_after) = (last(before, AROUND), first(after, AROUND));
        let mut text = String::new();
        if cut_before.len() < before.len() {
            text.push('…');
        }
        text.push_str(&visible(cut_before));
        let offset = text.len();
        text.push_str(&visible(first(meant, AROUND)));
        let label = SourceSpan::from((offset, text.len() - offset));
        if first(meant, AROUND).len() < meant.len() {
            text.push('…');
        }
        text.push_str(&visible(cut_after));
        if cut_after.len() < after.len() {
            text.push('…');
        }
        Self { name: name.to_owned(), text, label, line: number - 1, column: before.chars().count() }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let whole = SourceSpan::from((0, self.text.len()));
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            self.text.as_bytes(),
            whole,
            self.line,
            self.column,
            1,
        )))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Finding {}

impl miette::Diagnostic for Finding {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|excerpt| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = self.excerpt.as_ref()?.label;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, label))))
    }
}

/// Replaces what a terminal would obey instead of show, and what changes the order of text.
fn visible(text: &str) -> String {
    let shown = |found: char| match found {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            '\u{fffd}'
        }
        other if other.is_control() => '\u{fffd}',
        other => other,
    };
    text.chars().map(shown).collect()
}

fn first(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(at, _)| &text[..at])
}

fn last(text: &str, characters: usize) -> &str {
    text.char_indices().rev().nth(characters.saturating_sub(1)).map_or(text, |(at, _)| &text[at..])
}
