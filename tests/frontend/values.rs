//! What a pipeline makes of what it is given: inputs, environments, and who wins over whom.

use std::collections::BTreeMap;

use proptest::prelude::*;
use windlass::base::SourceText;
use windlass::frontend::{Choice, Compiled, Given, Origin, compile};
use windlass::plan::{Condition, Step, Text};

/// Compiles a text with what a user chose.
fn with(text: &str, choice: &Choice) -> Compiled {
    compile(&SourceText::new("windlass.yml", text), &Given { choice, ..Given::default() })
}

fn choice(inputs: &[(&str, &str)], environment: Option<&str>) -> Choice {
    let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Choice { inputs: inputs.collect(), environment: environment.map(str::to_owned), ..Choice::default() }
}

fn steps(compiled: &Compiled) -> Vec<&Step> {
    let plan = compiled.plan.as_ref().expect("there is a plan");
    plan.all_steps().map(|(_, step)| step).collect()
}

fn env(step: &Step) -> BTreeMap<&str, &str> {
    step.env.iter().map(|(name, value)| (name.as_str(), value.known().unwrap_or("late"))).collect()
}

const INPUTS: &str = "
inputs:
  - { name: target, type: choice, values: [staging, production], default: staging }
  - { name: jobs, type: number }
  - { name: fast, type: boolean, default: false }
  - { name: note }
environments: { staging: { URL: s }, production: { URL: p } }
stages: [{ name: s, steps: [{ name: a, image: i, matrix: { os: [x, y] } }] }]
";

/// What is said of a choice, and what helps.
#[track_caller]
fn refused(choice: &Choice) -> String {
    let compiled = with(INPUTS, choice);
    assert!(compiled.plan.is_none() && compiled.diagnostics.is_empty());
    let refused = compiled.refused.expect("it is refused");
    format!("{refused}\n{}", refused.help())
}

