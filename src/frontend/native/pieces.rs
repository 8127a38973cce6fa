//! A string as literal text and the expressions of `${{ }}` in it (language L12). What stands in an
//! expression is not looked at here, beyond where it ends.

/// What begins an expression.
pub(super) const OPEN: &str = "${{";

/// A piece of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text as it is.
    Literal(&'t str),
    /// An expression, with the place of its first byte in the string.
    Expression { text: &'t str, at: usize },
}

impl<'t> Piece<'t> {
    /// The expression and its place, if it is one.
    pub(super) fn expression(&self) -> Option<(&'t str, usize)> {
        match self {
            Piece::Literal(_) => None,
            Piece::Expression { text, at } => Some((text, *at)),
        }
    }
}

/// An expression without an end; where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclosed {
    pub(super) at: usize,
}

/// Whether there is anything in a string that does not stand for itself.
pub(super) fn is_plain(text: &str) -> bool {
    !text.contains(OPEN)
}

/// Takes a string apart. `$${{` is a literal `${{`.
///
/// # Errors
/// [`Unclosed`] when a `${{` has no `}}`.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Unclosed> {
    let mut pieces = Vec::new();
    let mut from = 0;
    while let Some(rest) = text.get(from..) {
        let Some(open) = rest.find(OPEN) else {
            pieces.push(Piece::Literal(rest));
            break;
        };
        let (before, opened) = rest.split_at(open);
        if let Some(before) = before.strip_suffix('$') {
            pieces.push(Piece::Literal(before));
            pieces.push(Piece::Literal(OPEN));
            from += open + OPEN.len();
            continue;
        }
        pieces.push(Piece::Literal(before));
        let inner = opened.get(OPEN.len()..).unwrap_or_default();
        let end = end(inner).ok_or(Unclosed { at: from + open })?;
        let (expression, _) = inner.split_at(end);
        let blank = expression.len() - expression.trim_start().len();
        let at = from + open + OPEN.len() + blank;
        pieces.push(Piece::Expression { text: expression.trim(), at });
        from += open + OPEN.len() + end + "}}".len();
    }
    pieces.retain(|piece| *piece != Piece::Literal(""));
    Ok(pieces)
}

/// Where the `}}` is that ends an expression: not in a string, and not of a mapping.
fn end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0u32;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' => at = end_of_string(bytes, at, byte)?,
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The quote that ends the string which begins at `start`.
fn end_of_string(bytes: &[u8], start: usize, quote: u8) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            byte if *byte == quote => return Some(at),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Literals as they are, expressions in `<>` with their place.
    #[track_caller]
    fn check(text: &str, expect: &str) {
        let shown = match pieces(text) {
            Ok(pieces) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Literal(text) => (*text).to_owned(),
                    Piece::Expression { text: inner, at } => {
                        assert!(text[*at..].starts_with(inner), "{at} is not the place of {inner}");
                        format!("<{inner}>")
                    }
                })
                .collect(),
            Err(Unclosed { at }) => format!("unclosed at {at}"),
        };
        assert_eq!(shown, expect);
    }

    #[test]
    fn strings_are_taken_apart() {
        check("", "");
        check("plain $x ${y} {{ z }}", "plain $x ${y} {{ z }}");
        check("a-${{ b }}-c${{d}}", "a-<b>-c<d>");
        check("${{}}", "<>");
        check("é ${{ 'é' }} é", "é <'é'> é");
    }

    #[test]
    fn two_dollars_are_one_and_no_expression() {
        check("$${{ a }} ${{ b }}", "${{ a }} <b>");
        check("$$${{ a }}", "$${{ a }}");
        check("$${{", "${{");
    }

    #[test]
    fn an_end_in_a_string_or_a_mapping_is_none() {
        check("${{ '}}' + \"}}\" }}", "<'}}' + \"}}\">");
        check(r"${{ 'it\'s }}' }}", r"<'it\'s }}'>");
        check("${{ {'a': {'b': 1}}.a.b }}!", "<{'a': {'b': 1}}.a.b>!");
    }

    #[test]
    fn what_has_no_end_is_found() {
        check("ab ${{ c", "unclosed at 3");
        check("${{ a }} ${{ 'b }}", "unclosed at 9");
        check("${{ 'b\\", "unclosed at 0");
        check("${{ { }}", "unclosed at 0");
    }
}
