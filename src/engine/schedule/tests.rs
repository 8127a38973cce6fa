use super::*;
use crate::plan::sample::{needs, plan, stage, step};

fn begin(plan: &Plan, jobs: usize) -> Schedule {
    let mut schedule = Schedule::new(plan, jobs);
    schedule.begin();
    schedule
}

fn decisions(schedule: &mut Schedule) -> Vec<Decision> {
    std::iter::from_fn(|| schedule.next()).collect()
}

#[test]
fn the_next_stage_is_worth_looking_at_once_all_of_this_one_runs() {
    let plan = plan([stage("s", [step("a"), step("b")]), stage("t", [step("c"), step("d")])]);
    let mut schedule = begin(&plan, 2);
    assert_eq!(decisions(&mut schedule), [Decision::Start(0), Decision::Start(1)]);
    assert_eq!(schedule.ahead(), [2, 3]);
    schedule.ended(0, &End::exited(1), false);
    assert_eq!(decisions(&mut schedule), [Decision::Stop(1, Reason::CancelledBySibling)]);
    assert_eq!(schedule.ahead(), Vec::<usize>::new(), "after a failure nothing is likely");
}

#[test]
fn a_chain_over_two_stages_looks_past_a_stage_that_runs() {
    let first = stage("s", [step("a")]);
    let second = stage("t", [needs(step("b"), [])]);
    let plan = plan([first, second, stage("u", [step("c")])]);
    let mut schedule = begin(&plan, 4);
    assert_eq!(decisions(&mut schedule), [Decision::Start(0), Decision::Start(1)]);
    assert_eq!(schedule.ahead(), [2]);
}

#[test]
fn what_is_made_of_files_as_they_are_is_not_made_ahead() {
    let substitutes = crate::plan::Step { substitute: vec!["*.conf".to_owned()], ..step("b") };
    let plan = plan([stage("s", [step("a")]), stage("t", [substitutes, step("c")])]);
    let mut schedule = begin(&plan, 4);
    assert_eq!(decisions(&mut schedule), [Decision::Start(0)]);
    assert_eq!(schedule.ahead(), [2]);
}

#[test]
fn what_needs_a_failed_step_says_so_before_its_siblings_are_cancelled() {
    let plan = plan([stage("s", [step("a"), needs(step("b"), ["a"]), needs(step("c"), ["b"]), step("d")])]);
    let mut schedule = begin(&plan, 1);
    assert_eq!(decisions(&mut schedule), [Decision::Start(0)]);
    schedule.ended(0, &End::exited(1), false);
    let skipped = || End::skipped(Reason::DependencyFailed, None);
    assert_eq!(
        decisions(&mut schedule),
        [
            Decision::End(1, skipped()),
            Decision::End(2, skipped()),
            Decision::End(3, End::because(Reason::CancelledBySibling, None)),
            Decision::StageEnded(0),
        ]
    );
    assert!(schedule.is_over());
}

#[test]
fn a_stage_out_of_time_ends_what_runs_and_what_waits() {
    let plan = plan([stage("s", [step("a"), step("b"), needs(step("c"), ["a"])])]);
    let mut schedule = begin(&plan, 1);
    assert_eq!(decisions(&mut schedule), [Decision::Start(0)]);
    schedule.expire(0);
    let timeout = || End::because(Reason::Timeout, None);
    assert_eq!(decisions(&mut schedule), [Decision::Stop(0, Reason::Timeout), Decision::End(1, timeout())]);
    schedule.ended(0, &timeout(), true);
    assert_eq!(decisions(&mut schedule), [Decision::End(2, timeout()), Decision::StageEnded(0)]);
}

#[test]
fn nothing_ends_before_what_it_waits_for() {
    let first = stage("s", [step("fails"), step("slow"), needs(step("both"), ["fails", "slow"])]);
    let mut handler = needs(step("handler"), ["both"]);
    handler.after = After::Always;
    let mut first = first;
    first.on_step_failure = OnStepFailure::StartNothingNew;
    let mut schedule = begin(&plan([first, stage("t", [handler])]), 4);
    assert_eq!(decisions(&mut schedule), [Decision::Start(0), Decision::Start(1)]);
    schedule.ended(0, &End::exited(1), false);
    assert_eq!(decisions(&mut schedule), []);
    schedule.ended(1, &End::exited(0), false);
    let skipped = End::skipped(Reason::DependencyFailed, None);
    assert_eq!(
        decisions(&mut schedule),
        [Decision::End(2, skipped), Decision::StageEnded(0), Decision::Start(3)]
    );
}

#[test]
fn a_cancel_before_the_beginning_starts_nothing() {
    let plan = plan([stage("empty", []), stage("s", [step("a")])]);
    let mut schedule = Schedule::new(&plan, 1);
    schedule.cancel(CancelLevel::Stop, Reason::CancelledByUser);
    schedule.begin();
    let cancelled = End::because(Reason::CancelledByUser, None);
    assert_eq!(
        decisions(&mut schedule),
        [Decision::End(0, cancelled), Decision::StageEnded(1), Decision::StageEnded(0)]
    );
    assert!(schedule.is_over());
}

#[test]
fn levels_only_rise_and_the_first_reason_stays() {
    let plan = plan([stage("s", [step("a")])]);
    let mut schedule = begin(&plan, 1);
    decisions(&mut schedule);
    schedule.cancel(CancelLevel::Stop, Reason::RunTimeout);
    schedule.cancel(CancelLevel::Drain, Reason::CancelledByUser);
    assert_eq!(decisions(&mut schedule), [Decision::Stop(0, Reason::RunTimeout)]);
    schedule.cancel(CancelLevel::Kill, Reason::CancelledByUser);
    assert_eq!(decisions(&mut schedule), [Decision::Stop(0, Reason::RunTimeout)]);
}
