//! That every test file is compiled: with `autotests = false`, one that nobody names would be silent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{files_below, none, text_of};

/// The files below `tests` that no `[[test]]` reaches by `mod`.
fn unwired(manifest: &str, files: &[PathBuf], text: impl Fn(&Path) -> String) -> Vec<String> {
    let paths = manifest.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'));
    let mut waiting: Vec<PathBuf> =
        paths.filter(|path| path.starts_with("tests/")).map(PathBuf::from).collect();
    let mut reached = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        if !files.contains(&path) {
            reached.insert(path);
            continue;
        }
        if reached.insert(path.clone()) {
            waiting.extend(modules_of(&path, &text(&path)).into_iter().filter(|path| files.contains(path)));
        }
    }
    let missing = reached.iter().filter(|path| !files.contains(path));
    let findings =
        missing.map(|path| format!("Cargo.toml names `{}`, and there is no such file", path.display()));
    let silent = files.iter().filter(|path| !reached.contains(*path));
    findings.chain(silent.map(|path| format!("no test compiles `{}`", path.display()))).collect()
}

/// Where the modules that a file declares may be.
fn modules_of(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = path.file_stem().unwrap_or_default();
    let root = matches!(stem.to_str(), Some("main" | "mod")) || folder == Path::new("tests");
    let inner = if root { folder.to_owned() } else { folder.join(stem) };
    let Ok(syntax) = syn::parse_file(text) else { return Vec::new() };
    let mut found = Vec::new();
    for item in syntax.items {
        let syn::Item::Mod(item) = item else { continue };
        let given = item.attrs.iter().find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(given), .. }) => Some(given.value()),
                _ => None,
            },
            _ => None,
        });
        if let Some(given) = given {
            found.push(normal(&folder.join(given)));
        } else {
            let name = item.ident.to_string();
            found.extend([inner.join(format!("{name}.rs")), inner.join(name).join("mod.rs")]);
        }
    }
    found
}

fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, part| {
        if part == std::path::Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
        normal
    })
}

#[test]
fn every_test_file_is_compiled() {
    none(unwired(&text_of("Cargo.toml"), &files_below("tests", ".rs"), |path| text_of(path)));
}

#[test]
fn forgotten_files_are_found() {
    let manifest = "[[test]]\nname = \"a\"\npath = \"tests/a/main.rs\"\n[[test]]\npath = \"tests/gone.rs\"\n";
    let tree = [
        ("tests/a/main.rs", "mod one;\n#[path = \"../common/bed.rs\"]\nmod bed;\nmod deep;"),
        ("tests/a/one.rs", "mod inner { }"),
        ("tests/a/deep/mod.rs", "mod leaf;"),
        ("tests/a/deep/leaf.rs", ""),
        ("tests/a/forgotten.rs", ""),
        ("tests/common/bed.rs", ""),
        ("tests/lonely.rs", ""),
    ];
    let files: Vec<PathBuf> = tree.iter().map(|(path, _)| PathBuf::from(path)).collect();
    let text = |path: &Path| tree.iter().find(|(name, _)| Path::new(name) == path).unwrap().1.to_owned();
    assert_eq!(
        unwired(manifest, &files, text),
        [
            "Cargo.toml names `tests/gone.rs`, and there is no such file",
            "no test compiles `tests/a/forgotten.rs`",
            "no test compiles `tests/lonely.rs`",
        ]
    );
}
