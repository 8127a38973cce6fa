//! Late nodes and strings become real once their outputs are there, and only then.

use serde_json::{Value, json};
use windlass::base::StepId;
use windlass::plan::expand::expand;
use windlass::plan::validate::validate;
use windlass::plan::{Condition, Needs, Plan, Text, wire};

use crate::support::{outputs, plan, stage, step};

fn matrix(template: Value) -> Plan {
    let node = json!({ "matrix": { "step": "list", "key": "of", "env": "ITEM", "template": template } });
    let first = stage("first", json!([step("list", json!({ "outputs": ["of"] }))]));
    let second = json!({ "id": "second", "steps": [], "late": [node] });
    let third = stage("third", json!([step("last", json!({ "needs": { "all": ["unit"] } }))]));
    plan(json!([first, second, third]), json!({}))
}

fn with_child(child: &Value) -> (Plan, String) {
    let node = json!({ "child_plan": { "id": "child", "needs": { "all": ["make"] }, "step": "make", "key": "plan" } });
    let first =
        json!({ "id": "first", "steps": [step("make", json!({ "outputs": ["plan"] }))], "late": [node] });
    let second = stage("second", json!([step("last", json!({ "needs": { "any": ["child"] } }))]));
    let volumes = json!({ "volumes": { "workspace": { "capture": { "sharing": "shared" } } } });
    (plan(json!([first, second]), volumes), child.to_string())
}

fn child(stages: Value) -> Value {
    json!({ "version": 1, "name": "c", "dialect": "native", "timeout": 1, "stages": stages })
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.all_steps().map(|(_, step)| step.id.as_str()).collect()
}

fn needs<'a>(plan: &'a Plan, id: &str) -> Vec<&'a str> {
    match &plan.step(&StepId::new(id)).expect("the step is there").needs {
        Some(Needs::All(ids) | Needs::Any(ids)) => ids.iter().map(StepId::as_str).collect(),
        None => vec!["(earlier stages)"],
    }
}

#[test]
fn nothing_grows_before_its_output_is_there() {
    let plan = matrix(json!([step("unit", json!({}))]));
    assert_eq!(expand(&plan, &outputs([("list.other", "[1]")])).unwrap(), plan);
}

