//! Names that people and files give: git URLs, branches, image references. None is taken for an
//! option, and no password is shown.

use windlass::image::Reference;
use windlass::source::fuzzing;

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some((shown, user, password)) = fuzzing::url(&text) {
        let host = shown.split_once("://").map_or(shown.as_str(), |(_, rest)| rest);
        assert!(!shown.starts_with('-') && !host.starts_with('-'), "{shown}");
        assert!(!shown.contains(|c: char| c.is_control() || c.is_whitespace()), "{shown}");
        // What is shown is a URL again, of the same place and without a password.
        let again = fuzzing::url(&shown).unwrap_or_else(|| panic!("`{shown}` of `{text}` is none"));
        assert_eq!((again.0, again.2), (shown, None));
        drop((user, password));
    }
    if let (Some(refusal), Some(secret)) = (fuzzing::refusal(&text), password(&text)) {
        assert!(!refusal.contains(secret), "{refusal}");
    }
    let taken = fuzzing::reference(&text);
    assert!(!taken || is_reference(&text), "{text:?}");
    if let Ok(reference) = Reference::parse(&text) {
        assert!(!text.starts_with('-') && reference.to_string().is_ascii());
        assert_eq!(Reference::parse(&reference.to_string()), Ok(reference));
    }
}

/// What is a password in whatever reading, and long enough not to be found by accident.
fn password(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split('/').next()?;
    let (_, password) = authority.rsplit_once('@')?.0.split_once(':')?;
    let unlike = !text.replacen(password, "", 1).contains(password);
    (password.len() >= 8 && unlike).then_some(password)
}

/// git's rules for a branch (`git help check-ref-format`), in other words than the product's.
fn is_reference(text: &str) -> bool {
    let bad = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    let component =
        |name: &str| !name.is_empty() && !name.starts_with('.') && name.strip_suffix(".lock").is_none();
    !text.starts_with('-')
        && !text.contains(bad)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
        && text.split('/').all(component)
}
