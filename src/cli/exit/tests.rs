use std::fmt::Write;

use super::*;
use crate::base::StepId;
use crate::event::{CancelLevel, End, StepState};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/exit-codes.md");

#[test]
fn the_page_is_the_table() {
    let mut page = String::from(
        "# Exit codes\n\n\
         | code | meaning |\n\
         | ---: | --- |\n",
    );
    for (code, meaning) in Exit::TABLE {
        writeln!(page, "| {code} | {meaning} |").unwrap();
    }
    page.push_str(
        "\nWhen several apply to a run, the first of these is the one: 70, a signal, 124, 1, 6. A signal also\n\
         ends the process itself, once everything is cleaned up, so that a shell sees it.\n\n\
         With `--propagate-exit` a failed step's own code stands in for 1 (128 and the signal's number where\n\
         a signal ended it).\n\n\
         Clean-up that leaves something behind keeps the run's code, names what is left, and says so.\n\n\
         This page is written from `src/cli/exit/mod.rs`: `UPDATE=1 cargo test --lib cli::exit`.\n",
    );
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(PAGE).unwrap(), page);
}

/// A run of required steps that ended like this, one after the other.
fn state(outcome: Outcome, ends: &[(&str, End)]) -> RunState {
    let mut state = RunState::default();
    state.outcome = Some(outcome);
    for (id, end) in ends {
        let id = StepId::new(*id);
        if end.outcome != Outcome::Passed {
            state.failed.push(id.clone());
        }
        state.steps.insert(id, StepState { end: Some(end.clone()), ..StepState::default() });
    }
    state
}

#[test]
fn the_code_of_a_run_is_the_first_that_applies() {
    let code = |state: &RunState, signal| Exit::of_run(state, signal, false);
    let failed = state(Outcome::Failed, &[("a", End::exited(3))]);
    assert_eq!(code(&state(Outcome::Passed, &[("a", End::exited(0))]), None), Exit::Passed);
    assert_eq!(code(&state(Outcome::Skipped, &[]), None), Exit::Passed);
    assert_eq!(code(&failed, None), Exit::StepFailed);
    assert_eq!(code(&failed, Some(Exit::Interrupt)), Exit::Interrupt);
    let lost = state(Outcome::Lost, &[("a", End::because(Reason::DaemonLost, None))]);
    assert_eq!(code(&lost, None), Exit::StepLost);

    let mut late = failed.clone();
    late.cancel = Some((CancelLevel::Stop, Reason::RunTimeout));
    assert_eq!(code(&late, None), Exit::RunTimeout);
    assert_eq!(code(&late, Some(Exit::Terminate)), Exit::Terminate);

    let broken = state(Outcome::Lost, &[("a", End::because(Reason::RunnerLost, None))]);
    assert_eq!(code(&broken, Some(Exit::Interrupt)), Exit::Bug);
}

#[test]
fn a_propagated_code_is_the_first_failed_required_steps_own() {
    let ends = [("a", End::exited(0)), ("d", End::exited(4)), ("c", End::exited(3))];
    assert_eq!(Exit::of_run(&state(Outcome::Failed, &ends), None, true), Exit::Step(4));

    let mut killed = End::because(Reason::Signal, None);
    killed.signal = Some(11);
    let state = |end| self::state(Outcome::Failed, &[("a", end)]);
    assert_eq!(Exit::of_run(&state(killed), None, true).code(), 139);

    let nothing_ran = state(End::because(Reason::ImageNotFound, None));
    assert_eq!(Exit::of_run(&nothing_ran, None, true), Exit::StepFailed);
}
