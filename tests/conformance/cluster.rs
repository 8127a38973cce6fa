//! What no cluster can do (L34) leaves a case out by name, and nothing else is left out in its stead.

use windlass::backend::kubernetes::{Options, lacks};
use windlass::backend::lacks::unmet;
use windlass::frontend::Choice;
use windlass::runner::directory;

use crate::suite::{Case, all};

/// What a cluster lacks of what a case asks for.
fn lacking(case: &Case) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("windlass.yml"), &case.pipeline).unwrap();
    for (path, text) in &case.files {
        let path = place.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let (env, inputs) = (case.options.env.clone(), case.options.inputs.clone());
    let environment = case.options.environment.clone();
    let choice = Choice { env, inputs, environment, ..Choice::default() };
    // One that is not valid is refused everywhere.
    let Ok(loaded) = directory(None, place.path(), None, &choice) else { return Vec::new() };
    unmet(&loaded.plan, &lacks(&Options::default())).into_iter().map(|unmet| unmet.what).collect()
}

#[test]
fn a_case_that_no_cluster_can_do_says_so() {
    let silent = all().into_iter().filter(|case| {
        !case.outline.starts_with("refused") && !case.options.not_on.contains_key("kubernetes")
    });
    let wrong: Vec<_> =
        silent.map(|case| (lacking(&case), case.name)).filter(|(lacking, _)| !lacking.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
