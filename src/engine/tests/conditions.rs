//! L11 at run time: conditions over how steps ended.

use super::*;
use crate::base::Reason;

fn when(mut step: Step, condition: &str) -> Step {
    step.condition = Condition::Late(condition.to_owned());
    step
}

/// How the steps of a second stage end, each with a condition, behind a first stage: `good` passed, `bad`
/// failed with 3 and may, `off` is skipped, and `unit` has two instances, of which the second fails.
async fn ends(conditions: &[&str]) -> Vec<(Option<Reason>, String)> {
    let may = |mut step: Step| {
        step.allow_failure = AllowFailure::Yes;
        step
    };
    let instance = |mut step: Step| {
        step.instance_of = Some(id("unit"));
        step
    };
    let mut off = step("off");
    off.condition = Condition::False("`false` is false".to_owned());
    let mut writes = script("writes", "echo version=1.2 >> $WINDLASS_OUTPUT");
    writes.outputs = vec!["version".to_owned()];
    let units = [instance(script("unit-1", "true")), may(instance(script("unit-2", "exit 7")))];
    let [one, two] = units;
    let first = stage("first", [script("good", "true"), may(script("bad", "exit 3")), off, one, two, writes]);
    let asked = (1..).zip(conditions).map(|(n, condition)| may(when(step(&format!("s{n}")), condition)));
    let ran = setup(plan([first, stage("second", asked)])).run().await;
    let end = |n: usize| ran.state.steps[&id(&format!("s{n}"))].end.clone().expect("it ended");
    let said = |n: usize| (end(n).reason, end(n).message.unwrap_or_default());
    (1..=conditions.len()).map(said).collect()
}

#[tokio::test(start_paused = true)]
async fn a_condition_reads_how_steps_ended() {
    let found = ends(&[
        "steps.good.outcome == 'passed' && steps.good.exit_code == 0 && steps.good.reason == ''",
        "steps.bad.outcome == 'failed' && steps.bad.reason == 'exit_code' && steps.bad.exit_code == 3",
        "steps.off.outcome == 'skipped' && steps.off.reason == 'condition_false' && !has(steps.off.exit_code)",
        "steps.unit.outcome == 'passed' && size(steps.unit.all) == 2 && steps.unit.all[1].exit_code == 7",
        "steps.writes.outputs.version == '1.2' && has(steps.writes.outputs.version)",
        "steps.unit.all.exists(i, i.outcome == 'failed') && !has(steps.good.all)",
    ])
    .await;
    assert_eq!(found, vec![(None, String::new()); 6]);
}

#[tokio::test(start_paused = true)]
async fn a_false_one_skips_and_a_wrong_one_fails_each_with_its_words() {
    let found = ends(&[
        "steps.good.outcome == 'failed'",
        "steps.off.exit_code == 0",
        "steps.good.outputs.none == 'x'",
        "steps.unit.all[5].exit_code == 0",
        "steps.good.all == [1]",
        "steps.nobody.outcome == 'passed'",
        "steps.good.outcome",
        "steps.good.outcome ==",
        "files.exist('a') && steps.good.exit_code == 0",
    ])
    .await;
    let words: Vec<_> =
        found.iter().map(|(reason, said)| format!("{}: {said}", reason.expect("why"))).collect();
    assert_eq!(
        words,
        [
            "condition_false: `steps.good.outcome == 'failed'` is false",
            "condition_error: `steps.off.exit_code == 0` cannot be decided: `steps.off` has no `exit_code`; `has(steps.off.exit_code)` says whether it is there",
            "condition_error: `steps.good.outputs.none == 'x'` cannot be decided: `steps.good.outputs` has no `none`; `has(steps.good.outputs.none)` says whether it is there",
            "condition_error: `steps.unit.all[5].exit_code == 0` cannot be decided: the list has no item 5; it has 2; the first item is `[0]`",
            "condition_error: `steps.good.all == [1]` cannot be decided: `steps.good` has no `all`; `has(steps.good.all)` says whether it is there",
            "condition_error: `steps.nobody.outcome == 'passed'` cannot be decided: how `nobody` ended is not known; name a step that ended before",
            "condition_error: `steps.good.outcome` cannot be decided: a condition is a boolean, and this is text; compare it with something: `env.NAME == 'yes'`",
            "condition_error: `steps.good.outcome ==` cannot be decided: the expression ends where a value was expected",
            "condition_error: `files.exist('a') && steps.good.exit_code == 0` cannot be decided: files are asked for before the first step only; a step may look for itself",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_condition_fails_the_run_unless_it_may() {
    let first = stage("first", [step("a")]);
    let wrong = when(step("wrong"), "steps.a.outputs.none == 'x'");
    let ran = setup(plan([first.clone(), stage("second", [wrong.clone(), step("b")])])).run().await;
    assert_eq!(ran.verdict(), "failed condition_error");
    let may = Step { allow_failure: AllowFailure::Yes, ..wrong };
    let ran = setup(plan([first, stage("second", [may]), stage("third", [step("c")])])).run().await;
    assert_eq!(ran.ends(), "a passed, wrong failed condition_error, c passed");
    assert_eq!(ran.verdict(), "passed");
}

#[tokio::test(start_paused = true)]
async fn a_step_of_needs_is_decided_when_its_turn_comes_and_nothing_starts_before() {
    let first = stage("first", [script("fast", "sleep 1"), script("slow", "sleep 9")]);
    let early = when(needs(step("early"), ["fast"]), "steps.fast.outcome == 'passed'");
    let never = when(needs(step("never"), ["fast"]), "steps.fast.outcome == 'failed'");
    let ran = setup(plan([first, stage("second", [early, never])])).run().await;
    let story = ran.story();
    assert!(position(&story, "never skipped condition_false") < position(&story, "slow passed"));
    assert!(position(&story, "early passed") < position(&story, "slow passed"));
    let started: Vec<_> = ran.fake.specs().iter().map(|spec| spec.step.as_str().to_owned()).collect();
    assert!(!started.contains(&"never".to_owned()), "{started:?}");
}
