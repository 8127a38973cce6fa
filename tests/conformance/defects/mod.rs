//! The suite put to the test: it must notice each of these defects, in the cases that are named.
//!
//! None of them is in the product: those of a backend and of the engine sit in the tap between the fake and the
//! engine or between the engine and its readers, those of the front end are keys that are accepted and ignored.

mod backend;
mod engine;
mod keys;

use crate::fake::OnFake;
use crate::suite::{Case, Faults, all, run};

/// A defect, and the cases that must notice it.
pub struct Defect {
    pub what: &'static str,
    pub noticed_by: &'static [&'static str],
    pub faults: Faults,
}

/// Whether a case notices.
pub fn notices(case: &Case, faults: Faults) -> bool {
    let report = run(case, &OnFake, faults);
    report.outline != case.outline || !report.complaints.is_empty()
}

/// Every defect is noticed by each case that it names.
#[track_caller]
pub fn all_noticed(defects: &[Defect]) {
    let cases = all();
    let mut missed = Vec::new();
    for defect in defects {
        for name in defect.noticed_by {
            let case = cases.iter().find(|case| case.name == *name);
            let case = case.unwrap_or_else(|| panic!("there is no case `{name}`"));
            if !notices(case, defect.faults) {
                missed.push(format!("{name} does not notice: {}", defect.what));
            }
        }
    }
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
}

#[test]
fn there_are_enough_of_them() {
    assert!(backend::DEFECTS.len() + engine::DEFECTS.len() >= 20);
}
