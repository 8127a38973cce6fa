use proptest::prelude::*;

use super::*;
use crate::plan::sample::{self, needs, plan, stage, step};

fn id(text: &str) -> StepId {
    StepId::new(text)
}

#[track_caller]
fn before(plan: &Plan, earlier: &str, later: &str) -> bool {
    let graph = Graph::new(plan);
    let position = |name| graph.position(&id(name)).expect("the step is in the plan");
    graph.happens_before(position(earlier), position(later))
}

#[test]
fn a_step_without_needs_waits_for_all_earlier_stages() {
    let plan = plan([stage("build", [step("a"), step("b")]), stage("test", [step("c")])]);
    assert!(before(&plan, "a", "c"));
    assert!(before(&plan, "b", "c"));
    assert!(!before(&plan, "a", "b"));
    assert!(!before(&plan, "c", "a"));
}

#[test]
fn a_step_with_needs_waits_for_those_alone() {
    let plan = plan([stage("build", [step("a"), step("b")]), stage("test", [needs(step("c"), ["a"])])]);
    assert!(before(&plan, "a", "c"));
    assert!(!before(&plan, "b", "c"));
}

#[test]
fn finally_waits_for_everything_even_with_needs() {
    let mut plan = plan([stage("build", [step("a"), step("b")])]);
    plan.on_failure = Some(stage("on_failure", [step("tell")]));
    plan.finally = Some(stage("finally", [needs(step("tidy"), ["a"])]));
    assert!(before(&plan, "b", "tell"));
    assert!(before(&plan, "tell", "tidy"));
}

#[test]
fn of_a_choice_nothing_is_certain() {
    let mut late = step("late");
    late.needs = Some(Needs::Any(vec![id("a"), id("b")]));
    let plan = plan([stage("build", [step("a"), step("b"), late])]);
    assert!(!before(&plan, "a", "late"));
}

#[test]
fn cycles() {
    let circle = |plan: &Plan| Graph::new(plan).cycle();
    assert_eq!(circle(&plan([stage("s", [step("a"), needs(step("b"), ["a"])])])), None);
    let own = plan([stage("s", [needs(step("a"), ["a"])])]);
    assert_eq!(circle(&own), Some(vec![id("a")]));
    let two = plan([stage("s", [needs(step("a"), ["b"]), needs(step("b"), ["a"])])]);
    assert_eq!(circle(&two), Some(vec![id("a"), id("b")]));
    let through_a_barrier = plan([stage("s", [needs(step("a"), ["b"])]), stage("t", [step("b")])]);
    assert_eq!(circle(&through_a_barrier), Some(vec![id("a"), id("b")]));
}

#[test]
fn a_row_of_single_steps_is_one_lane() {
    let names = ["a", "b", "c", "d"];
    let plan = plan(names.map(|name| stage(&format!("s{name}"), [step(name)])));
    assert_eq!(lanes(&plan), names.map(|name| (id(name), 0)).into());
}

#[test]
fn two_steps_do_not_earn_a_lane_back() {
    let plan = plan([stage("s", [step("a")]), stage("t", [step("b")])]);
    assert_eq!(lanes(&plan), BTreeMap::new());
}

#[test]
fn a_lane_is_of_one_kind_of_network() {
    let mut offline = step("offline");
    offline.network = Network::None;
    let rest = [stage("t", [step("b")]), stage("u", [offline]), stage("v", [step("d")])];
    let plan = plan([stage("s", [step("a")])].into_iter().chain(rest));
    assert_eq!(lanes(&plan), ["a", "b", "d"].map(|name| (id(name), 0)).into());
}

#[test]
fn a_chain_of_needs_within_a_stage_is_a_lane() {
    let chain = [needs(step("c"), ["b"]), step("a"), needs(step("b"), ["a"])];
    assert_eq!(lanes(&plan([stage("s", chain)])), ["a", "b", "c"].map(|name| (id(name), 0)).into());
}

#[test]
fn a_barrier_makes_no_edges_between_steps() {
    let half = |side: &str| (0..5_000).map(|n| step(&format!("{side}{n}"))).collect::<Vec<_>>();
    let plan = plan([stage("s", half("a")), stage("t", half("b"))]);
    let graph = Graph::new(&plan);
    assert!(graph.steps().iter().all(|step| step.dependents.is_empty()));
    assert_eq!(graph.cycle(), None);
    assert!(lanes(&plan).is_empty());
}

proptest! {
    #[test]
    fn steps_of_a_lane_never_run_at_the_same_time(plan in sample::plans()) {
        let graph = Graph::new(&plan);
        prop_assert_eq!(graph.cycle(), None);
        let lanes: Vec<_> = lanes(&plan).into_iter().collect();
        for (first, lane) in &lanes {
            for (second, other) in &lanes {
                if first < second && lane == other {
                    let first = graph.position(first).expect("a lane's step is in the plan");
                    let second = graph.position(second).expect("a lane's step is in the plan");
                    prop_assert!(
                        graph.happens_before(first, second) || graph.happens_before(second, first),
                        "{:?} and {:?}", graph.steps()[first].id, graph.steps()[second].id
                    );
                }
            }
        }
    }
}
