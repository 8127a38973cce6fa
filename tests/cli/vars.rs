//! `windlass vars`: every value of a step, with its origin.

use serde_json::Value;

use crate::support::TestHome;

const PIPELINE: &str = "
name: shop
inputs: [{ name: dry-run, type: boolean, default: false }]
env: { A: pipeline, B: pipeline, C: pipeline, D: pipeline, E: \"pipe${{ inputs['dry-run'] }}\" }
environments: { staging: { B: chosen, C: chosen, D: chosen } }
stages:
- name: test
  env: { C: stage, D: stage }
  steps:
  - { name: unit, image: i, env: { D: step, LINES: \"one\\ntwo\" }, matrix: { os: [linux, mac] } }
  - { name: lint, image: i }
finally: [{ name: tidy, image: i, environments: [staging] }]
";

#[test]
fn every_value_is_printed_with_its_origin() {
    let home = TestHome::with_pipeline(PIPELINE);
    let ended = home.run(&[
        "vars",
        "--environment",
        "staging",
        "--input",
        "dry-run=true",
        "--env",
        "A=over",
        "--step",
        "unit-2",
        "--step",
        "tidy",
    ]);
    ended.code(0).stderr("");
    insta::assert_snapshot!(ended.stdout, @r"
    test · unit (os=mac)
      --env                A=over
      environment staging  B=chosen
      stage                C=stage
      built-in             CI=true
      step                 D=step
      pipeline             E=pipetrue
      built-in             GIT_CONFIG_COUNT=1
      built-in             GIT_CONFIG_KEY_0=safe.directory
      built-in             GIT_CONFIG_VALUE_0=/workspace
      step                 LINES=one\ntwo
      matrix               OS=mac
      built-in             WINDLASS=true
      built-in             WINDLASS_ATTEMPT (at run time: 1, and one more with each retry)
      built-in             WINDLASS_BACKEND (at run time: where the step runs)
      built-in             WINDLASS_ENVIRONMENT=staging
      built-in             WINDLASS_EVENT=
      built-in             WINDLASS_GIT_BRANCH=
      built-in             WINDLASS_GIT_SHA=
      built-in             WINDLASS_GIT_TAG=
      built-in             WINDLASS_GIT_URL=
      input                WINDLASS_INPUT_DRY_RUN=true
      built-in             WINDLASS_OUTPUT (at run time: the file that outputs are written to)
      built-in             WINDLASS_RUN (at run time: the run's id)
      built-in             WINDLASS_STAGE=test
      built-in             WINDLASS_STEP=unit-2
      built-in             WINDLASS_WORKSPACE=/workspace

    finally · tidy
      --env                A=over
      environment staging  B=chosen
      environment staging  C=chosen
      built-in             CI=true
      environment staging  D=chosen
      pipeline             E=pipetrue
      built-in             GIT_CONFIG_COUNT=1
      built-in             GIT_CONFIG_KEY_0=safe.directory
      built-in             GIT_CONFIG_VALUE_0=/workspace
      built-in             WINDLASS=true
      built-in             WINDLASS_ATTEMPT (at run time: 1, and one more with each retry)
      built-in             WINDLASS_BACKEND (at run time: where the step runs)
      built-in             WINDLASS_ENVIRONMENT=staging
      built-in             WINDLASS_EVENT=
      built-in             WINDLASS_FAILED_STEP (at run time: the first step that failed)
      built-in             WINDLASS_FAILED_STEPS (at run time: all steps that failed)
      built-in             WINDLASS_GIT_BRANCH=
      built-in             WINDLASS_GIT_SHA=
      built-in             WINDLASS_GIT_TAG=
      built-in             WINDLASS_GIT_URL=
      input                WINDLASS_INPUT_DRY_RUN=true
      built-in             WINDLASS_OUTCOME (at run time: the outcome so far)
      built-in             WINDLASS_OUTPUT (at run time: the file that outputs are written to)
      built-in             WINDLASS_RUN (at run time: the run's id)
      built-in             WINDLASS_STAGE=finally
      built-in             WINDLASS_STEP=tidy
      built-in             WINDLASS_WORKSPACE=/workspace
    ");
}

#[test]
fn the_same_as_json() {
    let home = TestHome::with_pipeline(PIPELINE);
    let ended = home.run(&["vars", "--output", "json", "--step", "unit"]);
    ended.code(0).stderr("");
    let json: Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
    let steps = json["steps"].as_array().expect("there are steps");
    let names: Vec<_> = steps.iter().filter_map(|step| step["name"].as_str()).collect();
    assert_eq!(names, ["unit (os=linux)", "unit (os=mac)"]);
    let variables = steps[0]["variables"].as_array().expect("it has variables");
    let find = |name: &str| variables.iter().find(|variable| variable["name"] == name).expect("it is there");
    assert_eq!(find("LINES")["value"], "one\ntwo");
    assert_eq!((&find("OS")["value"], &find("OS")["origin"]), (&"linux".into(), &"matrix".into()));
    assert_eq!(find("WINDLASS_RUN")["at_run_time"], "the run's id");
    assert!(find("WINDLASS_RUN").get("value").is_none());
}

#[test]
fn a_step_that_is_not_there_selects_nothing() {
    let home = TestHome::with_pipeline(PIPELINE);
    let ended = home.run(&["vars", "--step", "unit", "--step", "nobody"]);
    ended.code(4).stdout("").says(&["error: the pipeline has no step `nobody`", "help: ", "unit-1", "lint"]);
    home.run(&["vars", "--environment", "prod"]).code(2).stdout("").says(&["`staging`"]);
    let broken = TestHome::with_pipeline("stages: []\n");
    broken.run(&["vars"]).code(3).stdout("").says(&["W0157"]);
}
