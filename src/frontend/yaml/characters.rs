//! Characters that no YAML text may hold, found before the parser sees them: it takes NUL for the
//! end of the file.

/// Finds the first character that may not be there.
pub(super) fn forbidden(text: &str) -> Option<(usize, char)> {
    if text.is_ascii() {
        let at = text.bytes().position(|byte| is_forbidden(char::from(byte)))?;
        return text[at..].chars().next().map(|found| (at, found));
    }
    text.char_indices().find(|(_, found)| is_forbidden(*found))
}

/// Names a character that cannot be shown.
pub(super) fn name(found: char) -> String {
    match found {
        '\0' => "a NUL byte".to_owned(),
        '\u{1b}' => "an escape character".to_owned(),
        '\u{feff}' => "a byte order mark".to_owned(),
        other => format!("the control character U+{:04X}", u32::from(other)),
    }
}

fn is_forbidden(found: char) -> bool {
    match found {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
        other => other.is_control(),
    }
}
