//! What is read of a repository without git: its index and its ignore files.

use windlass::source::fuzzing;

use super::Input;

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(which) = input.byte() else { return };
    if which & 1 == 0 {
        // Its end is a digest that nobody checks.
        let entries = fuzzing::index(&[input.0, &[0; 20]].concat());
        assert!(entries.is_none_or(|entries| entries <= data.len()), "more entries than bytes");
    } else {
        let path = input.short().unwrap_or_default();
        let alone = fuzzing::ignored(input.0, path, which & 2 != 0);
        // A comment says nothing, wherever it stands.
        let after = fuzzing::ignored(&[input.0, b"\n# comment\n\n"].concat(), path, which & 2 != 0);
        assert_eq!(alone, after);
    }
}
