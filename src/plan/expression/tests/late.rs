//! What depends on steps, before and after they ended.

use std::collections::BTreeMap;

use super::{Expression, StepEnd, Value, World, names};

fn ended(outcome: &str, exit_code: Option<i32>) -> StepEnd {
    StepEnd {
        outcome: outcome.to_owned(),
        reason: if outcome == "failed" { "exit_code".to_owned() } else { String::new() },
        exit_code,
        outputs: names([("version", "1.2".into())]),
        all: None,
    }
}

#[test]
fn a_step_that_has_not_ended_makes_it_late_unless_another_side_decides() {
    let world = World::new();
    for (text, wanted) in [
        ("steps.a.outcome == 'passed'", None),
        ("steps.a.outcome == 'passed' && git.branch == 'dev'", Some(Value::Bool(false))),
        ("steps.a.outcome == 'passed' || git.branch == 'main'", Some(Value::Bool(true))),
        ("git.branch == 'main' ? true : steps.a.outcome == 'passed'", Some(Value::Bool(true))),
        ("[1].exists(x, steps.a.exit_code == x)", None),
        ("env.LATE == 'x'", None),
        ("has(env.LATE)", None),
        ("steps.a.outcome == 'passed' && env.NONE == 'x'", None),
    ] {
        assert_eq!(world.run(text), Ok(wanted), "{text}");
    }
}

#[test]
fn how_steps_ended_is_read_by_name() {
    let instances = vec![ended("passed", Some(0)), ended("failed", Some(7))];
    let fold = StepEnd {
        outputs: names([("version", Value::List(vec!["1".into(), "2".into()]))]),
        all: Some(instances),
        ..ended("failed", Some(7))
    };
    let never = StepEnd { outputs: BTreeMap::new(), ..ended("skipped", None) };
    let world = World::with_steps([("a", ended("passed", Some(0))), ("unit", fold), ("no-go", never)]);
    for text in [
        "steps.a.outcome == 'passed' && steps.a.exit_code == 0 && steps.a.reason == ''",
        "steps.a.outputs.version == '1.2' && !has(steps.a.outputs.none)",
        "!has(steps['no-go'].exit_code) && steps['no-go'].outcome == 'skipped'",
        "steps.unit.outcome == 'failed' && steps.unit.reason == 'exit_code'",
        "steps.unit.all.exists(i, i.outcome == 'passed') && size(steps.unit.all) == 2",
        "steps.unit.all[1].exit_code == 7 && steps.unit.outputs.version == ['1', '2']",
        "!has(steps.a.all)",
    ] {
        assert_eq!(world.run(text), Ok(Some(Value::Bool(true))), "{text}");
    }
    for (text, said) in [
        ("steps['no-go'].exit_code == 0", "`steps['no-go']` has no `exit_code`"),
        ("steps.a.outputs.none == ''", "`steps.a.outputs` has no `none`"),
        ("steps.a.outputs.version == 1", "`==` compares text and a whole number"),
        ("steps.b.outcome == ''", "how `b` ended is not known"),
    ] {
        assert_eq!(world.run(text).unwrap_err().to_string(), said, "{text}");
    }
}

#[test]
fn what_is_decided_is_replaced_by_its_value() {
    let world = World::new();
    for (text, left) in [
        ("git.branch == 'main' && steps.a.outcome == 'passed'", "steps.a.outcome == 'passed'"),
        ("git.branch == 'x' || steps.a.outputs.v == env.MODE", "steps.a.outputs.v == 'fast'"),
        ("steps['a-b'].exit_code == 1 && changed('web/**')", "steps['a-b'].exit_code == 1"),
        ("steps.a.all.all(i, i.exit_code < size(inputs.apps) + 1)", "steps.a.all.all(i, i.exit_code < 3)"),
        (
            "(inputs['dry-run'] ? steps.a.outcome : 'x') == 'passed'",
            "(true ? steps.a.outcome : 'x') == 'passed'",
        ),
        ("steps.a.outcome in [git.branch, 'b\\'c']", "steps.a.outcome in ['main', 'b\\'c']"),
        ("steps.a.outcome == 'x' || env.NONE == 'y'", "steps.a.outcome == 'x' || env.NONE == 'y'"),
        ("git.branch == 'main'", "true"),
    ] {
        let reduced = Expression::parse(text).unwrap().reduce(&world.facts());
        assert_eq!(reduced.to_string(), left);
        assert_eq!(Expression::parse(left).unwrap().to_string(), left);
    }
}
