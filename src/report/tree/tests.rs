use super::*;
use crate::plan::{Retry, sample};

#[test]
fn a_plan_with_everything_that_is_not_the_default() {
    let step = sample::step;
    let mut test = sample::stage(
        "test",
        [
            Step {
                name: "unit (features=tls)".into(),
                needs: Some(Needs::All(vec![StepId::new("compile")])),
                ..step("unit-1")
            },
            Step {
                image: Image::Host,
                needs: Some(Needs::All(vec![])),
                network: Network::None,
                ..step("試験")
            },
            Step {
                needs: Some(Needs::Any(vec![StepId::new("a"), StepId::new("b")])),
                after: After::Always,
                ..step("any")
            },
            Step {
                allow_failure: AllowFailure::ExitCodes(vec![1, 75]),
                retry: Retry { max: 2, ..Retry::default() },
                substitute: vec!["*.yaml".into(), "conf/**".into()],
                ..step("style")
            },
            Step { condition: Condition::False("git.branch == 'main' is false".into()), ..step("release") },
            Step {
                condition: Condition::Late("steps.a.outputs.go == 'yes'".into()),
                timeout: Duration::from_secs(90),
                ..step("late")
            },
        ],
    );
    test.on_step_failure = OnStepFailure::GoOn;
    let mut plan = sample::plan([sample::stage("build", [step("compile")]), test]);
    plan.finally =
        Some(sample::stage("finally", [Step { allow_failure: AllowFailure::Yes, ..step("tidy") }]));
    plan.timeout = Duration::from_hours(2);
    let template = vec![step("each")];
    let late = LateNode::Matrix {
        step: StepId::new("compile"),
        key: "crates".into(),
        env: "CRATE".into(),
        template,
    };
    plan.stages[0].late.push(late);
    insta::assert_snapshot!(render(&plan), @r"
    sample · windlass.yml · timeout 2h00m
    ├─ build
    │  ├─ compile  sample
    │  └─ each for each of compile.crates
    ├─ test  fail_fast off
    │  ├─ unit (features=tls)  sample  needs compile
    │  ├─ 試験                 host    needs nothing · network none
    │  ├─ any                  sample  needs any of a, b · after always
    │  ├─ style                sample  substitutes in *.yaml, conf/** · may fail with 1, 75 · retry 2
    │  ├─ release              sample  skipped: git.branch == 'main' is false
    │  └─ late                 sample  decided at run time: steps.a.outputs.go == 'yes' · timeout 1m30s
    └─ finally
       └─ tidy  sample  may fail
    ");
}

#[test]
fn hostile_names_stay_on_their_line() {
    let step = Step {
        name: "a\nb\u{1b}[2J".into(),
        image: Image::Reference("x\u{1b}[31m\n".into()),
        ..sample::step("a")
    };
    let text = render(&sample::plan([sample::stage("s", [step])]));
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn a_step_is_shown_with_all_its_services() {
    let service = |name: &str| crate::plan::Service {
        name: name.to_owned(),
        aliases: vec![],
        image: Image::Reference(format!("{name}:1").into()),
        program: crate::plan::Program::Command(vec!["serve".into()]),
        env: [].into(),
        mounts: vec![],
        on_exit: crate::plan::OnExit::Fail,
        ready: None,
        resources: crate::plan::Resources::default(),
    };
    let scope = |name: &str, within: Option<&str>| crate::plan::Scope {
        services: vec![service(name)],
        within: within.map(str::to_owned),
        ..crate::plan::Scope::default()
    };
    let inner = Step { scope: Some("inner".to_owned()), ..sample::step("unit") };
    let mut plan = sample::plan([sample::stage("test", [inner, sample::step("lint")])]);
    plan.scopes.insert("outer".to_owned(), scope("db", None));
    plan.scopes.insert("inner".to_owned(), scope("cache", Some("outer")));
    insta::assert_snapshot!(render(&plan), @"
    sample · windlass.yml
    └─ test
       ├─ unit  sample  with cache (cache:1), db (db:1)
       └─ lint  sample
    ");
}
