//! The patterns of one ignore file, with exactly git's meaning.
//!
//! Pure: it is given bytes and never opens a file. Why not the patterns of ripgrep: those read
//! `*.{js,ts}` as two suffixes, where git has no braces, so that files would be missing from a run
//! which git calls part of the tree.

use crate::base::glob::matches;

/// The patterns of one file, in their order.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<Pattern>);

#[derive(Debug)]
struct Pattern {
    /// It brings back what an earlier one ignored.
    negated: bool,
    /// It stands for directories only.
    directories: bool,
    /// It is compared with the last component alone.
    name_only: bool,
    text: Text,
}

#[derive(Debug)]
enum Text {
    Literal(Vec<u8>),
    /// A star, then only literal text.
    Suffix(Vec<u8>),
    Glob(Vec<u8>),
}

impl Patterns {
    /// Reads an ignore file.
    pub(super) fn parse(file: &[u8]) -> Self {
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        Self(file.split(|&byte| byte == b'\n').filter_map(Pattern::parse).collect())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether a path, relative to the file's directory, is ignored (`true`), brought back
    /// (`false`), or not spoken of. The last pattern that matches decides.
    pub(super) fn decide(&self, path: &[u8], is_directory: bool) -> Option<bool> {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        let matching = self.0.iter().rev().find(|pattern| {
            (is_directory || !pattern.directories)
                && pattern.text.matches(if pattern.name_only { name } else { path })
        });
        matching.map(|pattern| !pattern.negated)
    }
}

impl Pattern {
    fn parse(line: &[u8]) -> Option<Self> {
        if line.starts_with(b"#") {
            return None;
        }
        let line = trim_end(line.strip_suffix(b"\r").unwrap_or(line));
        let (negated, line) = line.strip_prefix(b"!").map_or((false, line), |rest| (true, rest));
        let (directories, line) = line.strip_suffix(b"/").map_or((false, line), |rest| (true, rest));
        let name_only = !line.contains(&b'/');
        let line = line.strip_prefix(b"/").unwrap_or(line);
        (!line.is_empty()).then(|| Self { negated, directories, name_only, text: Text::new(line, name_only) })
    }
}

/// Without the spaces at the end, unless a backslash keeps one.
fn trim_end(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut bytes = line.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b' ' => {}
            b'\\' => end = bytes.next().map_or(at + 1, |(escaped, _)| escaped + 1),
            _ => end = at + 1,
        }
    }
    line.get(..end).unwrap_or(line)
}

impl Text {
    fn new(line: &[u8], name_only: bool) -> Self {
        let special = |text: &[u8]| text.iter().any(|byte| b"*?[\\".contains(byte));
        match line.strip_prefix(b"*") {
            _ if !special(line) => Self::Literal(line.to_owned()),
            Some(suffix) if name_only && !special(suffix) => Self::Suffix(suffix.to_owned()),
            _ => Self::Glob(line.to_owned()),
        }
    }

    fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Literal(literal) => text == literal,
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::Glob(glob) => matches(glob, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, path: &str, expect: Option<bool>) {
        let (path, is_directory) = path.strip_suffix('/').map_or((path, false), |path| (path, true));
        assert_eq!(
            Patterns::parse(file.as_bytes()).decide(path.as_bytes(), is_directory),
            expect,
            "{file:?} {path}"
        );
    }

    #[test]
    fn lines() {
        check("# no\n\n  \n", "# no", None);
        check("\\#yes", "#yes", Some(true));
        check("\\!yes", "!yes", Some(true));
        check("a  ", "a", Some(true));
        check("a\\ ", "a ", Some(true));
        check("a\r\nb\r\n", "a", Some(true));
        check("\u{feff}a", "a", Some(true));
        check("*.log\n!keep.log", "keep.log", Some(false));
        check("/", "a", None);
        check("!", "a", None);
    }

    #[test]
    fn places() {
        check("build/", "build", None);
        check("build/", "a/build/", Some(true));
        check("/build", "a/build", None);
        check("a/b", "x/a/b", None);
        check("a/b", "a/b", Some(true));
        check("*.o", "deep/down/x.o", Some(true));
    }

    #[test]
    fn globs() {
        check("a/*/c", "a/b/c", Some(true));
        check("a/*/c", "a/b/b/c", None);
        check("a/**/c", "a/c", Some(true));
        check("a/**/c", "a/b/b/c", Some(true));
        check("**/x/*.c", "x/y.c", Some(true));
        check("**/x/*.c", "q/x/x/y.c", Some(true));
        check("a/**", "a/b/c", Some(true));
        check("a/**", "a/", None);
        check("a**b", "axxb", Some(true));
        check("*.{js,ts}", "a.js", None);
        check("*.{js,ts}", "a.{js,ts}", Some(true));
        check("[a-c]?[!x]", "bzy", Some(true));
        check("[a-c]?[!x]", "bzx", None);
        check("[]]", "]", Some(true));
        check("[[:digit:]x]", "7", Some(true));
        check("[\\]]", "]", Some(true));
        check("[a", "[a", None);
        check("a\\*", "a*", Some(true));
        check("a\\*", "ab", None);
    }
}
