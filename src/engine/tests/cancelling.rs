//! L10: each level of cancel in each phase of a run.

use super::*;
use crate::backend::fake::{FakeImage, FakeStart};

/// A pipeline that is in its first stage from 0 to 10 s, and in `finally` from 20 to 30 s.
fn pipeline() -> Plan {
    let mut plan = plan([stage("one", [script("a", "sleep 10")]), stage("two", [script("b", "sleep 10")])]);
    plan.on_failure = Some(stage("on_failure", [step("tell")]));
    plan.finally = Some(stage("finally", [script("tidy", "sleep 10")]));
    plan
}

async fn cancelled(at: f64, level: CancelLevel) -> Ran {
    setup(pipeline()).cancel(at, level).run().await
}

const USER: &str = "cancelled cancelled_by_user";

#[tokio::test(start_paused = true)]
async fn stop_ends_what_runs_and_then_tidies_up() {
    let ran = cancelled(5.0, CancelLevel::Stop).await;
    assert_eq!(
        ran.story(),
        [
            "run started",
            "stage one started",
            "a started",
            "cancel stop cancelled_by_user",
            "b cancelled cancelled_by_user",
            "stage two cancelled",
            "tell cancelled cancelled_by_user",
            "stage on_failure cancelled",
            "a cancelled cancelled_by_user",
            "stage one cancelled",
            "stage finally started",
            "tidy started",
            "tidy passed",
            "stage finally passed",
            "run cancelled cancelled_by_user",
        ]
    );
    assert_eq!(ran.took, Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn stop_before_anything_started_runs_nothing() {
    let ran = cancelled(0.0, CancelLevel::Stop).await;
    assert_eq!(ran.ends(), format!("a {USER}, b {USER}, tell {USER}, tidy {USER}"));
    assert_eq!(ran.fake.calls(), [Call::Closed]);
    let fetching = Fake::new().image("sample", FakeImage::Never);
    let ran = setup(pipeline()).fake(fetching).cancel(5.0, CancelLevel::Stop).run().await;
    assert_eq!(ran.ends(), format!("a {USER}, b {USER}, tell {USER}, tidy {USER}"));
    assert_eq!(ran.took, Duration::from_secs(5));
    let starting = Fake::new().starts("a", [FakeStart::Never]);
    let ran = setup(pipeline()).fake(starting).cancel(5.0, CancelLevel::Stop).run().await;
    assert_eq!(ran.ends(), format!("a {USER}, b {USER}, tell {USER}, tidy {USER}"));
}

#[tokio::test(start_paused = true)]
async fn stop_during_finally_lets_it_end() {
    let ran = cancelled(25.0, CancelLevel::Stop).await;
    assert_eq!(ran.ends(), "a passed, b passed, tell skipped condition_false, tidy passed");
    assert_eq!((ran.verdict().as_str(), ran.took), (USER, Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn stop_during_on_failure_stops_it() {
    let mut plan = pipeline();
    plan.stages[0].steps = vec![script("a", "exit 1")];
    plan.on_failure = Some(stage("on_failure", [script("tell", "sleep 100")]));
    let ran = setup(plan).cancel(5.0, CancelLevel::Stop).run().await;
    assert_eq!(
        ran.ends(),
        format!("a failed exit_code, b skipped dependency_failed, tell {USER}, tidy passed")
    );
    assert_eq!(ran.verdict(), USER);
}

#[tokio::test(start_paused = true)]
async fn drain_lets_what_runs_finish() {
    let ran = cancelled(5.0, CancelLevel::Drain).await;
    assert_eq!(ran.ends(), format!("a passed, b {USER}, tell {USER}, tidy passed"));
    assert_eq!(ran.took, Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn kill_ends_everything_and_runs_no_finally() {
    for at in [5.0, 15.0] {
        let ran = cancelled(at, CancelLevel::Kill).await;
        assert!(ran.ends().ends_with(&format!("tell {USER}, tidy {USER}")), "{}", ran.ends());
        assert!(ran.took < Duration::from_secs_f64(at + 2.0));
    }
    let ran = cancelled(25.0, CancelLevel::Kill).await;
    assert_eq!(ran.ends(), format!("a passed, b passed, tell skipped condition_false, tidy {USER}"));
}

#[tokio::test(start_paused = true)]
async fn a_second_request_kills_what_ignores_the_first() {
    let mut plan = pipeline();
    plan.stages[0].steps = vec![script("a", "trap '' TERM\nsleep 600")];
    let ran = setup(plan).cancel(5.0, CancelLevel::Stop).cancel(6.0, CancelLevel::Kill).run().await;
    assert_eq!(ran.ends(), format!("a {USER}, b {USER}, tell {USER}, tidy {USER}"));
    assert_eq!(ran.took, Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn kill_is_out_in_two_seconds_whatever_hangs() {
    let hangs = Fake::new().starts("a", [FakeStart::Never]).closes(Duration::from_secs(100), &[]);
    let ran = setup(pipeline()).fake(hangs).cancel(5.0, CancelLevel::Kill).run().await;
    assert!(ran.story().contains(&"left: the clean-up did not end in time".to_owned()));
    assert!(ran.took <= Duration::from_secs(7), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn leave_goes_at_once_and_closes_nothing() {
    for at in [0.0, 5.0, 15.0, 25.0] {
        let ran = cancelled(at, CancelLevel::Leave).await;
        assert_eq!(ran.took, Duration::from_secs_f64(at));
        assert!(!ran.fake.calls().contains(&Call::Closed));
        assert_eq!(ran.verdict(), USER);
    }
}

#[tokio::test(start_paused = true)]
async fn during_the_clean_up_the_levels_shorten_it() {
    let closing = || Fake::new().closes(Duration::from_secs(20), &[]);
    let ran =
        setup(plan([stage("s", [step("a")])])).fake(closing()).cancel(5.0, CancelLevel::Stop).run().await;
    assert_eq!((ran.verdict().as_str(), ran.took), (USER, Duration::from_secs(20)));
    let leave =
        setup(plan([stage("s", [step("a")])])).fake(closing()).cancel(5.0, CancelLevel::Leave).run().await;
    assert_eq!(leave.took, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_step_is_never_tried_again() {
    let mut again = script("a", "trap '' TERM\nsleep 600");
    again.retry = Retry { max: 9, infrastructure: true, timeout: true, failure: true, ..Retry::default() };
    let ran = setup(plan([stage("s", [again])])).cancel(5.0, CancelLevel::Stop).run().await;
    assert_eq!((ran.ends(), ran.took), (format!("a {USER}"), Duration::from_secs(15)));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_pauses_between_attempts_is_cancelled_at_once() {
    let mut again = script("a", "exit 1");
    again.retry = Retry { max: 9, failure: true, backoff: Some(Duration::from_mins(1)), ..Retry::default() };
    let ran = setup(plan([stage("s", [again])])).cancel(5.0, CancelLevel::Stop).run().await;
    assert_eq!((ran.ends(), ran.took), (format!("a {USER}"), Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn the_runs_limit_does_not_count_what_this_process_was_stopped() {
    let limited = |minutes| Plan { timeout: Duration::from_mins(minutes), ..pipeline() };
    // As long as nothing of ours runs, no time passes for the engine; the steps' containers go on.
    let stopped = tokio::spawn(async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        tokio::time::advance(Duration::from_hours(3)).await;
    });
    let ran = setup(limited(1)).run().await;
    assert_eq!(ran.verdict(), "passed");
    assert!(ran.took > Duration::from_hours(3), "{:?}", ran.took);
    stopped.await.expect("it does not panic");
    // The same without a stop.
    let mut plan = limited(1);
    plan.stages.push(stage("long", [script("c", "sleep 120")]));
    assert_eq!(setup(plan).run().await.verdict(), "cancelled run_timeout");
}
