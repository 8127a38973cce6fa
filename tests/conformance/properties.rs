//! What holds for every pipeline, not only for those of the cases: a script reaches its container byte for
//! byte, and a plan follows from the file and the choice alone.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use tokio::runtime::Builder;
use windlass::backend::fake::Fake;
use windlass::backend::{Backend, ProgramSpec};
use windlass::base::SourceText;
use windlass::engine;
use windlass::frontend::{Choice, Given, compile};
use windlass::plan::Plan;
use windlass::runner::{Connecting, Home, Request, Source, prepare};

use crate::suite::all;

/// A text in double quotes, with everything escaped that a YAML reader may fold, strip or refuse.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || " $(){}[]'#:&*!|>%@,-".contains(character) {
            quoted.push(character);
        } else {
            write!(quoted, "\\U{:08x}", u32::from(character)).unwrap();
        }
    }
    quoted + "\""
}

/// What containers are asked to run, by the fake.
fn programs(pipeline: &str) -> Vec<ProgramSpec> {
    let place = tempfile::tempdir().unwrap();
    let project = place.path().join("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(project.join("windlass.yml"), pipeline).unwrap();
    let home = Home::at(&place.path().join("home")).unwrap();
    let fake = Fake::new();
    let backend: Arc<dyn Backend> = Arc::new(fake.clone());
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let connecting: Connecting = Box::pin(async { Ok(backend) });
        let request = Request::pipeline(Source::Directory(project));
        let (_handle, cancel) = engine::cancel();
        let prepared = prepare(&home, request, connecting, cancel).await.unwrap();
        prepared.run(Vec::new()).await.unwrap();
    });
    fake.specs().into_iter().map(|spec| spec.program).collect()
}

fn plan(text: &str, choice: &Choice) -> Option<Plan> {
    compile(&SourceText::new("windlass.yml", text), &Given { choice, ..Given::default() }).plan
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_script_reaches_its_container_byte_for_byte(
        script in "[^\0]{0,40}(\\$\\{\\{ env\\.A \\}\\}|\\$\\$\\{\\{|\\$A|`ls`|\r\n|\t){0,3}[^\0]{0,40}x",
    ) {
        let pipeline = format!(
            "env: {{ A: b }}\nstages: [{{ name: s, steps: [{{ name: a, image: i, run: {} }}] }}]\n",
            quoted(&script),
        );
        let programs = programs(&pipeline);
        let [ProgramSpec::Script { body, .. }] = &programs[..] else { panic!("{programs:?}") };
        prop_assert_eq!(body, &script);
    }

    #[test]
    fn a_plan_follows_from_the_file_and_the_choice_alone(
        number in any::<prop::sample::Index>(),
        values in prop::collection::btree_map("[A-Z]{1,3}", "[a-z]{0,3}", 0..4),
    ) {
        let cases = all();
        let case = number.get(&cases);
        let choice = Choice {
            inputs: case.options.inputs.clone(),
            environment: case.options.environment.clone(),
            env: values,
            partial: false,
        };
        let text = case.pipeline.clone();
        let other = choice.clone();
        let there = std::thread::spawn(move || plan(&text, &other)).join().unwrap();
        let here = plan(&case.pipeline, &choice);
        let json = |plan: &Option<Plan>| serde_json::to_string(plan).unwrap();
        prop_assert_eq!(json(&here), json(&there));
        prop_assert_eq!(here, there);
    }
}
