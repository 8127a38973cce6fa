//! Puts the values of parameters where a template names them: `params.NAME` in `${{ }}` and in conditions.
//!
//! A value never becomes a piece of an expression's own text: it goes in as a literal, or, where a string
//! holds nothing else than the parameter, as the text that was given.

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use super::parameters::Values;
use crate::base::Span;
use crate::frontend::yaml::{Entry, Node, Value};

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// What the strings of an entry are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Substitution {
    /// Text with `${{ }}` in it.
    Text,
    /// An expression.
    Expression,
    /// Mappings in which `run` is a script.
    Scripts,
}

/// `params.NAME` in an expression; the name is empty where none follows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reference {
    at: Range<usize>,
    name: String,
}

impl Substitution {
    /// How the strings of a step's entry are read; none for a script, whose bytes never change.
    pub(super) fn of(key: &str) -> Option<Self> {
        match key {
            "run" => None,
            "when" => Some(Substitution::Expression),
            "services" => Some(Substitution::Scripts),
            _ => Some(Substitution::Text),
        }
    }
}

/// The node with all values put in; what holds none is shared.
pub(super) fn node(of: &Rc<Node<'static>>, how: Substitution, values: &Values) -> Rc<Node<'static>> {
    let value = match &of.value {
        Value::Scalar { text, plain } => {
            let Some(put) = put(text, how, values) else { return Rc::clone(of) };
            // Where a string is a parameter and nothing else, what is wrong with it is wrong where it was given.
            let span = put.given.unwrap_or(of.span);
            let value = Value::Scalar { text: Cow::Owned(put.text), plain: *plain || put.alone };
            return Rc::new(Node { span, value });
        }
        Value::List(items) => {
            let put: Vec<_> = items.iter().map(|item| node(item, how, values)).collect();
            if items.iter().zip(&put).all(|(item, put)| Rc::ptr_eq(item, put)) {
                return Rc::clone(of);
            }
            Value::List(put)
        }
        Value::Map(entries) => {
            let put: Vec<_> = entries.iter().map(|entry| self::entry(entry, how, values)).collect();
            if entries.iter().zip(&put).all(|(entry, put)| Rc::ptr_eq(&entry.value, &put.value)) {
                return Rc::clone(of);
            }
            Value::Map(put)
        }
    };
    Rc::new(Node { span: of.span, value })
}

fn entry(entry: &Entry<'static>, how: Substitution, values: &Values) -> Entry<'static> {
    if how == Substitution::Scripts && entry.key() == "run" {
        return entry.clone();
    }
    entry.with(node(&entry.value, how, values))
}

/// Every name of a parameter in a node, with its place.
pub(super) fn references(node: &Node<'_>, how: Substitution) -> Vec<(String, Span)> {
    let mut found = Vec::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        match &node.value {
            Value::Scalar { text, .. } => {
                let references = expressions(text, how).into_iter().flat_map(|(_, references)| references);
                found.extend(references.map(|reference| (reference.name, node.span)));
            }
            Value::List(items) => open.extend(items.iter().map(|item| &**item)),
            Value::Map(entries) => open.extend(
                (entries.iter())
                    .filter(|entry| how != Substitution::Scripts || entry.key() != "run")
                    .map(|entry| &*entry.value),
            ),
        }
    }
    found
}

/// Whether there is an expression in a text.
pub(super) fn has_expression(text: &str) -> bool {
    !expressions(text, Substitution::Text).is_empty()
}

/// The expression that a text consists of.
pub(super) fn only_expression(text: &str) -> Option<&str> {
    let found = expressions(text, Substitution::Text);
    let [(range, _)] = found.as_slice() else { return None };
    (range.start == OPEN.len() && range.end + CLOSE.len() == text.len()).then(|| text.get(range.clone()))?
}

/// A text as it is written in an expression.
pub(super) fn quoted(text: &str) -> String {
    let text = text.replace("$${{", OPEN).replace('\\', "\\\\").replace('\'', "\\'");
    format!("'{}'", text.replace('\n', "\\n").replace('\r', "\\r"))
}

struct Put {
    text: String,
    /// Where the only value was given that the string consists of.
    given: Option<Span>,
    /// The string consists of one value.
    alone: bool,
}

fn put(text: &str, how: Substitution, values: &Values) -> Option<Put> {
    let found = expressions(text, how);
    if found.iter().all(|(_, references)| references.is_empty()) {
        return None;
    }
    let mut out = String::new();
    let (mut given, mut alone) = (None, false);
    let mut from = 0;
    for (range, references) in &found {
        let outer = if how == Substitution::Expression {
            range.clone()
        } else {
            range.start - OPEN.len()..range.end + CLOSE.len()
        };
        append(&mut out, text.get(from..outer.start).unwrap_or_default());
        let expression = text.get(range.clone()).unwrap_or_default();
        let one = references.first().filter(|_| how != Substitution::Expression);
        let one = one.filter(|one| expression.get(one.at.clone()) == Some(expression.trim()));
        if let Some(value) = one.and_then(|one| values.get(&one.name)) {
            alone = outer == (0..text.len());
            given = value.given.filter(|_| alone);
            append(&mut out, &value.text);
        } else {
            let rewritten = rewrite(expression, references, values);
            match how {
                Substitution::Expression => out.push_str(&rewritten),
                Substitution::Text | Substitution::Scripts => {
                    append(&mut out, &format!("{OPEN}{rewritten}{CLOSE}"));
                }
            }
        }
        from = outer.end;
    }
    append(&mut out, text.get(from..).unwrap_or_default());
    Some(Put { text: out, given, alone })
}

/// Adds text in such a way that no `${{` comes to be where the two meet.
fn append(out: &mut String, text: &str) {
    let split = ["$", "${"].into_iter().find(|end| {
        let meets = OPEN.strip_prefix(end).is_some_and(|rest| text.starts_with(rest));
        out.ends_with(end) && (meets || (*end == "$" && text.starts_with(OPEN)))
    });
    if let Some(end) = split {
        out.truncate(out.len() - end.len());
        out.extend([OPEN, " '", end, "' ", CLOSE]);
    }
    out.push_str(text);
}

fn rewrite(expression: &str, references: &[Reference], values: &Values) -> String {
    let mut out = String::new();
    let mut from = 0;
    for reference in references {
        let Some(value) = values.get(&reference.name) else { continue };
        out.push_str(expression.get(from..reference.at.start).unwrap_or_default());
        out.push_str(&value.literal());
        from = reference.at.end;
    }
    out.push_str(expression.get(from..).unwrap_or_default());
    out
}

/// The expressions of a string, each with the parameters it names. What has no end is none.
fn expressions(text: &str, how: Substitution) -> Vec<(Range<usize>, Vec<Reference>)> {
    if how == Substitution::Expression {
        let (references, end) = scan(text);
        return vec![(0..end.unwrap_or(text.len()), references)];
    }
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text.get(from..).and_then(|rest| rest.find(OPEN)) {
        let (open, start) = (from + open, from + open + OPEN.len());
        from = start;
        // `$${{` stands for itself.
        if text.get(..open).is_some_and(|before| before.ends_with('$')) && open > 0 {
            continue;
        }
        if let (references, Some(end)) = scan(text.get(start..).unwrap_or_default()) {
            found.push((start..start + end, references));
            from = start + end + CLOSE.len();
        }
    }
    found
}

/// Finds the parameters that an expression names, and the `}}` that ends it: not in a string, and not of a
/// mapping.
fn scan(text: &str) -> (Vec<Reference>, Option<usize>) {
    let bytes = text.as_bytes();
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut references = Vec::new();
    let (mut depth, mut at, mut before) = (0_usize, 0, b' ');
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        match byte {
            b'\'' | b'"' => at = end_of_string(bytes, at).unwrap_or(bytes.len()),
            b'{' => depth += 1,
            b'}' if depth == 0 && bytes.get(at + 1) == Some(&b'}') => return (references, Some(at)),
            b'}' => depth = depth.saturating_sub(1),
            _ if word(&byte) => {
                at += bytes[at..].iter().take_while(|byte| word(byte)).count() - 1;
                if text.get(start..=at) == Some("params") && before != b'.' {
                    let (name, end) = name_after(text, at + 1);
                    references.push(Reference { at: start..end, name });
                    at = end - 1;
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
        at += 1;
    }
    (references, None)
}

/// The name after `params`, as `.name` or `['name']`, and where it ends.
fn name_after(text: &str, at: usize) -> (String, usize) {
    let rest = text.get(at..).unwrap_or_default();
    let trimmed = rest.trim_start();
    let parsed = if let Some(name) = trimmed.strip_prefix('.') {
        let name = name.trim_start();
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        name.split_at_checked(end)
    } else {
        trimmed.strip_prefix('[').and_then(|index| {
            let quote = index.trim_start();
            let (name, rest) = quote.strip_prefix(['\'', '"'])?.split_once(['\'', '"'])?;
            Some((name, rest.trim_start().strip_prefix(']')?))
        })
    };
    match parsed {
        Some((name, left)) => (name.to_owned(), text.len() - left.len()),
        None => (String::new(), at),
    }
}

/// The last byte of the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = *bytes.get(start)?;
    let raw =
        start.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(|r| matches!(r, b'r' | b'R'));
    let triple = bytes.get(start..start + 3) == Some(&[quote; 3]);
    let length = if triple { 3 } else { 1 };
    let mut at = start + length;
    loop {
        match bytes.get(at)? {
            b'\\' if !raw => at += 2,
            _ if bytes.get(at..at + length)?.iter().all(|byte| *byte == quote) => {
                return Some(at + length - 1);
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let shown: Vec<_> = expressions(text, Substitution::Text)
            .into_iter()
            .map(|(range, references)| {
                let names: Vec<_> = references.iter().map(|reference| reference.name.clone()).collect();
                format!("<{}>{}", &text[range], names.join(","))
            })
            .collect();
        assert_eq!(shown.join(" "), expect);
    }

    #[test]
    fn parameters_are_found_in_expressions_alone() {
        check("params.a ${params.a}", "");
        check("${{ params.a }}-${{params.b}}", "< params.a >a <params.b>b");
        check("$${{ params.a }}", "");
        check("${{ 'params.a }}' + params . b }}", "< 'params.a }}' + params . b >b");
        check("${{ x.params.a + params['c'] + myparams.d }}", "< x.params.a + params['c'] + myparams.d >c");
        check(r#"${{ r'\' + params.a + """'"}}""" }}"#, "< r'\\' + params.a + \"\"\"'\"}}\"\"\" >a");
        check("${{ {'a': {'b': params.c}} }}", "< {'a': {'b': params.c}} >c");
        check("${{ params }} ${{ params.", "< params >");
    }

    #[test]
    fn no_expression_comes_to_be_where_texts_meet() {
        let meet = |one: &str, other: &str| {
            let mut out = one.to_owned();
            append(&mut out, other);
            out
        };
        assert_eq!(meet("a", "{{ b }}"), "a{{ b }}");
        assert_eq!(meet("a$", "{{ b }}"), "a${{ '$' }}{{ b }}");
        assert_eq!(meet("a${", "{ b }}"), "a${{ '${' }}{ b }}");
        assert_eq!(meet("a$", "${{ b }}"), "a${{ '$' }}${{ b }}");
    }

    #[test]
    fn a_text_is_one_literal_whatever_is_in_it() {
        assert_eq!(quoted("it's \\ a\nb $${{ c }}"), r"'it\'s \\ a\nb ${{ c }}'");
        assert_eq!(only_expression("${{ a.b }}"), Some(" a.b "));
        assert_eq!(only_expression("x${{ a.b }}"), None);
    }
}
