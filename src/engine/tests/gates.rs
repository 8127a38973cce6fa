//! L29: gates, answered by a script, and what they do to everything else.

use futures_util::future::BoxFuture;

use super::*;
use crate::engine::{Answer, Gate};
use crate::plan::{Part, Text};

/// Answers by the step's name, after so many seconds; never, when it knows no answer.
struct Scripted(Vec<(&'static str, u64, bool)>, Arc<Mutex<Vec<String>>>);

/// Notes that a question was taken back.
struct TakenBack(String, Arc<Mutex<Vec<String>>>);

impl Drop for TakenBack {
    fn drop(&mut self) {
        self.1.lock().expect("no test panics in here").push(self.0.clone());
    }
}

impl Gates for Scripted {
    fn ask(&self, gate: Gate) -> BoxFuture<'_, Answer> {
        let answer = self.0.iter().find(|(name, ..)| *name == gate.name).copied();
        let open = TakenBack(gate.name, Arc::clone(&self.1));
        Box::pin(async move {
            let Some((name, after, opened)) = answer else { return std::future::pending().await };
            assert_ne!(name, "broken", "the one who answers breaks");
            tokio::time::sleep(Duration::from_secs(after)).await;
            std::mem::forget(open);
            if opened { Answer::Opened("by hand".to_owned()) } else { Answer::Declined("by hand".to_owned()) }
        })
    }
}

fn gated(step: Step) -> Step {
    Step { gate: Some("Sure?".into()), ..step }
}

/// The run, and the questions that were taken back.
async fn answered(
    plan: Plan,
    answers: &[(&'static str, u64, bool)],
    change: impl FnOnce(Setup) -> Setup,
) -> (Ran, Vec<String>) {
    let back = Arc::new(Mutex::new(Vec::new()));
    let gates = Arc::new(Scripted(answers.to_vec(), Arc::clone(&back)));
    let ran = change(Setup { gates, ..setup(plan) }).run().await;
    let back = std::mem::take(&mut *back.lock().expect("no test panics in here"));
    (ran, back)
}

fn deploy() -> Plan {
    plan([
        stage("build", [script("compile", "sleep 2")]),
        stage("deploy", [gated(script("push", "sleep 2")), script("other", "sleep 1")]),
        stage("after", [script("check", "true")]),
    ])
}

#[tokio::test(start_paused = true)]
async fn an_opened_gate_lets_the_step_start_and_nothing_starts_before() {
    let (ran, back) = answered(deploy(), &[("push", 60, true)], |setup| setup).await;
    assert_eq!(
        ran.story(),
        [
            "run started",
            "stage build started",
            "compile started",
            "compile passed",
            "stage build passed",
            "push asks: Sure?",
            "stage deploy started",
            "other started",
            "other passed",
            "push opened: by hand",
            "push started",
            "push passed",
            "stage deploy passed",
            "stage after started",
            "check started",
            "check passed",
            "stage after passed",
            "run passed",
        ]
    );
    assert_eq!(ran.took, Duration::from_secs(64));
    assert_eq!(back, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_declined_gate_skips_the_step_and_breaks_what_waits_for_it() {
    let mut plan = deploy();
    let always = after(needs(step("always"), ["push"]), After::Always);
    plan.stages[1].steps.push(always);
    plan.finally = Some(stage("finally", [step("tidy")]));
    let (ran, _) = answered(plan, &[("push", 1, false)], |setup| setup).await;
    assert_eq!(
        ran.ends(),
        "compile passed, push skipped gate_declined, other passed, always passed, \
         check skipped dependency_failed, tidy passed"
    );
    assert_eq!(ran.verdict(), "passed");
    assert!(ran.story().contains(&"push declined: by hand".to_owned()));
    assert!(!ran.fake.calls().contains(&Call::Started(id("push"), 1)), "no container was made");
}

#[tokio::test(start_paused = true)]
async fn without_anybody_to_ask_a_gate_stays_shut_and_says_how_to_open_it() {
    let ran = setup(plan([stage("s", [gated(step("a"))])])).run().await;
    assert_eq!(ran.ends(), "a skipped gate_declined");
    let end = ran.state.steps[&id("a")].end.clone().expect("it ended");
    assert_eq!(end.message.as_deref(), Some("there is nobody to ask; `--approve a` opens it"));
    assert_eq!(ran.state.message.as_deref(), Some("every step was skipped"));
}

#[tokio::test(start_paused = true)]
async fn a_question_holds_no_place_of_a_job() {
    let plan = plan([stage("s", [gated(step("a")), script("b", "sleep 5"), script("c", "sleep 5")])]);
    let (ran, _) = answered(plan, &[("a", 7, true)], |setup| setup.jobs(1)).await;
    assert_eq!(ran.ends(), "a passed, b passed, c passed");
    assert_eq!(ran.took, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_does_not_run_anyway_is_not_asked_about() {
    let off = Condition::False("no".to_owned());
    let steps = [script("a", "exit 1"), needs(gated(step("b")), ["a"])];
    let plan = plan([stage("s", steps), stage("t", [Step { condition: off, ..gated(step("c")) }])]);
    let ran = setup(plan).run().await;
    assert_eq!(ran.ends(), "a failed exit_code, b skipped dependency_failed, c skipped condition_false");
    assert!(!ran.story().iter().any(|line| line.contains("asks")));
}

#[tokio::test(start_paused = true)]
async fn needs_are_over_before_anybody_is_asked() {
    let first = needs(gated(step("first")), []);
    let plan =
        plan([stage("s", [script("a", "sleep 3")]), stage("t", [first, needs(gated(step("b")), ["a"])])]);
    let (ran, _) = answered(plan, &[("first", 1, true), ("b", 1, true)], |setup| setup).await;
    let story = ran.story();
    let at = |line: &str| position(&story, line);
    assert!(at("first asks: Sure?") < at("a started"), "{story:#?}");
    assert!(at("a passed") < at("b asks: Sure?"), "{story:#?}");
    assert_eq!(ran.took, Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn any_cancel_takes_the_question_back() {
    for level in [CancelLevel::Drain, CancelLevel::Stop, CancelLevel::Kill] {
        let mut plan = deploy();
        plan.finally = Some(stage("finally", [step("tidy")]));
        let (ran, back) = answered(plan, &[], |setup| setup.cancel(10.0, level)).await;
        let user = "cancelled cancelled_by_user";
        let tidy = if level == CancelLevel::Kill { user } else { "passed" };
        assert_eq!(
            ran.ends(),
            format!("compile passed, push {user}, other passed, check {user}, tidy {tidy}"),
            "{level:?}"
        );
        assert_eq!(back, ["push"]);
        assert_eq!(ran.took, Duration::from_secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn time_limits_of_the_run_and_of_the_stage_take_the_question_back() {
    let mut plan = deploy();
    plan.timeout = Duration::from_secs(30);
    let (ran, back) = answered(plan, &[], |setup| setup).await;
    let late = "cancelled run_timeout";
    assert_eq!(ran.ends(), format!("compile passed, push {late}, other passed, check {late}"));
    assert_eq!((ran.took, back.len()), (Duration::from_secs(30), 1));
    let mut plan = deploy();
    plan.stages[1].timeout = Some(Duration::from_secs(20));
    let (ran, back) = answered(plan, &[], |setup| setup).await;
    assert_eq!(
        ran.ends(),
        "compile passed, push failed timeout, other passed, check skipped dependency_failed"
    );
    assert_eq!((ran.took, back.len()), (Duration::from_secs(22), 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_sibling_takes_the_question_back() {
    let plan = plan([stage("s", [gated(step("a")), script("b", "sleep 1; exit 1")])]);
    let (ran, back) = answered(plan, &[], |setup| setup).await;
    assert_eq!(ran.ends(), "a cancelled cancelled_by_sibling, b failed exit_code");
    assert_eq!(back, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_asks_no_second_time() {
    let retry = Retry { max: 1, failure: true, ..Retry::default() };
    let plan = plan([stage("s", [Step { retry, ..gated(script("a", "exit 1")) }])]);
    let (ran, _) = answered(plan, &[("a", 0, true)], |setup| setup).await;
    assert_eq!(ran.ends(), "a failed exit_code");
    assert_eq!(ran.story().iter().filter(|line| line.contains("asks")).count(), 1);
    assert!(ran.story().contains(&"a started, attempt 2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_whoever_answers_is_the_steps_end() {
    let (ran, _) = answered(plan([stage("s", [gated(step("broken"))])]), &[("broken", 0, true)], |s| s).await;
    assert_eq!(ran.ends(), "broken lost runner_lost");
}

#[tokio::test(start_paused = true)]
async fn a_question_may_hold_what_a_step_wrote() {
    let part = Part::Output { step: id("build"), key: "version".to_owned() };
    let question = Text::Late(vec![Part::Literal("Deploy ".to_owned()), part, Part::Literal("?".to_owned())]);
    let of = |body: &str| {
        let build = Step { outputs: vec!["version".to_owned()], ..script("build", body) };
        let push = Step { gate: Some(question.clone()), ..script("push", "true") };
        plan([stage("build", [build]), stage("deploy", [push])])
    };
    let answers = [("push", 5, true)];
    let (ran, _) = answered(of("echo version=1.2 >> $WINDLASS_OUTPUT"), &answers, |setup| setup).await;
    assert!(ran.story().contains(&"push asks: Deploy 1.2?".to_owned()), "{:?}", ran.story());
    assert_eq!(ran.ends(), "build passed, push passed");

    let mut without = of("false");
    without.stages[0].steps[0].allow_failure = AllowFailure::Yes;
    let (ran, _) = answered(without, &answers, |setup| setup).await;
    assert_eq!(ran.ends(), "build failed exit_code, push failed output_invalid");
    assert!(!ran.story().iter().any(|told| told.contains("asks")), "nobody is asked half a question");
}
