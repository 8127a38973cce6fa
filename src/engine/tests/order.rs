//! L4 and L5: who runs when, and what counts as satisfied.

use proptest::prelude::*;

use super::*;
use crate::plan::sample;

#[tokio::test(start_paused = true)]
async fn stages_run_one_after_another_and_their_steps_at_the_same_time() {
    let build = stage("build", [script("a", "sleep 2"), script("b", "sleep 1")]);
    let ran = setup(plan([build, stage("test", [script("c", "true")])])).run().await;
    assert_eq!(
        ran.story(),
        [
            "run started",
            "stage build started",
            "a started",
            "b started",
            "b passed",
            "a passed",
            "stage build passed",
            "stage test started",
            "c started",
            "c passed",
            "stage test passed",
            "run passed",
        ]
    );
    assert_eq!(ran.took, Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_step_with_needs_is_not_held_by_its_stage() {
    let build = stage("build", [script("quick", "sleep 1"), script("slow", "sleep 9")]);
    let at_once = needs(step("at-once"), []);
    let test = stage("test", [needs(step("early"), ["quick"]), at_once, step("late")]);
    let ran = setup(plan([build, test])).run().await;
    let story = ran.story();
    assert!(position(&story, "at-once started") < position(&story, "quick passed"));
    assert!(position(&story, "early passed") < position(&story, "slow passed"));
    assert!(position(&story, "slow passed") < position(&story, "late started"));
}

#[tokio::test(start_paused = true)]
async fn any_starts_at_the_first_that_passed() {
    let mut chooser = step("chooser");
    chooser.needs = Some(Needs::Any(vec![id("fails"), id("passes"), id("slow")]));
    let mut try_all = stage(
        "s",
        [script("fails", "exit 1"), script("passes", "sleep 2"), script("slow", "sleep 5"), chooser],
    );
    try_all.on_step_failure = OnStepFailure::GoOn;
    let story = setup(plan([try_all])).run().await.story();
    assert!(position(&story, "passes passed") < position(&story, "chooser started"));
    assert!(position(&story, "chooser passed") < position(&story, "slow passed"));
}

#[tokio::test(start_paused = true)]
async fn any_of_which_none_passed_is_skipped() {
    let mut chooser = step("chooser");
    chooser.needs = Some(Needs::Any(vec![id("a"), id("b")]));
    let mut try_all = stage("s", [script("a", "exit 1"), script("b", "exit 1"), chooser]);
    try_all.on_step_failure = OnStepFailure::GoOn;
    let ran = setup(plan([try_all])).run().await;
    assert_eq!(ran.ends(), "a failed exit_code, b failed exit_code, chooser skipped dependency_failed");
}

/// One row of L5: a first step, and what becomes of those that depend on it.
#[track_caller]
fn check_dependents(first: Step) -> impl Future<Output = String> {
    let mut rest = stage(
        "rest",
        [
            step("success"),
            after(step("failure"), After::Failure),
            after(step("always"), After::Always),
            needs(step("need"), ["first"]),
            needs(step("travels"), ["need"]),
        ],
    );
    rest.on_step_failure = OnStepFailure::GoOn;
    let plan = plan([stage("one", [first]), rest]);
    async move { setup(plan).run().await.ends() }
}

#[tokio::test(start_paused = true)]
async fn a_pass_satisfies() {
    let ends = check_dependents(step("first")).await;
    assert_eq!(
        ends,
        "first passed, success passed, failure skipped condition_false, always passed, need passed, travels passed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_breaks_and_broken_travels() {
    let ends = check_dependents(script("first", "exit 1")).await;
    assert_eq!(
        ends,
        "first failed exit_code, success skipped dependency_failed, failure passed, always passed, \
         need skipped dependency_failed, travels skipped dependency_failed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_step_breaks() {
    let ends = check_dependents(script("first", "lost node_lost")).await;
    assert!(
        ends.starts_with("first lost node_lost, success skipped dependency_failed, failure passed"),
        "{ends}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_allowed_failure_satisfies() {
    let mut first = script("first", "exit 7");
    first.allow_failure = AllowFailure::ExitCodes(vec![7]);
    let ends = check_dependents(first.clone()).await;
    assert!(
        ends.starts_with("first failed exit_code, success passed, failure skipped condition_false"),
        "{ends}"
    );
    first.allow_failure = AllowFailure::ExitCodes(vec![8]);
    let ends = check_dependents(first).await;
    assert!(ends.starts_with("first failed exit_code, success skipped dependency_failed"), "{ends}");
}

#[tokio::test(start_paused = true)]
async fn a_false_condition_of_its_own_satisfies() {
    let mut first = step("first");
    first.condition = Condition::False("git.branch == 'main'".to_owned());
    let ends = check_dependents(first).await;
    assert!(ends.starts_with("first skipped condition_false, success passed, failure skipped"), "{ends}");
    assert!(ends.ends_with("need passed, travels passed"), "{ends}");
}

#[tokio::test(start_paused = true)]
async fn a_stage_says_when_its_steps_run() {
    let mut always = stage("always", [step("b")]);
    always.after = After::Always;
    let mut failure = stage("failure", [step("c")]);
    failure.after = After::Failure;
    let rest = stage("rest", [step("d")]);
    let ran = setup(plan([stage("one", [script("a", "exit 1")]), always, failure, rest])).run().await;
    assert_eq!(ran.ends(), "a failed exit_code, b passed, c passed, d skipped dependency_failed");
}

#[tokio::test(start_paused = true)]
async fn a_run_in_which_every_step_was_skipped_passed_and_says_so() {
    let mut first = step("first");
    first.condition = Condition::False("false".to_owned());
    let ran = setup(plan([stage("s", [first])])).run().await;
    assert_eq!(
        ran.story(),
        ["run started", "first skipped condition_false", "stage s skipped", "run passed"]
    );
    assert_eq!(ran.state.message.as_deref(), Some("every step was skipped"));
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_steps_ends() {
    assert_eq!(setup(plan([])).run().await.story(), ["run started", "run passed"]);
    let empty = setup(plan([stage("empty", []), stage("s", [step("a")])])).run().await;
    assert_eq!(empty.verdict(), "passed");
}

#[tokio::test(start_paused = true)]
async fn no_more_steps_run_than_jobs_allow_in_the_order_of_the_file() {
    let steps = ["a", "b", "c", "d", "e"].map(|name| script(name, "sleep 1"));
    let ran = setup(plan([stage("s", steps)])).jobs(2).run().await;
    assert_eq!(ran.took, Duration::from_secs(3));
    let started: Vec<String> = ran.story().into_iter().filter(|line| line.ends_with(" started")).collect();
    assert_eq!(
        started,
        ["run started", "stage s started", "a started", "b started", "c started", "d started", "e started"]
    );
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_steps_run() {
    let mut stages: Vec<_> =
        (0..1_000).map(|n| stage(&format!("s{n}"), [step(&format!("one-{n}"))])).collect();
    stages.push(stage("wide", (0..9_000).map(|n| step(&format!("wide-{n}")))));
    let ran = setup(plan(stages)).jobs(64).run().await;
    assert_eq!(ran.verdict(), "passed");
}

/// A random plan whose steps end in random ways after random times.
fn random_runs() -> impl Strategy<Value = Plan> {
    let ways = ["true", "exit 1", "lost evicted", "oom"];
    let picks = prop::collection::vec((0..5u8, 0..ways.len(), any::<bool>(), 0..12u8), 32);
    (sample::plans(), picks).prop_map(move |(mut plan, picks)| {
        let steps = plan.stages.iter_mut().flat_map(|stage| &mut stage.steps);
        for (step, (seconds, way, allowed, odd)) in steps.zip(picks) {
            let made = script(step.id.as_str(), &format!("sleep {seconds}\n{}", ways[way]));
            step.program = made.program;
            if allowed {
                step.allow_failure = AllowFailure::Yes;
            }
            if odd == 0 {
                step.condition = Condition::False("no".to_owned());
            }
        }
        plan
    })
}

fn block_on(setup: Setup) -> Ran {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime of one thread can be made").block_on(setup.run())
}

/// Checks that no step began before what it waits for had ended.
fn check_order(plan: &Plan, ran: &Ran) {
    let graph = crate::plan::graph::Graph::new(plan);
    let ended: HashMap<&StepId, usize> = ran
        .events
        .iter()
        .enumerate()
        .filter_map(|(at, event)| match &event.kind {
            EventKind::StepEnded { step, .. } => Some((step, at)),
            _ => None,
        })
        .collect();
    for (at, event) in ran.events.iter().enumerate() {
        let EventKind::StepStarted { step, .. } = &event.kind else { continue };
        let later = graph.position(step).expect("the step is in the plan");
        for (earlier, node) in graph.steps().iter().enumerate() {
            if graph.happens_before(earlier, later) {
                assert!(ended[&node.id] < at, "{step} started before {} had ended", node.id);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_run_keeps_the_order_and_ends(plan in random_runs(), jobs in 1..6usize) {
        let ran = block_on(setup(plan.clone()).jobs(jobs));
        check_order(&plan, &ran);
    }

    #[test]
    fn looking_ahead_changes_no_outcome(plan in random_runs(), jobs in 1..6usize) {
        let ahead = block_on(setup(plan.clone()).jobs(jobs));
        let plain = block_on(Setup { lookahead: false, ..setup(plan).jobs(jobs) });
        prop_assert_eq!(ahead.ends(), plain.ends());
        prop_assert_eq!(ahead.verdict(), plain.verdict());
    }

    #[test]
    fn every_cancelled_run_ends(plan in random_runs(), jobs in 1..6usize, at in 0..80u8, level in 0..4usize) {
        let levels = [CancelLevel::Drain, CancelLevel::Stop, CancelLevel::Kill, CancelLevel::Leave];
        let ran = block_on(setup(plan.clone()).jobs(jobs).cancel(f64::from(at) / 10.0, levels[level]));
        check_order(&plan, &ran);
    }
}
