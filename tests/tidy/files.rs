//! What every source file is like: it says what it is, it is not too long, and it is safe Rust.

use std::path::Path;

use syn::visit::{self, Visit};

use crate::{files_below, none, text_of};

/// Lines that a file may have, those of its tests aside.
const LONGEST: usize = 500;

/// Files that are longer, each with the reason.
const LONGER: [(&str, &str); 0] = [];

/// Where code may be unsafe: PID 1 without any crate has nobody else to call the kernel for it.
const UNSAFE: &str = "src/helper";

/// A file that does not open with what it owns.
fn without_document(path: &Path, text: &str) -> Option<String> {
    let silent = !text.starts_with("//! ");
    silent.then(|| format!("{}: does not open with `//!`", path.display()))
}

/// A file that is too long, tests at its end not counted.
fn too_long(path: &Path, text: &str) -> Option<String> {
    let tests = text.lines().zip(text.lines().skip(1));
    let code = tests.take_while(|(line, next)| {
        !(*line == "#[cfg(test)]" && next.starts_with("mod ") && next.ends_with('{'))
    });
    let lines = code.count() + 1;
    let reason = LONGER.iter().any(|(longer, _)| Path::new(longer) == path);
    (lines > LONGEST && !reason)
        .then(|| format!("{}: has {lines} lines, and {LONGEST} are allowed", path.display()))
}

/// Unsafe code in a file that may have none.
fn with_unsafe(path: &Path, text: &str) -> Vec<String> {
    let Ok(syntax) = syn::parse_file(text) else { return vec![format!("{}: is not Rust", path.display())] };
    let mut walk = Unsafe(0);
    walk.visit_file(&syntax);
    vec![format!("{}: is unsafe in {} places", path.display(), walk.0); usize::from(walk.0 > 0)]
}

struct Unsafe(usize);

impl<'ast> Visit<'ast> for Unsafe {
    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.0 += 1;
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.0 += usize::from(signature.unsafety.is_some());
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.0 += usize::from(item.unsafety.is_some());
        visit::visit_item_impl(self, item);
    }

    fn visit_item_foreign_mod(&mut self, _: &'ast syn::ItemForeignMod) {
        self.0 += 1;
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let lifts = attribute.path().is_ident("allow") || attribute.path().is_ident("expect");
        let list = attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        self.0 += usize::from(lifts && list.contains("unsafe_code"));
    }
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| matches!(part.to_str(), Some("tests" | "tests.rs")))
}

#[test]
fn every_file_opens_with_what_it_owns() {
    let silent = files_below("src", ".rs").into_iter().filter(|path| !is_test(path));
    none(silent.filter_map(|path| without_document(&path, &text_of(&path))).collect());
}

#[test]
fn no_file_is_too_long() {
    let long = files_below("src", ".rs").into_iter().filter(|path| !is_test(path));
    none(long.filter_map(|path| too_long(&path, &text_of(&path))).collect());
}

#[test]
fn only_the_helper_is_unsafe() {
    let safe = files_below("src", ".rs").into_iter().filter(|path| !path.starts_with(UNSAFE));
    none(safe.flat_map(|path| with_unsafe(&path, &text_of(&path))).collect());
}

#[test]
fn bad_files_are_found() {
    let path = Path::new("src/x.rs");
    assert_eq!(without_document(path, "// not a document\n").unwrap(), "src/x.rs: does not open with `//!`");
    assert_eq!(without_document(path, "//! It.\n"), None);
    let long = "x\n".repeat(501);
    assert_eq!(too_long(path, &long).unwrap(), "src/x.rs: has 501 lines, and 500 are allowed");
    assert_eq!(too_long(path, &format!("{}#[cfg(test)]\nmod tests {{\n{long}", "x\n".repeat(400))), None);
    for code in [
        "fn f() { unsafe { g() } }",
        "unsafe fn f() {}",
        "unsafe impl Send for X {}",
        "unsafe extern \"C\" { fn f(); }",
        "#[expect(unsafe_code, reason = \"\")] fn f() {}",
    ] {
        assert_eq!(with_unsafe(path, code), ["src/x.rs: is unsafe in 1 places"], "{code}");
    }
    assert!(with_unsafe(path, "/// unsafe\nfn f() { let x = \"unsafe\"; }").is_empty());
}
