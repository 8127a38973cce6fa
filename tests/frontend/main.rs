//! The front end from outside: files in, plans and messages out.

mod conditions;
mod golden;
mod images;
mod interpolation;
mod invalid;
mod limits;
mod never_panics;
mod reuse;
mod schema;
mod values;

use windlass::base::{Severity, SourceText};
use windlass::frontend::codes::Code;
use windlass::frontend::{Compiled, Given, compile, render};

/// Compiles a text as `windlass.yml`.
fn compiled(text: &str) -> Compiled {
    compile(&SourceText::new("windlass.yml", text), &Given::default())
}

/// What the user reads about a text.
fn messages(text: &str) -> String {
    let source = SourceText::new("windlass.yml", text);
    let compiled = compile(&source, &Given::default());
    let error = compiled.diagnostics.iter().any(|found| found.severity == Severity::Error);
    let refused = error || compiled.refused.is_some();
    assert_eq!(compiled.plan.is_none(), refused, "a plan, or reasons for none");
    for found in &compiled.diagnostics {
        assert!(Code::find(found.code).is_some(), "{}: `windlass explain` does not know it", found.code);
        assert!(found.help.is_some(), "{}: does not say what to do: {}", found.code, found.message);
        // Of a file that is too large no line is at fault.
        assert!(found.span.is_some() || found.code == "W0101", "{}: has no place", found.code);
    }
    render(&source, &compiled.diagnostics, false)
}
