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

/// What to do about a character that may not be there.
pub(super) fn remedy(found: char) -> String {
    match u32::from(found) {
        code @ 1..=0xff => {
            format!("remove it, or write it as `\\x{code:02x}` in a string with double quotes")
        }
        0 => "remove it; is this the right file?".to_owned(),
        _ => "remove it; editors show it as nothing at all".to_owned(),
    }
}

fn is_forbidden(found: char) -> bool {
    match found {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
        other => other.is_control(),
    }
}
