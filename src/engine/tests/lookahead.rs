//! Containers that are started one step ahead: held, silent, and dropped when not wanted.

use super::*;
use crate::backend::StartError;
use crate::backend::fake::FakeStart;

fn started(ran: &Ran, step: &str) -> Duration {
    time(ran, &Call::Started(id(step), 1))
}

fn began(ran: &Ran, step: &str) -> Duration {
    time(ran, &Call::Began(id(step), 1))
}

#[track_caller]
fn time(ran: &Ran, call: &Call) -> Duration {
    let calls = ran.fake.timed_calls();
    let found = calls.iter().find(|(_, made)| made == call);
    found.unwrap_or_else(|| panic!("{call:?} is not in {calls:#?}")).0
}

fn row(names: &[&str], seconds: u32) -> Plan {
    plan(names.iter().map(|name| stage(&format!("s-{name}"), [script(name, &format!("sleep {seconds}"))])))
}

#[tokio::test(start_paused = true)]
async fn the_start_of_the_next_container_costs_nothing() {
    let fake = || Fake::new().start_takes(Duration::from_secs(1));
    let ran = setup(row(&["a", "b", "c"], 5)).fake(fake()).run().await;
    assert_eq!(ran.took, Duration::from_secs(16), "one start, and three times five seconds");
    assert_eq!(started(&ran, "b"), Duration::from_secs(2));
    assert_eq!(began(&ran, "b"), Duration::from_secs(6));
    let plain = Setup { lookahead: false, ..setup(row(&["a", "b", "c"], 5)) }.fake(fake()).run().await;
    assert_eq!(plain.took, Duration::from_secs(18));
    assert_eq!(plain.story(), ran.story());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_after_all_never_runs_and_nobody_hears_of_it() {
    let plan = plan([stage("s", [script("a", "sleep 5\nexit 1")]), stage("t", [step("b")])]);
    let ran = setup(plan).run().await;
    assert_eq!(ran.ends(), "a failed exit_code, b skipped dependency_failed");
    let calls = ran.fake.calls();
    assert!(calls.contains(&Call::Started(id("b"), 1)));
    assert!(!calls.contains(&Call::Began(id("b"), 1)));
    assert!(!ran.story().iter().any(|line| line == "b started"));
}

#[tokio::test(start_paused = true)]
async fn at_most_as_many_are_held_as_there_are_jobs_in_the_order_of_the_file() {
    let many = ["b", "c", "d", "e"].map(|name| script(name, "sleep 1"));
    let plan = plan([stage("s", [script("a", "sleep 5")]), stage("t", many)]);
    let ran = setup(plan).jobs(2).run().await;
    let early = |name: &str| started(&ran, name) < Duration::from_secs(5);
    assert_eq!(["b", "c", "d", "e"].map(early), [true, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn only_what_the_end_of_running_steps_decides_is_started_ahead() {
    let two = stage("t", [script("c", "sleep 1")]);
    let first = stage("s", [script("a", "sleep 2"), script("b", "sleep 2")]);
    let ran = setup(plan([first, two])).jobs(1).run().await;
    assert!(started(&ran, "b") < Duration::from_secs(2), "only a free job is missing");
    assert!(started(&ran, "c") >= Duration::from_secs(2), "`b` has not started before");
}

#[tokio::test(start_paused = true)]
async fn needs_are_looked_ahead_as_well() {
    let chain =
        stage("s", [script("a", "sleep 5"), needs(script("b", "sleep 5"), ["a"]), needs(step("c"), ["b"])]);
    let ran = setup(plan([chain])).run().await;
    assert_eq!(started(&ran, "b"), Duration::ZERO);
    assert_eq!(started(&ran, "c"), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn conditions_and_handlers_of_failures_are_not_started_ahead() {
    let mut never = step("never");
    never.condition = Condition::False("no".to_owned());
    let rest = stage("t", [never, after(step("handler"), After::Failure)]);
    let ran = setup(plan([stage("s", [script("a", "sleep 5")]), rest])).run().await;
    let others = |call: &Call| matches!(call, Call::Started(step, _) if step.as_str() != "a");
    assert!(!ran.fake.calls().iter().any(others));
}

#[tokio::test(start_paused = true)]
async fn an_early_failure_is_forgotten_and_a_later_one_comes_at_its_time() {
    let error = || FakeStart::Fails(StartError { reason: Reason::CouldNotStart, message: "no".to_owned() });
    let ran = setup(row(&["a", "b"], 5)).fake(Fake::new().starts("b", [error()])).run().await;
    assert_eq!(ran.ends(), "a passed, b passed");
    let ran = setup(row(&["a", "b"], 5)).fake(Fake::new().starts("b", [error(), error()])).run().await;
    assert_eq!(ran.ends(), "a passed, b failed could_not_start");
    assert_eq!(ran.took, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_held_container_that_goes_away_is_replaced() {
    let ran = setup(row(&["a", "b"], 5)).fake(Fake::new().starts("b", [FakeStart::Dies])).run().await;
    assert_eq!(ran.ends(), "a passed, b passed");
}

#[tokio::test(start_paused = true)]
async fn a_panic_ahead_of_its_time_is_forgotten_too() {
    let ran = setup(row(&["a", "b"], 5)).fake(Fake::new().starts("b", [FakeStart::Panics])).run().await;
    assert_eq!(ran.ends(), "a passed, b passed");
    let twice = Fake::new().starts("b", [FakeStart::Panics, FakeStart::Panics]);
    let ran = setup(row(&["a", "b"], 5)).fake(twice).run().await;
    assert_eq!(ran.ends(), "a passed, b lost runner_lost");
}

#[tokio::test(start_paused = true)]
async fn a_held_container_is_dropped_on_a_cancel() {
    let ran = setup(row(&["a", "b"], 5)).cancel(1.0, CancelLevel::Stop).run().await;
    let calls = ran.fake.calls();
    assert!(calls.contains(&Call::Ended(id("b"), 1, crate::backend::How::Stopped)));
    assert!(!calls.contains(&Call::Began(id("b"), 1)));
}

#[tokio::test(start_paused = true)]
async fn steps_of_one_lane_are_held_too() {
    let ran = setup(row(&["a", "b", "c", "d"], 1)).run().await;
    assert!(ran.fake.specs().iter().all(|spec| spec.lane == Some(0)));
    assert_eq!(started(&ran, "b"), Duration::ZERO);
}
