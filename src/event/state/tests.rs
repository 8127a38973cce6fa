use proptest::prelude::*;

use super::*;
use crate::base::{RunId, Timestamp};
use crate::plan::sample::{plan, stage, step};

fn ended(step: &str, end: End, allowed: bool) -> EventKind {
    EventKind::StepEnded { step: StepId::new(step), end, allowed }
}

fn play(state: &mut RunState, kinds: impl IntoIterator<Item = EventKind>) {
    for kind in kinds {
        let seq = state.events;
        let run = RunId::new("r");
        state.apply(&Event { run, seq, at: Timestamp(0), elapsed_ms: seq * 10, kind });
    }
}

fn two_steps() -> RunState {
    let mut plan = plan([stage("s", [step("a"), step("b")])]);
    plan.on_failure = Some(stage("on_failure", [step("tell")]));
    plan.finally = Some(stage("finally", [step("tidy")]));
    RunState::new(&plan)
}

fn skipped(reason: Reason) -> End {
    End::skipped(reason, None)
}

#[track_caller]
fn check(kinds: impl IntoIterator<Item = EventKind>, outcome: Outcome, reason: Option<Reason>) {
    let mut state = two_steps();
    play(&mut state, kinds);
    assert_eq!(state.verdict(), (outcome, reason));
}

#[test]
fn the_run_is_the_fold_of_its_steps() {
    let lost = || End::because(Reason::DaemonLost, None);
    check([ended("a", End::exited(0), false), ended("b", End::exited(0), false)], Outcome::Passed, None);
    check(
        [ended("a", lost(), false), ended("b", End::exited(7), false)],
        Outcome::Failed,
        Some(Reason::ExitCode),
    );
    check(
        [ended("a", lost(), false), ended("b", End::exited(0), false)],
        Outcome::Lost,
        Some(Reason::DaemonLost),
    );
    check(
        [ended("a", End::exited(0), false), ended("tidy", End::exited(1), false)],
        Outcome::Failed,
        Some(Reason::ExitCode),
    );
}

#[test]
fn an_allowed_failure_counts_as_a_pass() {
    check([ended("a", End::exited(1), true), ended("tidy", End::exited(2), true)], Outcome::Passed, None);
}

#[test]
fn on_failure_has_no_say() {
    check([ended("a", End::exited(0), false), ended("tell", End::exited(1), false)], Outcome::Passed, None);
}

#[test]
fn a_run_in_which_every_step_was_skipped_passed() {
    let all = ["a", "b", "tell", "tidy"].map(|step| ended(step, skipped(Reason::ConditionFalse), false));
    let mut state = two_steps();
    play(&mut state, all);
    assert_eq!(state.verdict(), (Outcome::Passed, None));
    assert!(state.all_skipped());
}

#[test]
fn a_cancel_by_its_user_wins_and_a_time_limit_does_not() {
    let cancel = |reason| EventKind::CancelRequested { level: CancelLevel::Stop, reason };
    let failed = || ended("a", End::exited(1), false);
    let user = Reason::CancelledByUser;
    check([failed(), cancel(user)], Outcome::Cancelled, Some(user));
    check([failed(), cancel(Reason::RunTimeout)], Outcome::Failed, Some(Reason::ExitCode));
    let out_of_time = ended("a", End::because(Reason::RunTimeout, None), false);
    check([cancel(Reason::RunTimeout), out_of_time], Outcome::Cancelled, Some(Reason::RunTimeout));
}

#[test]
fn the_level_only_rises_and_the_first_reason_stays() {
    let mut state = two_steps();
    let cancel = |level, reason| EventKind::CancelRequested { level, reason };
    play(
        &mut state,
        [
            cancel(CancelLevel::Stop, Reason::RunTimeout),
            cancel(CancelLevel::Kill, Reason::CancelledByUser),
            cancel(CancelLevel::Stop, Reason::CancelledByUser),
        ],
    );
    assert_eq!(state.cancel, Some((CancelLevel::Kill, Reason::RunTimeout)));
}

#[test]
fn passed_after_a_failed_attempt_is_flaky() {
    let mut state = two_steps();
    let started = |attempt| EventKind::StepStarted { step: StepId::new("a"), attempt };
    let attempt_ended = |attempt, code, retry| EventKind::AttemptEnded {
        step: StepId::new("a"),
        attempt,
        end: End::exited(code),
        retry,
    };
    play(&mut state, [started(1), attempt_ended(1, 1, true)]);
    assert_eq!(state.steps[&StepId::new("a")].phase, Phase::Running);
    play(&mut state, [started(2), attempt_ended(2, 0, false), ended("a", End::exited(0), false)]);
    assert!(state.steps[&StepId::new("a")].flaky());
    assert_eq!(state.steps[&StepId::new("a")].attempts.len(), 2);
}

#[test]
fn an_attempt_number_of_a_damaged_stream_takes_no_memory() {
    let mut state = two_steps();
    play(&mut state, [EventKind::StepStarted { step: StepId::new("a"), attempt: u32::MAX }]);
    assert_eq!(state.steps[&StepId::new("a")].attempts.len(), 1);
}

fn ends() -> impl Strategy<Value = (End, bool)> {
    let end = prop_oneof![
        (0..3i32).prop_map(End::exited),
        prop::sample::select(Reason::ALL).prop_map(|reason| End::because(reason, None)),
    ];
    (end, any::<bool>())
}

proptest! {
    #[test]
    fn outcomes_do_not_depend_on_the_order_of_finishing(
        (ends, order) in prop::collection::vec(ends(), 1..8).prop_flat_map(|ends| {
            let order: Vec<usize> = (0..ends.len()).collect();
            (Just(ends), Just(order).prop_shuffle())
        }),
    ) {
        let names: Vec<String> = (0..ends.len()).map(|n| format!("s{n}")).collect();
        let plan = plan([stage("s", names.iter().map(|name| step(name)))]);
        let kinds: Vec<EventKind> =
            names.iter().zip(ends).map(|(name, (end, allowed))| ended(name, end, allowed)).collect();
        let shuffled = order.into_iter().map(|number| kinds[number].clone()).collect();
        let verdict = |kinds: Vec<EventKind>| {
            let mut state = RunState::new(&plan);
            play(&mut state, kinds);
            (state.verdict(), state.stage_outcome(&state.stages[0]))
        };
        let expected = verdict(kinds);
        prop_assert_eq!(verdict(shuffled), expected);
    }
}
