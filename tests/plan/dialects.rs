//! Three plans written by hand: what Tekton, GitLab and Wharf files mean fits into version 1.

use std::path::PathBuf;

use windlass::base::StepId;
use windlass::plan::expand::expand;
use windlass::plan::validate::validate;
use windlass::plan::{
    After, AllowFailure, Condition, LateNode, Lifetime, Needs, OnExit, OnStepFailure, Plan, Program, Sharing,
    Step, Volume, digest, wire,
};

use crate::support::outputs;

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/plan/dialects", name].iter().collect()
}

/// Reads a plan, and holds that it is valid and comes back byte for byte. `UPDATE=1` rewrites the file.
#[track_caller]
fn read(name: &str) -> Plan {
    let text = std::fs::read_to_string(path(name)).expect("the plan is in the tree");
    let plan = wire::from_json(&text).expect("the plan can be read");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(name), wire::to_json(&plan)).expect("the tree can be written");
    } else {
        assert_eq!(wire::to_json(&plan), text);
    }
    assert_eq!(validate(&plan), Ok(()));
    plan
}

#[track_caller]
fn step<'a>(plan: &'a Plan, id: &str) -> &'a Step {
    plan.step(&StepId::new(id)).unwrap_or_else(|| panic!("no step `{id}`"))
}

fn all(ids: &[&str]) -> Needs {
    Needs::All(ids.iter().copied().map(StepId::new).collect())
}

#[test]
fn digests_are_those_of_the_first_release() {
    for (name, digest) in [
        ("tekton.json", "sha256:08b7237dd7cad07124806eb986cf86e943d09e3833b743693da1af6a338cb834"),
        ("gitlab.json", "sha256:3208d3d321f3c9d5a4550d4755cd121bca23eb2e44510e8135c1625790c94b93"),
        ("wharf.json", "sha256:9d14683686fa417e5ca75407aec1b7895ebf3c147795918743455e24b36ebc8f"),
    ] {
        assert_eq!(digest::plan(&read(name)), digest, "{name}");
    }
}

#[test]
fn tekton_steps_run_in_turn_and_share_localhost_with_a_sidecar_that_may_end() {
    let plan = read("tekton.json");
    let scope = &plan.scopes["build"];
    assert!(scope.in_turn && scope.shares_localhost);
    assert_eq!(scope.services[0].on_exit, OnExit::Ignore);
    assert_eq!(step(&plan, "build-lint").allow_failure, AllowFailure::Yes);
    assert!(matches!(
        &step(&plan, "build-lint").program,
        Program::Entrypoint { args_follow_cmd: true, args } if args.len() == 2
    ));
    assert_eq!(plan.stages[0].on_step_failure, OnStepFailure::StartNothingNew);
    assert!(plan.finally.is_some());
}

#[test]
fn tekton_workspaces_are_isolated_shared_by_path_and_read_only() {
    let plan = read("tekton.json");
    let who_mounts = |volume: &str| -> Vec<&str> {
        let steps =
            plan.all_steps().filter(|(_, step)| step.mounts.iter().any(|mount| mount.volume == volume));
        steps.map(|(_, step)| step.id.as_str()).collect()
    };
    assert_eq!(who_mounts("keys"), ["build-sign"]);
    let shared = step(&plan, "tidy-sweep").mounts.iter().find(|mount| mount.volume == "shared").unwrap();
    assert_eq!(shared.sub_path.as_deref(), Some("src"));
    let settings =
        step(&plan, "build-compile").mounts.iter().find(|mount| mount.volume == "settings").unwrap();
    assert!(settings.read_only);
    assert_eq!(plan.volumes["scratch"], Volume::Empty { lifetime: Lifetime::Scope, in_memory: false });
    assert_eq!(plan.volumes["shared"], Volume::Empty { lifetime: Lifetime::Run, in_memory: false });
}

