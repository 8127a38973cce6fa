//! What `${{ }}` stands for.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use proptest::prelude::*;
use windlass::base::SourceText;
use windlass::frontend::{Choice, Compiled, Given, compile};
use windlass::plan::facts::{GitFacts, SourceView};
use windlass::plan::{Image, Program, Step, Text};

/// A repository at a branch.
#[derive(Debug)]
struct Repository;

impl SourceView for Repository {
    fn git(&self) -> io::Result<GitFacts> {
        let (sha, branch) = ("abc".to_owned(), "main".to_owned());
        Ok(GitFacts { sha, branch, ..GitFacts::default() })
    }

    fn read(&self, _: &Path, _: u64) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

fn with(text: &str, choice: &Choice) -> Compiled {
    compile(&SourceText::new("windlass.yml", text), &Given { choice, source: &Repository })
}

#[track_caller]
fn step(text: &str, choice: &Choice) -> Step {
    let compiled = with(text, choice);
    let plan = compiled.plan.unwrap_or_else(|| panic!("{:?} {:?}", compiled.diagnostics, compiled.refused));
    let step = plan.all_steps().next().map(|(_, step)| step.clone());
    step.expect("there is a step")
}

/// What a text of a step's `env` becomes.
#[track_caller]
fn check(text: &str, expect: &str) {
    let quoted = serde_json::to_string(text).expect("text is JSON");
    let file = format!(
        "inputs:\n- {{ name: version, type: number, default: 1.10 }}\n\
         - {{ name: dry-run, type: boolean, default: true }}\n- {{ name: target, default: staging }}\n\
         env: {{ HOST: example, URL: never }}\nenvironments: {{ e: {{ URL: 'https://${{{{ env.HOST }}}}' }} }}\n\
         stages: [{{ name: s, steps: [{{ name: a, image: i, env: {{ X: {quoted} }} }}] }}]\n"
    );
    let choice = Choice { environment: Some("e".to_owned()), ..Choice::default() };
    assert_eq!(step(&file, &choice).env["X"], Text::Known(expect.to_owned()), "{text}");
}

#[test]
fn expressions_become_their_values() {
    check("${{ inputs.target }}", "staging");
    check("a ${{inputs.target}} b${{ environment }}", "a staging be");
    check("${{ env.URL }}/${{ git.branch }}@${{ git.sha }}${{ git.tag }}", "https://example/main@abc");
    check("${{ inputs.version }}", "1.10");
    check("${{ inputs.version + 1.0 }}", "2.1");
    check("${{ inputs['dry-run'] }} ${{ !inputs['dry-run'] }}", "true false");
    check("${{ inputs.target == 'staging' ? 's' : 'p' }}", "s");
    check("${{ '}}' }}", "}}");
    check("${{ 2 + 3 }}", "5");
}

#[test]
fn lists_are_json_and_dollars_may_stand_for_themselves() {
    check("${{ ['a', inputs.target, \"q\\\"\"] }}", r#"["a","staging","q\""]"#);
    check("${{ [1, 2] }}", "[1,2]");
    check("$${{ inputs.target }} $HOME ${x}", "${{ inputs.target }} $HOME ${x}");
}

#[test]
fn a_variable_asks_for_those_of_the_places_above_it() {
    let text = "
env: { A: a, B: 'p${{ inputs.x }}' }
inputs: [{ name: x, default: '1' }]
stages:
- name: s
  env: { A: 's${{ env.A }}' }
  steps:
  - { name: a, image: 'i:${{ env.A }}', env: { A: 't${{ env.A }}${{ env.B }}' }, user: '${{ inputs.x }}' }
";
    let plain = step(text, &Choice::default());
    assert_eq!(plain.env["A"], Text::from("tsap1"));
    assert_eq!(plain.image, Image::Reference("i:tsap1".into()));
    assert_eq!(plain.user.as_deref(), Some("1"));
    // What `--env` sets is what an expression sees, as it is what the step sees.
    let env = BTreeMap::from([("B".to_owned(), "over".to_owned())]);
    let over = step(text, &Choice { env, ..Choice::default() });
    assert_eq!(over.env["A"], Text::from("tsaover"));
    assert_eq!(over.env["B"], Text::from("p1"));
}

#[test]
fn values_of_every_kind_of_key() {
    let text = "
inputs: [{ name: n, type: number, default: 2 }, { name: b, type: boolean, default: true }]
stages:
- name: s
  steps:
  - name: a
    image: i
    command: [say, '${{ inputs.n }}', \"${{ ['a b', 'c'] }}\"]
    timeout: ${{ inputs.n }}m
    allow_failure: ${{ inputs.b }}
    retry: ${{ inputs.n }}
    resources: { cpus: '${{ inputs.n }}', memory: '${{ inputs.n }}Gi' }
    network: ${{ inputs.b ?'none':'host' }}
";
    let step = step(text, &Choice::default());
    let words = ["say", "2", r#"["a b","c"]"#].map(Text::from).to_vec();
    assert_eq!(step.program, Program::Command(words));
    assert_eq!((step.timeout.as_secs(), step.retry.max), (120, 2));
    assert_eq!(step.resources.cpu_millis, Some(2000));
}

#[test]
fn what_a_skipped_step_asks_for_may_be_missing() {
    let text = "
environments: { production: { TAG: '1', LIMIT: 5m } }
stages:
- name: deploy
  environments: [production]
  env: { FULL: 'app:${{ env.TAG }}' }
  steps: [{ name: a, image: 'app:${{ env.TAG }}', timeout: '${{ env.LIMIT }}' }]
";
    let skipped = step(text, &Choice::default());
    assert_eq!(skipped.image, Image::Reference("app:${{ env.TAG }}".into()));
    let choice = Choice { environment: Some("production".to_owned()), ..Choice::default() };
    let runs = step(text, &choice);
    assert_eq!(runs.image, Image::Reference("app:1".into()));
    assert_eq!(runs.timeout.as_secs(), 300);
    let everywhere = text.replace("  environments: [production]\n", "");
    assert_eq!(with(&everywhere, &Choice::default()).diagnostics.len(), 3);
}

#[test]
fn what_is_given_wrongly_is_the_only_mistake() {
    let text = "
inputs: [{ name: tag }]
stages: [{ name: s, steps: [{ name: a, image: 'app:${{ inputs.tag }}', timeout: '${{ inputs.tag }}' }] }]
";
    let compiled = with(text, &Choice::default());
    assert_eq!(compiled.diagnostics, []);
    assert!(compiled.plan.is_none() && compiled.refused.is_some());
}

#[test]
fn a_small_file_does_not_become_a_huge_plan() {
    let large = "x".repeat(200_000);
    let many = "${{ env.A }}".repeat(400);
    let text = format!(
        "env: {{ A: {large} }}\nstages: [{{ name: s, env: {{ B: '{many}' }}, steps: [{{ name: a, image: i }}] }}]\n"
    );
    let compiled = with(&text, &Choice::default());
    let codes: Vec<_> = compiled.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["W0158"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in a string, there is a plan or a reason; and text without `${{` is itself.
    #[test]
    fn any_string_is_text_or_refused(text in "([a-z $'{}.]|\\$\\{\\{|\\}\\}|inputs|env\\.|steps\\.a){0,24}") {
        let quoted = serde_json::to_string(&text).expect("text is JSON");
        let file =
            format!("stages: [{{ name: s, steps: [{{ name: a, image: i, env: {{ X: {quoted} }} }}] }}]\n");
        let compiled = with(&file, &Choice::default());
        match &compiled.plan {
            None => prop_assert!(!compiled.diagnostics.is_empty() && text.contains("${{")),
            Some(plan) if !text.contains("${{") => {
                let step = plan.all_steps().next().map(|(_, step)| step.clone());
                prop_assert_eq!(&step.expect("there is one").env["X"], &Text::Known(text));
            }
            Some(_) => {}
        }
    }
}
