//! Texts of `KEY=value` and `KEY<<END … END`: what a step writes as its outputs, and what a file of secrets
//! holds. Nothing in a value is special: no quotes, no escapes.

/// One pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The number of its first line, from 1.
    pub number: usize,
    /// Letters, digits and `_`; at least one.
    pub key: &'a str,
    /// The value, byte for byte; of several lines without the last end of a line.
    pub value: &'a [u8],
}

/// A line that is none of a pair. Nothing of what it holds is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Neither form.
    #[error("line {0} is neither `KEY=value` nor `KEY<<END`")]
    Neither(usize),
    /// A value without its end.
    #[error("line {0} begins a value with `<<`, and no line follows that ends it")]
    NoEnd(usize),
}

/// Reads pairs in their order; lines of white space between them are passed over.
pub fn read(text: &[u8]) -> impl Iterator<Item = Result<Line<'_>, LineError>> {
    lines(text, |line| line.trim_ascii().is_empty())
}

/// The same where lines that begin with `#` are passed over too.
pub fn read_with_comments(text: &[u8]) -> impl Iterator<Item = Result<Line<'_>, LineError>> {
    lines(text, |line| line.trim_ascii().is_empty() || line.starts_with(b"#"))
}

fn lines(text: &[u8], is_nothing: fn(&[u8]) -> bool) -> impl Iterator<Item = Result<Line<'_>, LineError>> {
    let mut rest = text;
    let mut next = 1;
    std::iter::from_fn(move || {
        loop {
            let (line, after) = split(rest)?;
            let number = next;
            (rest, next) = (after, next + 1);
            if is_nothing(line) {
                continue;
            }
            let Some((key, form)) = key(line) else { return Some(Err(LineError::Neither(number))) };
            let end = match form {
                Form::Value(value) => return Some(Ok(Line { number, key, value })),
                Form::Until(end) => end,
            };
            let whole = rest;
            while let Some((line, after)) = split(rest) {
                let before = whole.len() - rest.len();
                (rest, next) = (after, next + 1);
                if line == end {
                    let value = whole.get(..before.saturating_sub(1)).unwrap_or_default();
                    return Some(Ok(Line { number, key, value }));
                }
            }
            return Some(Err(LineError::NoEnd(number)));
        }
    })
}

enum Form<'a> {
    Value(&'a [u8]),
    /// Lines up to this one.
    Until(&'a [u8]),
}

/// The first line without its end, and what follows; none where nothing is left.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => Some((text.get(..end)?, text.get(end + 1..)?)),
        None => Some((text, &[])),
    }
}

fn key(line: &[u8]) -> Option<(&str, Form<'_>)> {
    let length = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let (key, rest) = line.split_at_checked(length).filter(|(key, _)| !key.is_empty())?;
    let form = match (rest.strip_prefix(b"="), rest.strip_prefix(b"<<")) {
        (Some(value), _) => Form::Value(value),
        (None, Some(end)) if !end.is_empty() => Form::Until(end),
        _ => return None,
    };
    Some((std::str::from_utf8(key).ok()?, form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let read = read(text.as_bytes()).map(|line| match line {
            Ok(Line { number, key, value }) => format!("{number} {key} {:?}", String::from_utf8_lossy(value)),
            Err(error) => error.to_string(),
        });
        assert_eq!(read.collect::<Vec<_>>().join("; "), expected, "{text:?}");
    }

    #[test]
    fn both_forms_are_read() {
        check("", "");
        check("\n \n", "");
        check("a=1\n\nb= x=y<<z ", r#"1 a "1"; 3 b " x=y<<z ""#);
        check("a<<END\none\n\n END\nEND\nb=\n", r#"1 a "one\n\n END"; 6 b """#);
        check("a<<E=F\nE=F\n", r#"1 a """#);
        check("a<<E\n\nE", r#"1 a """#);
        check("a<<E\n\n\nE", r#"1 a "\n""#);
        check("a=1\r\n", r#"1 a "1\r""#);
    }

    #[test]
    fn what_is_neither_is_named_by_its_line() {
        for neither in ["a", "=1", "a-b=1", "a<<", "a<END", " a=1", "\u{e4}=1"] {
            check(neither, "line 1 is neither `KEY=value` nor `KEY<<END`");
        }
        check(
            "a=1\nb<<END\nx\nEND \n",
            r#"1 a "1"; line 2 begins a value with `<<`, and no line follows that ends it"#,
        );
    }
}
