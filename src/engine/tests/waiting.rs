//! L33: what steps wait for, which comes by a script, and what that does to everything else.

use futures_util::future::BoxFuture;

use super::*;
use crate::backend::StartError;
use crate::backend::fake::FakeImage;
use crate::engine::{Answer, Found, Gate};
use crate::plan::{Awaited, Part, Text, WaitFor};

/// What there is: by its name, from so many seconds on.
struct World {
    began: Instant,
    comes: Vec<(&'static str, u64)>,
    looks: Arc<Mutex<Vec<f64>>>,
}

impl Outside for World {
    fn look<'a>(&'a self, _: Awaited, what: &'a str) -> BoxFuture<'a, Found> {
        let since = self.began.elapsed();
        self.looks.lock().expect("no test panics in here").push(since.as_secs_f64());
        let comes = self.comes.iter().find(|(name, _)| *name == what).map(|(_, after)| *after);
        Box::pin(async move {
            match (what, comes) {
                ("broken", _) => panic!("the one who looks breaks"),
                ("impossible", _) => Found::Never("no such thing".to_owned()),
                ("silent", _) => std::future::pending().await,
                (_, Some(after)) if since >= Duration::from_secs(after) => Found::There,
                _ => Found::NotYet("not yet".to_owned()),
            }
        })
    }
}

fn waiting(step: Step, what: &str, seconds: u64) -> Step {
    let timeout = Duration::from_secs(seconds);
    Step { wait_for: Some(WaitFor { kind: Awaited::File, what: what.into(), timeout }), ..step }
}

/// The run, and the moments at which somebody looked.
async fn with(
    plan: Plan,
    comes: &[(&'static str, u64)],
    change: impl FnOnce(Setup) -> Setup,
) -> (Ran, Vec<f64>) {
    let looks = Arc::default();
    let world = World { began: Instant::now(), comes: comes.to_vec(), looks: Arc::clone(&looks) };
    let ran = change(Setup { outside: Arc::new(world), ..setup(plan) }).run().await;
    let looks = std::mem::take(&mut *looks.lock().expect("no test panics in here"));
    (ran, looks)
}

fn alone(step: Step) -> Plan {
    plan([stage("s", [step])])
}

#[tokio::test(start_paused = true)]
async fn a_step_starts_when_what_it_waits_for_is_there_and_not_before() {
    let (ran, looks) = with(alone(waiting(script("a", "true"), "dist", 600)), &[("dist", 20)], |s| s).await;
    assert_eq!(
        ran.story(),
        [
            "run started",
            "a waits for the file dist",
            "a has it",
            "stage s started",
            "a started",
            "a passed",
            "stage s passed",
            "run passed",
        ]
    );
    assert_eq!(looks, [0.0, 0.25, 0.75, 1.75, 3.75, 7.75, 12.75, 17.75, 22.75]);
}

#[tokio::test(start_paused = true)]
async fn what_never_comes_is_a_timeout_that_says_what_was_missing() {
    let step = waiting(script("a", "true"), "dist", 60);
    let (ran, _) = with(alone(step), &[], |s| s).await;
    assert_eq!(ran.ends(), "a failed timeout");
    assert_eq!(ran.took, Duration::from_mins(1));
    let end = ran.state.steps[&id("a")].end.clone().expect("it ended");
    assert_eq!(end.message.as_deref(), Some("the file `dist` was not there after 1m00s: not yet"));
    assert!(ran.fake.specs().is_empty(), "no container was made");
}

#[tokio::test(start_paused = true)]
async fn waiting_in_vain_is_a_failure_like_any_other_but_no_attempt() {
    let retry = Retry { max: 3, timeout: true, failure: true, infrastructure: true, ..Retry::default() };
    let mut vain = waiting(script("vain", "true"), "dist", 60);
    vain.retry = retry;
    vain.allow_failure = AllowFailure::Yes;
    let (ran, _) = with(plan([stage("s", [vain.clone(), script("b", "sleep 90")])]), &[], |s| s).await;
    assert_eq!(ran.ends(), "vain failed timeout, b passed");
    assert_eq!((ran.verdict(), ran.took), ("passed".to_owned(), Duration::from_secs(90)));
    assert!(ran.state.steps[&id("vain")].attempts.is_empty());

    vain.allow_failure = AllowFailure::No;
    let mut plan = plan([stage("s", [vain, script("b", "sleep 90")]), stage("t", [step("c")])]);
    plan.on_failure = Some(stage("on_failure", [step("tell")]));
    let (ran, _) = with(plan, &[], |s| s).await;
    assert_eq!(
        ran.ends(),
        "vain failed timeout, b cancelled cancelled_by_sibling, c skipped dependency_failed, tell passed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_wait_again() {
    let mut step = waiting(script("a", "exit 3"), "dist", 60);
    step.retry = Retry { max: 1, failure: true, ..Retry::default() };
    let (ran, looks) = with(alone(step), &[("dist", 0)], |s| s).await;
    assert_eq!((ran.ends().as_str(), looks.len()), ("a failed exit_code", 1));
    assert_eq!(ran.state.steps[&id("a")].attempts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_takes_no_place_and_its_own_time_has_not_begun() {
    let mut waits = waiting(script("waits", "sleep 5"), "dist", 600);
    waits.timeout = Duration::from_secs(10);
    let steps = [waits, script("one", "sleep 20"), script("two", "sleep 20")];
    let (ran, _) = with(plan([stage("s", steps)]), &[("dist", 30)], |setup| setup.jobs(1)).await;
    assert_eq!(ran.ends(), "waits passed, one passed, two passed");
    assert_eq!(ran.took, Duration::from_secs(45), "it was there before a place was free");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_run_is_the_end_of_waiting() {
    let mut plan = plan([stage("s", [waiting(step("a"), "dist", 600), script("b", "sleep 900")])]);
    plan.finally = Some(stage("finally", [step("tidy")]));
    let (ran, looks) = with(plan.clone(), &[], |setup| setup.cancel(30.0, CancelLevel::Stop)).await;
    assert_eq!(ran.ends(), "a cancelled cancelled_by_user, b cancelled cancelled_by_user, tidy passed");
    assert!(looks.last().is_some_and(|last| *last <= 30.0));
    plan.timeout = Duration::from_secs(40);
    let (ran, _) = with(plan, &[], |s| s).await;
    assert_eq!(ran.ends(), "a cancelled run_timeout, b cancelled run_timeout, tidy passed");
}

#[tokio::test(start_paused = true)]
async fn a_sibling_that_fails_is_the_end_of_waiting_too() {
    let plan = plan([stage("s", [waiting(step("a"), "dist", 600), script("b", "exit 1")])]);
    let (ran, _) = with(plan, &[], |s| s).await;
    assert_eq!(ran.ends(), "a cancelled cancelled_by_sibling, b failed exit_code");
    assert!(ran.took < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_looked_for_that_nobody_agreed_to_or_that_does_not_run() {
    struct Opens(u64);
    impl Gates for Opens {
        fn ask(&self, _: Gate) -> BoxFuture<'_, Answer> {
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(self.0)).await;
                Answer::Opened("by hand".to_owned())
            })
        }
    }
    let mut gated = waiting(script("a", "true"), "dist", 600);
    gated.gate = Some("Sure?".into());
    let gates: Arc<dyn Gates> = Arc::new(Opens(50));
    let (ran, looks) = with(alone(gated.clone()), &[("dist", 0)], |setup| Setup { gates, ..setup }).await;
    assert_eq!((ran.ends().as_str(), looks.as_slice()), ("a passed", &[50.0][..]));
    let (ran, looks) = with(alone(gated.clone()), &[("dist", 0)], |s| s).await;
    assert_eq!((ran.ends().as_str(), looks.len()), ("a skipped gate_declined", 0));
    gated.condition = Condition::False("it is not the time".to_owned());
    let (ran, looks) = with(alone(gated), &[("dist", 0)], |s| s).await;
    assert_eq!((ran.ends().as_str(), looks.len()), ("a skipped condition_false", 0));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_come_or_breaks_is_said_at_once() {
    for (what, ends, message) in [
        ("impossible", "a failed could_not_start", "cannot be waited for: no such thing"),
        ("../out", "a failed could_not_start", "it leads out of the workspace"),
        ("broken", "a lost runner_lost", "the one who looks breaks"),
    ] {
        let (ran, _) = with(alone(waiting(step("a"), what, 600)), &[], |s| s).await;
        assert_eq!((ran.ends().as_str(), ran.took), (ends, Duration::ZERO), "{what}");
        let end = ran.state.steps[&id("a")].end.clone().expect("it ended");
        assert!(end.message.is_some_and(|said| said.contains(message)), "{what}");
    }
    let (ran, looks) = with(alone(waiting(step("a"), "silent", 25)), &[], |s| s).await;
    assert_eq!((ran.ends().as_str(), looks.len()), ("a failed timeout", 3));
}

#[tokio::test(start_paused = true)]
async fn an_image_is_asked_for_at_the_backend_and_fetched_once_it_is_there() {
    let awaits = |limit| {
        let mut step = waiting(script("a", "true"), "shop:1", limit);
        step.wait_for.as_mut().expect("it waits").kind = Awaited::Image;
        Step { image: crate::plan::Image::Reference("shop:1".into()), ..step }
    };
    let comes = || Fake::new().image("shop:1", FakeImage::Comes(Duration::from_secs(40)));
    let other = Step { image: crate::plan::Image::Reference("shop:1".into()), ..script("other", "true") };
    let plan_of = |step| {
        let mut plan = plan([stage("s", [step, other.clone()])]);
        plan.stages[0].on_step_failure = OnStepFailure::GoOn;
        plan
    };
    let (ran, _) = with(plan_of(awaits(600)), &[], |setup| setup.fake(comes())).await;
    assert_eq!(ran.ends(), "a passed, other failed image_not_found");
    let (ran, _) = with(plan_of(awaits(30)), &[], |setup| setup.fake(comes())).await;
    assert_eq!(ran.ends(), "a failed timeout, other failed image_not_found");
    let lost = StartError { reason: Reason::DaemonLost, message: "gone".to_owned() };
    let fake = Fake::new().image("shop:1", FakeImage::Fails(lost));
    let (ran, _) = with(alone(awaits(600)), &[], |setup| setup.fake(fake)).await;
    assert_eq!(ran.ends(), "a lost daemon_lost");
}

#[tokio::test(start_paused = true)]
async fn what_it_is_called_may_come_from_a_step() {
    let writes = |body: &str| Step { outputs: vec!["path".to_owned()], ..script("a", body) };
    let part = Part::Output { step: id("a"), key: "path".to_owned() };
    let mut waits = waiting(script("b", "true"), "", 600);
    let what = Text::Late(vec![Part::Literal("dist/".to_owned()), part]);
    waits.wait_for.as_mut().expect("it waits").what = what;
    let of = |body: &str| plan([stage("s", [writes(body)]), stage("t", [waits.clone()])]);
    let body = "echo path=shop >> $WINDLASS_OUTPUT";
    let (ran, _) = with(of(body), &[("dist/shop", 5)], |s| s).await;
    assert_eq!(ran.ends(), "a passed, b passed");
    let mut plan = of("false");
    plan.stages[0].steps[0].allow_failure = AllowFailure::Yes;
    let (ran, looks) = with(plan, &[], |s| s).await;
    assert_eq!((ran.ends().as_str(), looks.len()), ("a failed exit_code, b failed output_invalid", 0));
}
