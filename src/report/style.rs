//! How output may look: colours, line drawing, and columns that hold in any script.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::base::Outcome;

/// What the other side can show. Meaning never hangs on it: every mark and colour comes with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colours, ours and those of the steps.
    pub color: bool,
    /// Characters beyond ASCII in what we draw; names and output keep theirs.
    pub unicode: bool,
    /// Columns of the terminal, when it is one.
    pub width: Option<usize>,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, unicode: true, width: None }
    }
}

/// A colour by its meaning.
#[derive(Clone, Copy, Debug)]
pub(super) enum Paint {
    Good,
    Bad,
    Warn,
    Quiet,
}

impl Style {
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Warn => "33",
            Paint::Quiet => "2",
        };
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Either of two ways to draw one thing.
    pub(super) fn draw(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }

    /// The mark of an outcome, and its colour; none stands for what never ended.
    pub(super) fn mark(self, outcome: Option<Outcome>, allowed: bool) -> (&'static str, Paint) {
        match outcome {
            Some(Outcome::Passed) => (self.draw("✓", "+"), Paint::Good),
            Some(Outcome::Failed) if allowed => (self.draw("!", "!"), Paint::Warn),
            Some(Outcome::Failed | Outcome::Lost) => (self.draw("✗", "x"), Paint::Bad),
            Some(Outcome::Cancelled) => (self.draw("!", "!"), Paint::Warn),
            Some(Outcome::Skipped) | None => (self.draw("⊘", "-"), Paint::Quiet),
        }
    }
}

/// Columns that a text without control characters takes.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Fills a text with spaces up to `columns`.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// Cuts a text without control characters to `columns`, and shows that it did.
pub(super) fn clip(text: &str, columns: usize, style: Style) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let more = style.draw("…", "...");
    let room = columns.saturating_sub(width(more));
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= room
    };
    let kept: String = text.chars().take_while(fits).collect();
    kept + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_width() {
        assert_eq!(pad("über", 6), "über  ");
        assert_eq!(pad("試験", 6), "試験  ");
        assert_eq!(pad("longer", 3), "longer");
    }

    #[test]
    fn a_clip_says_so() {
        let style = Style::default();
        assert_eq!(clip("試験試験", 8, style), "試験試験");
        assert_eq!(clip("試験試験", 6, style), "試験…");
        assert_eq!(clip("abcdef", 5, Style { unicode: false, ..style }), "ab...");
        assert_eq!(clip("abc", 0, style), "…");
    }
}
