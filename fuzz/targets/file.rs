//! A pipeline file: it becomes a plan that is valid and survives its wire form, or findings that can
//! be shown.

use windlass::base::{Severity, SourceText};
use windlass::frontend::{self, Given};
use windlass::plan::wire;

pub(super) fn run(data: &[u8]) {
    let text = SourceText::new("windlass.yml", String::from_utf8_lossy(data).into_owned());
    let compiled = frontend::compile(&text, &Given::default());
    let errors = compiled.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    let refused = errors > 0 || compiled.refused.is_some();
    assert_eq!(compiled.plan.is_none(), refused, "a plan or errors, never both or none");
    let shown = frontend::render(&text, &compiled.diagnostics, false);
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    if let Some(plan) = compiled.plan {
        let json = wire::to_json(&plan);
        let read = wire::from_json(&json).expect("what was written can be read");
        assert_eq!(read, plan);
    }
}
