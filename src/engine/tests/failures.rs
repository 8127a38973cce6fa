//! L6, L7, L8, and what goes wrong outside of programs.

use super::*;
use crate::backend::StartError;
use crate::backend::fake::{FakeImage, FakeStart};

fn three(rule: OnStepFailure) -> Plan {
    let mut all = stage(
        "s",
        [
            script("fails", "sleep 1\nexit 3"),
            script("runs", "sleep 5"),
            after(script("always", "sleep 5"), After::Always),
            needs(step("waits"), ["runs"]),
        ],
    );
    all.on_step_failure = rule;
    plan([all])
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_cancels_its_siblings_but_not_those_that_run_always() {
    let ran = setup(three(OnStepFailure::CancelSiblings)).run().await;
    assert_eq!(
        ran.ends(),
        "fails failed exit_code, runs cancelled cancelled_by_sibling, always passed, \
         waits skipped dependency_failed"
    );
    assert_eq!(ran.verdict(), "failed exit_code");
}

#[tokio::test(start_paused = true)]
async fn start_nothing_new_lets_siblings_end() {
    let ran = setup(three(OnStepFailure::StartNothingNew)).run().await;
    assert_eq!(
        ran.ends(),
        "fails failed exit_code, runs passed, always passed, waits cancelled cancelled_by_sibling"
    );
}

#[tokio::test(start_paused = true)]
async fn go_on_changes_nothing_for_the_others() {
    let ran = setup(three(OnStepFailure::GoOn)).run().await;
    assert_eq!(ran.ends(), "fails failed exit_code, runs passed, always passed, waits passed");
}

#[tokio::test(start_paused = true)]
async fn an_allowed_failure_cancels_nobody() {
    let mut plan = three(OnStepFailure::CancelSiblings);
    plan.stages[0].steps[0].allow_failure = AllowFailure::Yes;
    let ran = setup(plan).run().await;
    assert_eq!(ran.ends(), "fails failed exit_code, runs passed, always passed, waits passed");
    assert_eq!(ran.verdict(), "passed");
}

#[tokio::test(start_paused = true)]
async fn a_sibling_that_ignores_term_is_killed_after_its_grace() {
    let stubborn = script("stubborn", "trap '' TERM\nsleep 600");
    let ran = setup(plan([stage("s", [script("fails", "sleep 1\nexit 1"), stubborn])])).run().await;
    assert_eq!(ran.ends(), "fails failed exit_code, stubborn cancelled cancelled_by_sibling");
    assert_eq!(ran.took, Duration::from_secs(11));
}

fn with_last_stages(body: &str) -> Plan {
    let mut plan = plan([stage("s", [script("main", body)])]);
    plan.on_failure = Some(stage("on_failure", [script("tell", "echo \"$WINDLASS_FAILED_STEP\"")]));
    plan.finally =
        Some(stage("finally", [script("tidy", "echo \"$WINDLASS_OUTCOME $WINDLASS_FAILED_STEPS\"")]));
    plan
}

#[tokio::test(start_paused = true)]
async fn on_failure_runs_after_a_failure_and_finally_always() {
    let ran = setup(with_last_stages("exit 1")).run().await;
    assert_eq!(ran.ends(), "main failed exit_code, tell passed, tidy passed");
    assert_eq!(ran.printed("tell"), "main\n");
    assert_eq!(ran.printed("tidy"), "failed main\n");
    let ran = setup(with_last_stages("true")).run().await;
    assert_eq!(ran.ends(), "main passed, tell skipped condition_false, tidy passed");
    assert_eq!((ran.verdict().as_str(), ran.printed("tidy").as_str()), ("passed", "passed \n"));
}

#[tokio::test(start_paused = true)]
async fn on_failure_does_not_run_when_the_run_was_lost() {
    let ran = setup(with_last_stages("lost evicted")).run().await;
    assert_eq!(ran.ends(), "main lost evicted, tell skipped condition_false, tidy passed");
    assert_eq!(ran.printed("tidy"), "lost main\n");
}

#[tokio::test(start_paused = true)]
async fn on_failure_never_changes_the_outcome_and_a_failing_finally_does() {
    let mut plan = with_last_stages("exit 1");
    plan.on_failure = Some(stage("on_failure", [script("tell", "lost evicted")]));
    assert_eq!(setup(plan).run().await.verdict(), "failed exit_code");

    let mut plan = with_last_stages("true");
    plan.finally = Some(stage("finally", [script("tidy", "oom"), script("sweep", "sleep 1")]));
    let ran = setup(plan.clone()).run().await;
    assert_eq!(ran.verdict(), "failed out_of_memory");
    assert!(
        ran.ends().ends_with("sweep passed"),
        "steps of finally do not cancel one another: {}",
        ran.ends()
    );
    let finally = plan.finally.as_mut().expect("the stage was put there above");
    finally.steps[0].allow_failure = AllowFailure::Yes;
    assert_eq!(setup(plan).run().await.verdict(), "passed");
}

#[tokio::test(start_paused = true)]
async fn finally_has_a_deadline_of_its_own() {
    let mut plan = with_last_stages("true");
    plan.timeout = Duration::from_secs(10);
    plan.finally = Some(stage("finally", [script("tidy", "sleep 900")]));
    let ran = setup(plan).run().await;
    assert_eq!(ran.ends(), "main passed, tell skipped condition_false, tidy failed timeout");
    assert_eq!((ran.verdict().as_str(), ran.took), ("failed timeout", Duration::from_mins(5)));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_is_stopped_and_tidied_up() {
    let mut plan = with_last_stages("sleep 100");
    plan.timeout = Duration::from_secs(10);
    let ran = setup(plan).run().await;
    assert_eq!(ran.ends(), "main cancelled run_timeout, tell cancelled run_timeout, tidy passed");
    assert_eq!((ran.verdict().as_str(), ran.took), ("cancelled run_timeout", Duration::from_secs(10)));
}

#[tokio::test(start_paused = true)]
async fn the_containers_own_limits_and_ends_have_their_reasons() {
    let mut slow = script("slow", "sleep 100");
    slow.timeout = Duration::from_secs(5);
    let command = crate::plan::Program::Command(vec!["/no/such/program".into()]);
    let missing = Step { program: command, ..step("missing") };
    let mut all = stage("s", [slow, script("memory", "oom"), script("signal", "kill -11 $$"), missing]);
    all.on_step_failure = OnStepFailure::GoOn;
    let ran = setup(plan([all])).run().await;
    assert_eq!(
        ran.ends(),
        "slow failed timeout, memory failed out_of_memory, signal failed signal, missing failed could_not_start"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_steps_task_does_not_take_the_others_down() {
    let fake = Fake::new().starts("broken", [FakeStart::Panics]);
    let mut all =
        stage("s", [step("broken"), script("broken-late", "echo hi\npanic"), script("fine", "sleep 1")]);
    all.on_step_failure = OnStepFailure::GoOn;
    let ran = setup(plan([all])).fake(fake).run().await;
    assert_eq!(ran.ends(), "broken lost runner_lost, broken-late lost runner_lost, fine passed");
    assert_eq!((ran.verdict().as_str(), ran.printed("broken-late").as_str()), ("lost runner_lost", "hi\n"));
    let message = ran.state.steps[&id("broken")].end.as_ref().and_then(|end| end.message.clone());
    assert_eq!(message.as_deref(), Some("a bug in windlass: the fake was told to panic"));
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_has_the_backends_reason_and_words() {
    let error = StartError { reason: Reason::DaemonLost, message: "no answer".to_owned() };
    let fake = Fake::new().starts("a", [FakeStart::Fails(error)]);
    let ran = Setup { lookahead: false, ..setup(plan([stage("s", [step("a")])])) }.fake(fake).run().await;
    assert_eq!(ran.story(), ["run started", "a lost daemon_lost", "stage s lost", "run lost daemon_lost"]);
    let end = ran.state.steps[&id("a")].end.as_ref();
    assert_eq!(end.and_then(|end| end.message.as_deref()), Some("no answer"));
}

#[tokio::test(start_paused = true)]
async fn images_are_fetched_at_once_and_once_each() {
    let image = |step: Step, image: &str| Step { image: crate::plan::Image::Reference(image.into()), ..step };
    let fetch = |seconds| FakeImage::Fetched(Duration::from_secs(seconds));
    let fake = Fake::new().image("slow", fetch(4)).image("quick", fetch(2));
    let plan = plan([
        stage("s", [image(step("a"), "quick"), image(step("b"), "quick"), image(step("c"), "slow")]),
        stage("t", [image(step("d"), "slow"), step("e")]),
    ]);
    let ran = setup(plan).fake(fake).run().await;
    let story = ran.story();
    assert_eq!(story.iter().filter(|line| line.starts_with("pull ")).count(), 2, "{story:#?}");
    assert!(position(&story, "pulled quick") < position(&story, "a started"));
    assert!(position(&story, "b passed") < position(&story, "pulled slow"));
    assert_eq!(ran.took, Duration::from_secs(4));
    let asked = ran.fake.calls().into_iter().filter(|call| *call == Call::Fetched("slow".to_owned()));
    assert_eq!(asked.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_nowhere_fails_its_steps_when_their_time_comes() {
    let error = StartError { reason: Reason::ImageNotFound, message: "no such image".to_owned() };
    let fake = Fake::new().image("nowhere", FakeImage::Fails(error)).image("broken", FakeImage::Panics);
    let image = |step: Step, image: &str| Step { image: crate::plan::Image::Reference(image.into()), ..step };
    let mut all = stage("t", [image(step("b"), "nowhere"), image(step("c"), "broken")]);
    all.on_step_failure = OnStepFailure::GoOn;
    let ran = setup(plan([stage("s", [script("a", "sleep 3")]), all])).fake(fake).run().await;
    assert_eq!(ran.ends(), "a passed, b failed image_not_found, c lost runner_lost");
    let story = ran.story();
    assert!(position(&story, "a passed") < position(&story, "b failed image_not_found"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_attempt_is_tried_again_and_a_pass_is_then_flaky() {
    let error = || FakeStart::Fails(StartError { reason: Reason::DaemonLost, message: "no".to_owned() });
    let fake = Fake::new().starts("a", [error(), error()]);
    let mut flaky = step("a");
    flaky.retry =
        Retry { max: 2, infrastructure: true, backoff: Some(Duration::from_secs(2)), ..Retry::default() };
    let plan = plan([stage("s", [flaky])]);
    let ran = setup(plan.clone()).fake(fake).run().await;
    assert_eq!(
        ran.story(),
        [
            "run started",
            "a attempt 1 lost daemon_lost",
            "a attempt 2 lost daemon_lost",
            "stage s started",
            "a started, attempt 3",
            "a passed",
            "stage s passed",
            "run passed",
        ]
    );
    assert!(ran.state.steps[&id("a")].flaky());
    assert!(Duration::from_secs(3) <= ran.took && ran.took <= Duration::from_secs(6), "{:?}", ran.took);

    let fake = Fake::new().starts("a", [error(), error(), error()]);
    assert_eq!(setup(plan).fake(fake).run().await.verdict(), "lost daemon_lost");
}

#[tokio::test(start_paused = true)]
async fn an_image_is_asked_for_again_by_the_next_attempt() {
    let error = StartError { reason: Reason::ImagePullFailed, message: "timed out".to_owned() };
    let fake = Fake::new().image("sample", FakeImage::Fails(error));
    let mut again = step("a");
    again.retry = Retry { max: 1, infrastructure: true, ..Retry::default() };
    let ran = setup(plan([stage("s", [again])])).fake(fake).run().await;
    assert_eq!(ran.verdict(), "lost image_pull_failed");
    let asked = ran.fake.calls().into_iter().filter(|call| matches!(call, Call::Image(_)));
    assert_eq!(asked.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_named_and_changes_no_outcome() {
    let fake = Fake::new().closes(Duration::ZERO, &["the volume `x` is in use"]);
    let ran = setup(plan([stage("s", [step("a")])])).fake(fake).run().await;
    assert_eq!(ran.story()[5..], ["left: the volume `x` is in use", "run passed"]);
}

#[tokio::test(start_paused = true)]
async fn a_clean_up_that_hangs_is_given_up_and_changes_no_outcome() {
    let fake = Fake::new().closes(Duration::from_secs(100), &[]);
    let ran = setup(plan([stage("s", [step("a")])])).fake(fake).run().await;
    assert_eq!(ran.story()[5..], ["left: the clean-up did not end in time", "run passed"]);
    assert_eq!(ran.took, Duration::from_secs(65));
}

#[tokio::test(start_paused = true)]
async fn only_a_program_that_failed_by_itself_gets_a_hint() {
    let limited = Step { timeout: Duration::from_secs(1), ..script("c", "sleep 9") };
    let steps = [script("a", "exit 3"), script("b", "true"), limited, script("d", "kill -9 $$")];
    let mut plan = plan([stage("s", steps)]);
    plan.stages[0].on_step_failure = OnStepFailure::GoOn;
    let ran = setup(plan).run().await;
    let message = |step| ran.state.steps[&id(step)].end.as_ref().and_then(|end| end.message.clone());
    assert_eq!(message("a").as_deref(), Some("a hint"));
    assert_eq!((message("b"), message("c")), (None, None));
    assert_eq!(message("d").as_deref(), Some("a hint"));
}
