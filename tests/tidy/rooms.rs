//! The table of rooms in `ARCHITECTURE.md`: which there are, and which may import which.

use std::collections::{BTreeMap, BTreeSet};

use crate::{files_below, none, text_of};

/// Each room with those it may import.
pub(crate) type Rooms = BTreeMap<String, BTreeSet<String>>;

/// The rooms of this package.
pub(crate) fn rooms() -> Rooms {
    parse(&text_of("ARCHITECTURE.md"))
}

/// Reads the table whose head is `| room | owns | may import |`.
fn parse(document: &str) -> Rooms {
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let table = document.lines().skip_while(|line| cells(line) != ["room", "owns", "may import"]);
    let rows = table.skip(2).take_while(|line| line.starts_with('|')).map(cells);
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    rows.filter_map(|row| match row.as_slice() {
        [room, _, imports] => Some((names(room).pop()?, names(imports).into_iter().collect())),
        _ => None,
    })
    .collect()
}

/// Modules without a row, rows without a module, and names that are no room.
fn mismatches(rooms: &Rooms, modules: &BTreeSet<String>) -> Vec<String> {
    let mut findings = Vec::new();
    for module in modules.iter().filter(|module| !rooms.contains_key(*module)) {
        findings.push(format!("the table has no row for `{module}`"));
    }
    for room in rooms.keys().filter(|room| !room.contains("::") && !modules.contains(*room)) {
        findings.push(format!("the table has a row for `{room}`, and there is no such module"));
    }
    for (room, import) in
        rooms.iter().flat_map(|(room, imports)| imports.iter().map(move |import| (room, import)))
    {
        if !rooms.contains_key(import) {
            findings.push(format!("`{room}` may import `{import}`, which is no room"));
        }
    }
    findings
}

#[test]
fn the_table_names_every_module_and_nothing_else() {
    let modules = files_below("src", ".rs").into_iter().filter_map(|path| {
        let first = path.components().nth(1)?.as_os_str().to_str()?.trim_end_matches(".rs").to_owned();
        (!matches!(first.as_str(), "lib" | "main")).then_some(first)
    });
    none(mismatches(&rooms(), &modules.collect()));
}

#[test]
fn the_document_is_short() {
    assert!(text_of("ARCHITECTURE.md").lines().count() <= 200);
}

#[test]
fn a_wrong_table_is_found() {
    let rooms = parse(
        "text\n\n| room | owns | may import |\n| --- | --- | --- |\n| `a` | x | – |\n| `b` | y | `a`, `z` |\n\n| `q` | | |",
    );
    assert_eq!(rooms.keys().collect::<Vec<_>>(), ["a", "b"]);
    let modules = ["a", "c"].map(str::to_owned).into();
    assert_eq!(
        mismatches(&rooms, &modules),
        [
            "the table has no row for `c`",
            "the table has a row for `b`, and there is no such module",
            "`b` may import `z`, which is no room",
        ]
    );
}
