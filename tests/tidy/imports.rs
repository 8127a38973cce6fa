//! Which room imports which: every `use` tree and every path in `src`, those in macros too.

use std::path::Path;

use syn::visit::{self, Visit};

use crate::rooms::{Rooms, rooms};
use crate::{files_below, none, text_of};

/// What tests inside `src` may use beyond the table.
const FOR_TESTS: [&str; 2] = ["backend::fake", "backend::contract"];

/// The module that a file below `src` is: `src/a/mod.rs` is `a`, `src/a/b.rs` is `a::b`.
fn module_of(path: &Path) -> Vec<String> {
    let below = path.strip_prefix("src").unwrap_or(path).with_extension("");
    let mut module: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// The room that a module path lies in: the longest that the table knows.
fn room_of(module: &[String], rooms: &Rooms) -> Option<String> {
    (1..=module.len().min(2))
        .rev()
        .map(|length| module[..length].join("::"))
        .find(|room| rooms.contains_key(room))
}

/// The paths of a file that lead to a room it may not import.
fn forbidden(path: &Path, text: &str, rooms: &Rooms) -> Vec<String> {
    let module = module_of(path);
    // The helper's program is a crate of its own, of which only these two files are ours too.
    let helper = module.first().is_some_and(|room| room == "helper");
    if helper && !path.ends_with("mod.rs") && !path.ends_with("protocol.rs") {
        return Vec::new();
    }
    let Some(room) = room_of(&module, rooms) else { return Vec::new() };
    let syntax = match syn::parse_file(text) {
        Ok(syntax) => syntax,
        Err(error) => return vec![format!("{}: {error}", path.display())],
    };
    let for_tests =
        path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")));
    let mut walk = Walk { module, test: for_tests, paths: Vec::new() };
    walk.visit_file(&syntax);
    let mut findings = Vec::new();
    for Found { path: target, test } in walk.paths {
        let Some(other) = room_of(&target, rooms) else {
            findings.push(format!("{}: `crate::{}` is in no room", path.display(), target.join("::")));
            continue;
        };
        let allowed = other == room
            || rooms.get(&room).is_some_and(|imports| imports.contains(&other))
            // A room that is split into several: the outer one declares the inner ones.
            || other.strip_prefix(&room).is_some_and(|inner| inner.starts_with("::"))
            || test && FOR_TESTS.contains(&other.as_str());
        if !allowed {
            findings.push(format!("{}: `{room}` imports `{}`", path.display(), target.join("::")));
        }
    }
    findings
}

struct Found {
    path: Vec<String>,
    test: bool,
}

struct Walk {
    module: Vec<String>,
    test: bool,
    paths: Vec<Found>,
}

impl Walk {
    /// Takes note of a path that begins with `crate`, `self` or `super`.
    fn note(&mut self, segments: &[String]) {
        let mut path = match segments.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.module.clone(),
            _ => return,
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => drop(path.pop()),
                name => path.push(name.to_owned()),
            }
        }
        if !path.is_empty() {
            self.paths.push(Found { path, test: self.test });
        }
    }

    fn note_tree(&mut self, before: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.note_tree(before, &path.tree);
                before.pop();
            }
            syn::UseTree::Name(syn::UseName { ident })
            | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                before.push(ident.to_string());
                self.note(before);
                before.pop();
            }
            syn::UseTree::Glob(_) => self.note(before),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.note_tree(before, tree);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&mut Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.note(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let (before, name) = (self.test, item.ident.to_string());
        self.test |= item.attrs.iter().any(is_for_tests);
        self.module.push(name);
        visit::visit_item_mod(self, item);
        self.module.pop();
        self.test = before;
    }

    /// What stands in a macro is no syntax yet: only `crate::…` is certain to be a path there.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let tokens = item.tokens.to_string();
        for path in tokens.split("crate ::").skip(1) {
            let names = path.split("::").map(str::trim).take_while(|name| !name.is_empty());
            let mut segments = vec!["crate".to_owned()];
            for name in names {
                let whole = name.chars().all(|c| c.is_alphanumeric() || c == '_');
                segments.push(
                    name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned(),
                );
                if !whole {
                    break;
                }
            }
            self.note(&segments);
        }
        visit::visit_macro(self, item);
    }
}

fn is_for_tests(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
}

#[test]
fn rooms_import_what_the_table_allows() {
    let rooms = rooms();
    let paths = files_below("src", ".rs");
    assert!(paths.len() > 50, "the sources were found");
    none(paths.iter().flat_map(|path| forbidden(path, &text_of(path), &rooms)).collect());
}

#[track_caller]
fn check(path: &str, text: &str, expected: &[&str]) {
    let table = [
        ("base", &[][..]),
        ("plan", &["base"]),
        ("backend", &["plan"]),
        ("backend::fake", &["backend"]),
        ("engine", &["backend"]),
    ];
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let rooms = table.iter().map(|(room, imports)| ((*room).to_owned(), names(imports))).collect();
    assert_eq!(forbidden(Path::new(path), text, &rooms), expected, "{text}");
}

#[test]
fn every_way_to_import_is_found() {
    let path = "src/plan/graph.rs";
    check(path, "use crate::base::Bytes; use super::Step; use std::fmt; use serde::Serialize;", &[]);
    check(path, "use crate::engine::run;", &["src/plan/graph.rs: `plan` imports `engine::run`"]);
    check(path, "use crate::{base::{Bytes}, engine as e};", &["src/plan/graph.rs: `plan` imports `engine`"]);
    check(path, "use crate::engine::*;", &["src/plan/graph.rs: `plan` imports `engine`"]);
    check(path, "use super::super::engine::run;", &["src/plan/graph.rs: `plan` imports `engine::run`"]);
    check(
        path,
        "mod x { use super::super::super::engine; }",
        &["src/plan/graph.rs: `plan` imports `engine`"],
    );
    check(path, "\nfn f() { crate::engine::run(); }", &["src/plan/graph.rs: `plan` imports `engine::run`"]);
    check(
        path,
        "fn f() -> Box<dyn crate::engine::Run> {}",
        &["src/plan/graph.rs: `plan` imports `engine::Run`"],
    );
    check(
        path,
        "fn f() { vec![crate::engine::run()]; }",
        &["src/plan/graph.rs: `plan` imports `engine::run`"],
    );
    check(path, "use crate::nowhere::X;", &["src/plan/graph.rs: `crate::nowhere::X` is in no room"]);
    check(path, "fn f( {", &["src/plan/graph.rs: cannot parse string into token stream"]);
}

#[test]
fn inner_rooms_are_rooms() {
    check("src/engine/mod.rs", "use crate::backend::Backend;", &[]);
    check(
        "src/engine/mod.rs",
        "use crate::backend::fake::Fake;",
        &["src/engine/mod.rs: `engine` imports `backend::fake::Fake`"],
    );
    check("src/engine/mod.rs", "#[cfg(test)] mod tests { use crate::backend::fake::Fake; }", &[]);
    check("src/engine/tests/kill.rs", "use crate::backend::fake::Fake;", &[]);
    check("src/backend/mod.rs", "pub mod fake; pub use fake::Fake; use self::fake::Other;", &[]);
    check(
        "src/backend/fake.rs",
        "use super::Backend; use crate::plan::Plan;",
        &["src/backend/fake.rs: `backend::fake` imports `plan::Plan`"],
    );
}