#[test]
fn everything_that_is_wrong_with_a_choice_is_said_at_once() {
    let mut wrong = choice(&[("target", "test"), ("fast", "True"), ("job", "3")], Some("prod"));
    wrong.env.insert("OS".to_owned(), "z".to_owned());
    insta::assert_snapshot!(refused(&wrong), @"
    the pipeline cannot take what it is given: there is no input `job`; the input `target` takes `staging` or `production`, not `test`; the input `jobs` is missing; the input `fast` takes `true` or `false`, not `True`; the input `note` is missing; there is no environment `prod`; `--env` and the matrix of `a` both set `OS`
    the pipeline's inputs, given as `--input NAME=VALUE`:
      `target`: `staging` or `production`; `staging` when left out
      `jobs`: a number; it must be given
      `fast`: `true` or `false`; `false` when left out
      `note`: text; it must be given
    its environments, of which `--environment` chooses one: `staging`, `production`
    nothing else sets what a matrix sets; rename its key, or leave the variable out of `--env`
    ");
    let clashes = Choice {
        env: BTreeMap::from([("OS".to_owned(), "z".to_owned())]),
        ..choice(&[("jobs", "1"), ("note", "")], None)
    };
    insta::assert_snapshot!(refused(&clashes), @"
    the pipeline cannot take what it is given: `--env` and the matrix of `a` both set `OS`
    nothing else sets what a matrix sets; rename its key, or leave the variable out of `--env`
    ");
    let wrong = Choice::default();
    insta::assert_snapshot!(refused(&wrong).lines().next().unwrap_or_default(), @"the pipeline cannot take what it is given: the input `jobs` is missing; the input `note` is missing");
}

#[test]
fn a_pipeline_that_takes_nothing_says_so() {
    let text = "stages: [{ name: s, steps: [{ name: a, image: i }] }]";
    let refused = with(text, &choice(&[("a", "1")], Some("b"))).refused.expect("it is refused");
    insta::assert_snapshot!(format!("{refused}\n{}", refused.help()), @"
    the pipeline cannot take what it is given: there is no input `a`; there is no environment `b`
    the pipeline has no inputs
    the pipeline has no environments
    ");
}

#[test]
fn steps_get_inputs_as_they_were_written() {
    let given = choice(&[("jobs", "1.50"), ("note", " two words "), ("target", "production")], None);
    let compiled = with(INPUTS, &given);
    let steps = steps(&compiled);
    let expect = [
        ("OS", "x"),
        ("WINDLASS_INPUT_FAST", "false"),
        ("WINDLASS_INPUT_JOBS", "1.50"),
        ("WINDLASS_INPUT_NOTE", " two words "),
        ("WINDLASS_INPUT_TARGET", "production"),
    ];
    assert_eq!(env(steps[0]), BTreeMap::from(expect));
}

#[test]
fn a_file_that_is_not_valid_comes_before_what_it_is_given() {
    let compiled = with("inputs: [{ name: a }]\nstages: []\n", &Choice::default());
    assert!(compiled.plan.is_none() && !compiled.diagnostics.is_empty());
}

#[test]
fn a_stage_or_step_of_another_environment_is_skipped() {
    let text = "
environments: { one: {}, two: {}, three: {} }
stages:
  - name: s
    environments: [one, two]
    steps: [{ name: a, image: i }, { name: b, image: i, environments: [two, three] }]
  - { name: t, steps: [{ name: c, image: i, environments: [three] }, { name: d, image: i }] }
";
    let skipped = |environment| {
        let compiled = with(text, &choice(&[], environment));
        let run = |step: &&Step| step.condition == Condition::True;
        steps(&compiled).iter().filter(|step| !run(step)).map(|step| step.name.clone()).collect::<String>()
    };
    assert_eq!(skipped(None), "abc");
    assert_eq!(skipped(Some("one")), "bc");
    assert_eq!(skipped(Some("two")), "c");
    assert_eq!(skipped(Some("three")), "ab");
    let compiled = with(text, &choice(&[], Some("three")));
    let why = Condition::False("for the environment `one` or `two`, and `three` is chosen".to_owned());
    assert_eq!(steps(&compiled)[0].condition, why);
}

/// The places where a variable may be set, the weakest first.
const PLACES: usize = 5;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever sets a variable last in the order of the language has set it, and is said to have.
    #[test]
    fn the_strongest_wins(
        sets in prop::collection::vec(prop::collection::btree_map("[A-D]", "[a-z]{0,3}", 0..4), PLACES),
        chosen in any::<bool>(),
    ) {
        let yaml = |variables: &BTreeMap<String, String>| {
            let pairs = variables.iter().map(|(name, value)| format!("{name}: '{value}'"));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        };
        let [pipeline, environment, stage, step, over] = &sets[..] else { unreachable!("of that many") };
        let text = format!(
            "env: {}\nenvironments: {{ e: {}, other: {{ A: never }} }}\n\
             stages: [{{ name: s, env: {}, steps: [{{ name: a, image: i, env: {} }}] }}]\n",
            yaml(pipeline), yaml(environment), yaml(stage), yaml(step),
        );
        let choice = Choice { env: over.clone(), ..choice(&[], chosen.then_some("e")) };
        let compiled = with(&text, &choice);

        let none = BTreeMap::new();
        let layers = [
            (Origin::Pipeline, pipeline),
            (Origin::Environment("e".to_owned()), if chosen { environment } else { &none }),
            (Origin::Stage, stage),
            (Origin::Step, step),
        ];
        let mut model = BTreeMap::new();
        for (origin, variables) in &layers {
            model.extend(variables.iter().map(|(name, value)| (name.clone(), (value.clone(), origin.clone()))));
        }
        let found = steps(&compiled)[0].env.iter().map(|(name, value)| {
            let value = value.known().expect("nothing here is late").to_owned();
            (name.clone(), (value, compiled.origins.of(0, name)))
        });
        prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), model);
    }

    /// The same file, given the same, is the same plan, whatever the order of what was given.
    #[test]
    fn a_plan_is_a_function_of_what_it_is_compiled_with(
        values in prop::collection::btree_map("[a-c]", "[a-z ]{0,5}", 3..4),
        chosen in any::<bool>(),
    ) {
        let text = "
inputs: [{ name: a }, { name: b }, { name: c }]
environments: { e: { X: y } }
stages: [{ name: s, steps: [{ name: one, image: i }, { name: two, image: i, environments: [e] }] }]
";
        let given = Choice {
            inputs: values.into_iter().rev().collect(),
            environment: chosen.then(|| "e".to_owned()),
            ..Choice::default()
        };
        let (one, two) = (with(text, &given), with(text, &given.clone()));
        prop_assert!(one.plan.is_some());
        prop_assert_eq!(&one.plan, &two.plan);
        // What `--env` sets is an option of the run, and in no plan.
        let env = BTreeMap::from([("X".to_owned(), "z".to_owned())]);
        prop_assert_eq!(one.plan, with(text, &Choice { env, ..given }).plan);
    }

    /// Nothing in a script is anything but the script (T4).
    #[test]
    fn the_bytes_of_a_script_never_change(script in "[ -~\n]{0,80}", prefix in "[a-z$]{1,5}") {
        let script = format!("{prefix} ${{{{ env.X }}}} $${{{{ {script}");
        let text = format!(
            "env: {{ X: y }}\nstages: [{{ name: s, steps: [{{ name: a, image: i, run: {} }}] }}]\n",
            serde_json::to_string(&script).expect("text is JSON"),
        );
        let compiled = with(&text, &Choice::default());
        let step = steps(&compiled)[0].clone();
        let windlass::plan::Program::Script { body, .. } = step.program else { unreachable!("it is one") };
        prop_assert_eq!(body, Text::Known(script));
    }
}
