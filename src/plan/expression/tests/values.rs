//! What the facts are, and how values become text.

use super::{Expression, Value, World, hold, value};

use crate::plan::expression::{Group, StepUse};

#[test]
fn facts_are_read_by_name() {
    hold(&[
        "inputs.target == 'staging' && inputs['dry-run'] && inputs.count == 3 && 'web' in inputs.apps",
        "env.MODE == 'fast' && environment == 'staging' && event.name == 'manual'",
        "git.branch == 'main' && git['branch'] == 'main'",
        "files.exist('go.mod') && !files.exist('pom.xml') && files.exist('pom.xml', 'go.mod')",
        "changed('web/**') && !changed(['api/**', 'docs/**'])",
        "hash('Cargo.lock') == 'digest-of-Cargo.lock'",
        "['pom.xml', 'go.mod'].exists(f, files.exist(f))",
    ]);
}

#[test]
fn what_is_absent_of_git_is_empty_and_has_tells() {
    hold(&[
        "git.tag == '' && git.sha == '' && git['tag'] == ''",
        "!has(git.tag) && has(git.branch)",
        "!has(env.NONE) && has(env.MODE) && !has(inputs.none) && has(inputs['dry-run'])",
        "has(env.NONE) && env.NONE == 'x' ? false : true",
        "!('none' in inputs) && 'target' in inputs",
    ]);
}

#[test]
fn one_side_that_decides_makes_up_for_the_other() {
    hold(&["true || env.NONE == 'x'", "env.NONE == 'x' || true", "!(env.NONE == 'x' && false)"]);
    hold(&["['x', 'MODE'].exists(k, k == 'MODE' || int(k) == 1)"]);
}

#[test]
fn values_stand_in_a_text_without_decoration() {
    for (text, shown) in [
        ("'a b'", "a b"),
        ("inputs.count", "3"),
        ("inputs.count / 2.0", "1.5"),
        ("1", "1"),
        ("true", "true"),
        ("['a', 'b']", r#"["a","b"]"#),
        ("[1, 2.0, 2.5]", "[1,2,2.5]"),
    ] {
        assert_eq!(value(text).to_string(), shown);
    }
}

#[test]
fn an_expression_says_what_it_reads() {
    let text = "steps.b.outcome == 'x' && has(steps['a-c'].outputs.key) || steps.b.outputs['k'] == env.X";
    let expression = Expression::parse(text).unwrap();
    assert_eq!(
        expression.steps(),
        [
            StepUse { step: "a-c", output: Some("key"), offset: 30 },
            StepUse { step: "b", output: None, offset: 0 },
            StepUse { step: "b", output: Some("k"), offset: 59 },
        ]
    );
    assert!(expression.reads(Group::Env) && !expression.reads(Group::Git));
}

#[test]
fn a_condition_is_a_boolean() {
    let world = World::new();
    let decide = |text: &str| Expression::parse(text).unwrap().decide(&world.facts());
    assert_eq!(decide("git.branch == 'main'"), Ok(Some(true)));
    assert_eq!(decide("steps.a.exit_code == 3"), Ok(None));
    assert_eq!(decide("git.branch").unwrap_err().to_string(), "a condition is a boolean, and this is text");
    assert_eq!(
        decide("[1][0]").unwrap_err().to_string(),
        "a condition is a boolean, and this is a whole number"
    );
    assert_eq!(value("[true][0]"), Value::Bool(true));
}