#[test]
fn a_matrix_has_an_instance_for_each_element() {
    let plan = matrix(json!([step("unit", json!({ "env": { "SAY": [{ "literal": "x" }, "element"] } }))]));
    let grown = expand(&plan, &outputs([("list.of", r#"["a b", 2, true, {"k": [null]}]"#)])).unwrap();
    assert_eq!(validate(&grown), Ok(()));
    assert_eq!(ids(&grown), ["list", "unit-1", "unit-2", "unit-3", "unit-4", "last"]);
    assert_eq!(needs(&grown, "last"), ["unit-1", "unit-2", "unit-3", "unit-4"]);
    let steps = &grown.stages[1].steps;
    let values: Vec<_> = steps.iter().map(|step| step.env["ITEM"].known().unwrap()).collect();
    assert_eq!(values, ["a b", "2", "true", r#"{"k":[null]}"#]);
    assert_eq!(steps[0].name, "unit (ITEM=a b)");
    assert_eq!(steps[0].env["SAY"], Text::Known("xa b".to_owned()));
}

#[test]
fn an_empty_matrix_is_a_step_that_is_skipped() {
    let grown = expand(&matrix(json!([step("unit", json!({}))])), &outputs([("list.of", "[]")])).unwrap();
    assert_eq!(ids(&grown), ["list", "unit", "last"]);
    let unit = grown.step(&StepId::new("unit")).unwrap();
    assert_eq!(unit.condition, Condition::False("the list in `list.of` is empty".to_owned()));
}

#[test]
fn a_matrix_of_something_else_or_of_too_much_is_an_error() {
    let plan = matrix(json!([step("unit", json!({}))]));
    let error = |value: &str| expand(&plan, &outputs([("list.of", value)])).unwrap_err().to_string();
    assert_eq!(error("a"), "the output `of` of step `list` is not a JSON list, and a matrix is made of it");
    assert_eq!(error("{}"), "the output `of` of step `list` is not a JSON list, and a matrix is made of it");
    let many = format!("[{}0]", "0,".repeat(256));
    assert_eq!(error(&many), "the output `of` of step `list` has 257 elements, and a matrix has at most 256");
}

#[test]
fn an_instance_never_takes_the_id_of_another_step() {
    let mut plan = matrix(json!([step("unit", json!({}))]));
    plan.stages[0].steps[0].id = StepId::new("unit-2");
    let node = json!({ "matrix": { "step": "unit-2", "key": "of", "env": "X", "template": [step("unit", json!({}))] } });
    plan.stages[1].late = serde_json::from_value(json!([node])).unwrap();
    let error = expand(&plan, &outputs([("unit-2.of", "[1, 2]")])).unwrap_err();
    assert_eq!(error.to_string(), "the new step `unit-2` has the id of another");
}

#[test]
fn a_child_plan_s_stages_become_needs() {
    let stages = json!([
        stage("one", json!([step("a", json!({})), step("b", json!({ "needs": { "all": [] } }))])),
        stage("two", json!([step("c", json!({})), step("d", json!({ "needs": { "any": ["a", "b"] } }))])),
    ]);
    let (plan, text) = with_child(&child(stages));
    let grown = expand(&plan, &outputs([("make.plan", &text)])).unwrap();
    assert_eq!(validate(&grown), Ok(()));
    assert_eq!(ids(&grown), ["make", "child-a", "child-b", "child-c", "child-d", "last"]);
    assert_eq!(needs(&grown, "child-a"), ["make"]);
    assert_eq!(needs(&grown, "child-b"), ["make"]);
    assert_eq!(needs(&grown, "child-c"), ["child-a", "child-b"]);
    assert_eq!(needs(&grown, "child-d"), ["child-a", "child-b"]);
    assert_eq!(needs(&grown, "last"), ["child-a", "child-b", "child-c", "child-d"]);
}

#[test]
fn a_child_plan_keeps_the_capture_and_brings_the_rest() {
    let mounts =
        json!([{ "volume": "workspace", "path": "/workspace" }, { "volume": "own", "path": "/own" }]);
    let more = json!({ "mounts": mounts, "scope": "x", "env": { "V": [{ "output": { "step": "a", "key": "v" } }] } });
    let first = stage("one", json!([step("a", json!({ "outputs": ["v"] }))]));
    let mut child = child(json!([first, stage("two", json!([step("b", more)]))]));
    child["volumes"] =
        json!({ "workspace": { "capture": { "sharing": "shared" } }, "own": { "files": { "f": "x" } } });
    child["scopes"] = json!({ "x": { "in_turn": true } });
    let (plan, text) = with_child(&child);
    let once = outputs([("make.plan", text.as_str())]);
    let grown = expand(&plan, &once).unwrap();
    assert_eq!(validate(&grown), Ok(()));
    assert_eq!(grown.volumes.keys().collect::<Vec<_>>(), ["child-own", "workspace"]);
    let b = grown.step(&StepId::new("child-b")).unwrap();
    assert_eq!(b.scope.as_deref(), Some("child-x"));
    assert_eq!([b.mounts[0].volume.as_str(), b.mounts[1].volume.as_str()], ["workspace", "child-own"]);
    assert_eq!(b.env["V"].known(), None);
    let both = outputs([("make.plan", text.as_str()), ("child-a.v", "7")]);
    let later = expand(&grown, &both).unwrap();
    assert_eq!(later.step(&StepId::new("child-b")).unwrap().env["V"].known(), Some("7"));
    assert_eq!(expand(&plan, &both).unwrap(), later, "at once or one after the other");
}

#[test]
fn a_child_plan_may_have_children() {
    let inner = child(json!([stage("s", json!([step("leaf", json!({}))]))]));
    let node = json!({ "child_plan": { "id": "inner", "step": "make", "key": "plan" } });
    let outer = child(json!([
        stage("one", json!([step("make", json!({ "outputs": ["plan"] }))])),
        json!({ "id": "two", "steps": [], "late": [node] }),
    ]));
    let (plan, text) = with_child(&outer);
    let once = expand(&plan, &outputs([("make.plan", &text)])).unwrap();
    assert_eq!(needs(&once, "last"), ["child-make", "child-inner"]);
    let twice = outputs([("make.plan", text.as_str()), ("child-make.plan", &inner.to_string())]);
    let grown = expand(&plan, &twice).unwrap();
    assert_eq!(validate(&grown), Ok(()));
    assert_eq!(ids(&grown), ["make", "child-make", "child-inner-leaf", "last"]);
    assert_eq!(needs(&grown, "last"), ["child-make", "child-inner-leaf"]);
    assert!(grown.all_stages().all(|stage| stage.late.is_empty()));
}

#[test]
fn a_child_plan_that_does_not_fit_is_an_error() {
    let error = |text: &str| {
        let (plan, _) = with_child(&json!({}));
        expand(&plan, &outputs([("make.plan", text)])).unwrap_err().to_string()
    };
    assert_eq!(error("{"), "the child plan `child` cannot be read");
    let good = child(json!([stage("s", json!([step("a", json!({}))]))]));
    let with = |key: &str, value: Value| {
        let mut child = good.clone();
        child[key] = value;
        error(&child.to_string())
    };
    assert_eq!(with("stages", json!([])), "the child plan `child` is not valid: the plan has no step");
    let unfit = "which steps that become part of another stage cannot have";
    let tidy = stage("f", json!([step("z", json!({}))]));
    assert_eq!(with("finally", tidy), format!("the child plan `child` has `finally` steps, {unfit}"));
    let mut limited = stage("s", json!([step("a", json!({}))]));
    limited["timeout"] = json!(5);
    assert_eq!(
        with("stages", json!([limited])),
        format!("the child plan `child` has a time limit for a stage, {unfit}")
    );
}

#[test]
fn the_wire_knows_every_late_thing() {
    let plan = matrix(json!([step("unit", json!({ "env": { "SAY": ["element"] } }))]));
    assert_eq!(wire::from_json(&wire::to_json(&plan)).unwrap(), plan);
}
