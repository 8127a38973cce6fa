//! JSON as people read it: YAML in blocks, that every reader of YAML takes for the same values.

use serde_json::Value;

/// Words that some reader of YAML takes for something else than text.
const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// Writes a value as a document, with an end of line behind it.
pub fn document(value: &Value) -> String {
    lines(value).join("\n") + "\n"
}

fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let entries = entries.iter().map(|(key, value)| {
                let (key, value_lines) = (text(key), lines(value));
                if is_block(value) {
                    let inner = value_lines.into_iter().map(|line| format!("  {line}"));
                    std::iter::once(format!("{key}:")).chain(inner).collect()
                } else {
                    vec![format!("{key}: {}", value_lines.concat())]
                }
            });
            entries.flat_map(|lines: Vec<String>| lines).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            let items = items.iter().flat_map(|item| {
                let lines = lines(item).into_iter().enumerate();
                lines.map(|(number, line)| format!("{} {line}", if number == 0 { '-' } else { ' ' }))
            });
            items.collect()
        }
        Value::String(string) => vec![text(string)],
        other => vec![other.to_string()],
    }
}

/// Whether it takes lines of its own.
fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(entries) => !entries.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// A string, in quotes unless nobody could take it for anything else.
fn text(string: &str) -> String {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '/';
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./-:".contains(c);
    let is_plain = string.starts_with(begins)
        && string.chars().all(plain)
        && !string.ends_with(':')
        && !WORDS.contains(&string.to_ascii_lowercase().as_str());
    if is_plain {
        return string.to_owned();
    }
    let quoted = Value::String(string.to_owned()).to_string();
    let escaped = |c: char| match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    quoted.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_blocks() {
        let value = json!({
            "kind": "Pod",
            "list": [{"a": 1, "b": [true, null]}, [], "x", ["y"]],
            "none": {},
            "inner": {"deep": {"key": "value"}},
        });
        insta::assert_snapshot!(document(&value), @r#"
        inner:
          deep:
            key: value
        kind: Pod
        list:
          - a: 1
            b:
              - true
              - null
          - []
          - x
          - - "y"
        none: {}
        "#);
    }

    #[test]
    fn text_stays_text() {
        for plain in ["busybox:1.36", "/workspace", "dev.windlass/run", "a-b_c"] {
            assert_eq!(text(plain), plain);
        }
        for quoted in
            ["", "1", "1.5", "0x1", "yes", "No", "null", "~", "-", "a: b", "a:", "a #b", "*a", ".5", "ä"]
        {
            assert_eq!(text(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(text("a\n\"\u{85}"), r#""a\n\"\u0085""#);
    }
}