#[test]
fn tekton_results_make_late_strings_and_a_matrix_of_whole_tasks() {
    let plan = read("tekton.json");
    let known =
        outputs([("build-results.targets", r#"["linux","darwin"]"#), ("build-results.digest", "abc")]);
    let grown = expand(&plan, &known).unwrap();
    assert_eq!(validate(&grown), Ok(()));
    assert!(grown.all_stages().all(|stage| stage.late.is_empty()));
    let message = Program::Command(vec!["tell".into(), "--message".into(), "built sha256:abc".into()]);
    assert_eq!(step(&grown, "announce-tell").program, message);
    assert_eq!(step(&grown, "announce-tell").needs, Some(all(&["package-pack-1", "package-pack-2"])));
    let fetch = step(&grown, "package-fetch-2");
    assert_eq!(fetch.env["TARGET"].known(), Some("darwin"));
    assert!(matches!(&fetch.program, Program::Script { body, .. }
        if body.known().is_some_and(|body| body.ends_with("/base-darwin.tar"))));
    assert_eq!(step(&grown, "package-pack-2").needs, Some(all(&["package-fetch-2"])));
    assert_eq!(step(&grown, "package-pack-2").scope.as_deref(), Some("package-2"));
    assert!(grown.scopes.contains_key("package-1") && !grown.scopes.contains_key("package"));
}

#[test]
fn gitlab_jobs_have_own_copies_and_services_that_may_end() {
    let plan = read("gitlab.json");
    assert_eq!(plan.volumes["project"], Volume::Capture { sharing: Sharing::OwnCopy });
    assert!(plan.stages.iter().all(|stage| stage.on_step_failure == OnStepFailure::GoOn));
    let unit = step(&plan, "unit");
    let after = unit.after_script.as_ref().unwrap();
    assert!(!after.required && after.timeout.as_secs() == 300);
    assert!(unit.allow_failure.covers(Some(3)) && !unit.allow_failure.covers(Some(1)));
    assert_eq!(plan.scopes["unit"].services[0].on_exit, OnExit::Ignore);
    assert!(matches!(step(&plan, "image-entrypoint").program, Program::Entrypoint { .. }));
    assert!(matches!(step(&plan, "only-on-tags").condition, Condition::False(_)));
    assert_eq!(step(&plan, "tell").after, After::Failure);
}

#[test]
fn a_gitlab_child_pipeline_takes_its_node_s_place() {
    let plan = read("gitlab.json");
    assert!(matches!(plan.stages[1].late[0], LateNode::ChildPlan { .. }));
    let child = std::fs::read_to_string(path("wharf.json")).unwrap();
    let child = child.replace("\"id\": \"build\",", "\"id\": \"build\", \"on_step_failure\": \"go_on\",");
    let child = child.replace("\"id\": \"deploy\",", "\"id\": \"deploy\", \"on_step_failure\": \"go_on\",");
    let child = child.replace("\"after\": ", "\"on_step_failure\": \"go_on\", \"after\": ");
    let grown = expand(&plan, &outputs([("generate.child", &child)])).unwrap();
    assert_eq!(validate(&grown), Ok(()));
    assert_eq!(step(&grown, "services-compile").needs, Some(all(&["generate"])));
    assert_eq!(step(&grown, "services-push").needs, Some(all(&["services-compile", "services-docs"])));
    assert_eq!(step(&grown, "services-mail").after, After::Failure);
    let every = ["services-compile", "services-docs", "services-push", "services-mail", "services-sweep"];
    assert_eq!(step(&grown, "usage").needs, Some(all(&every)));
}

#[test]
fn wharf_steps_have_own_copies_and_no_shell_options() {
    let plan = read("wharf.json");
    assert_eq!(plan.volumes["repo"], Volume::Capture { sharing: Sharing::OwnCopy });
    let commands = "go vet ./...\ngo build -ldflags \"-X main.version=7\" ./...";
    let program = Program::Command(vec!["/bin/sh".into(), "-c".into(), commands.into()]);
    assert_eq!(step(&plan, "compile").program, program);
    assert!(plan.stages.iter().all(|stage| stage.on_step_failure == OnStepFailure::CancelSiblings));
    let skipped = Condition::False("no environment is chosen, and the stage is for `prod`".to_owned());
    assert_eq!(step(&plan, "push").condition, skipped);
    assert_eq!([plan.stages[2].after, plan.stages[3].after], [After::Failure, After::Always]);
}
