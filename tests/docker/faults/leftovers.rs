//! What cannot be removed, and what somebody else removed (rows F23, F29).

use std::process::Command;
use std::sync::Arc;

use crate::bed::{Bed, IMAGE, UNTIL_ENOUGH, docker_host};
use crate::checks::at_once;
use crate::proxy::{CREATE, Fault, NETWORK_REMOVE, Proxy, REMOVE, Rule, Site, VOLUME_REMOVE};
use crate::registry::Registry;

/// Has an image not be there, however often it is asked for: a call that is made again does it again.
pub fn prune(image: &str) {
    docker(&["rmi", image]);
    assert!(!docker(&["image", "inspect", image]), "{image} is still there");
}

fn docker(arguments: &[&str]) -> bool {
    Command::new("docker")
        .env("DOCKER_HOST", docker_host())
        .args(arguments)
        .output()
        .unwrap()
        .status
        .success()
}

const REFUSALS: [(Site, u16, &str); 4] = [
    (REMOVE, 409, "removal of container x is already in progress"),
    (REMOVE, 500, "driver failed to remove root filesystem: device or resource busy"),
    (VOLUME_REMOVE, 409, "remove x: volume is in use"),
    (VOLUME_REMOVE, 500, "device or resource busy"),
];

#[test]
fn what_cannot_be_removed_is_named_and_changes_no_exit_code() {
    let mut cases = Vec::new();
    for (site, status, message) in REFUSALS {
        cases.push((site, status, message, 3, "true", 0));
        cases.push((site, status, message, usize::MAX, "true", 0));
    }
    cases.push((REMOVE, 409, "removal of container x is already in progress", usize::MAX, "exit 3", 1));
    let results = at_once(cases, |(site, status, message, times, script, code)| {
        let sockets = tempfile::tempdir().unwrap();
        let rule = Rule { sites: vec![site], nth: 1..=times, fault: Fault::Answer(status, message) };
        let proxy = Proxy::start(sockets.path(), vec![rule]);
        let bed = Bed::with_script(script).through(&proxy.address());
        let ran = bed.windlass(&["run", "--output", "json"]).code(code);
        let left = bed.objects();
        if times == usize::MAX {
            assert_eq!(left.len(), 1 + usize::from(site == REMOVE), "{left:?}");
            for name in &left {
                assert!(ran.stderr.contains(name.as_str()), "{name} is not named: {}", ran.stderr);
            }
            assert!(ran.stderr.contains("windlass clean"), "{}", ran.stderr);
            let _ran = bed.clean_directly().code(0);
        }
        bed.assert_sound(&ran);
        proxy.hits()
    });
    println!("{} removals refused in {} runs", results.iter().sum::<usize>(), results.len());
}

#[test]
fn a_network_that_an_engine_has_lost_count_of_is_told_so() {
    let sockets = tempfile::tempdir().unwrap();
    // As Engine 20.10 does, after which only its restart helps.
    let refused = Fault::Answer(403, "error while removing network: network x id y has active endpoints");
    let proxy = Proxy::start(sockets.path(), vec![Rule::every(NETWORK_REMOVE, refused)]);
    let keys = format!("run: 'true', services: {{ db: {{ image: {IMAGE}, command: [sleep, '600'] }} }}");
    let bed = Bed::with_step(&keys).through(&proxy.address());
    let ran =
        bed.windlass(&["run"]).code(0).warns("the engine counts containers in it that it does not have");
    let _ran = ran.warns("windlass clean");
    let _ran = bed.clean_directly().code(0);
    bed.assert_clean();
}

#[test]
fn a_volume_that_somebody_uses_is_left_for_clean() {
    let bed = Bed::with_script(UNTIL_ENOUGH);
    let mut running = bed.start(&["run"]);
    running.wait_for("│ up");
    let volume = bed.objects().into_iter().find(|name| name.ends_with("-workspace")).unwrap();
    let holder = format!("{volume}-holder");
    let mount = format!("{volume}:/held");
    assert!(docker(&["run", "--detach", "--name", &holder, "--volume", &mount, IMAGE, "sleep", "600"]));
    bed.enough();
    let ran = running.finish().code(0);
    assert!(docker(&["rm", "--force", &holder]));
    let ran = ran.warns(&volume).warns("windlass clean");
    assert!(ran.stderr.contains("in use"), "{}", ran.stderr);
    let _ran = bed.windlass(&["clean"]).code(0).says(&volume);
    bed.assert_clean();
}

#[test]
fn an_image_that_is_removed_before_its_step_is_pulled_once_more() {
    let registry = Registry::start("pruned");
    for (times, code, end) in [(1, 0, "passed -"), (usize::MAX, 1, "failed image_not_found")] {
        let image = registry.image("team/pruned:1");
        let sockets = tempfile::tempdir().unwrap();
        let name = image.clone();
        let prune = Arc::new(move || prune(&name));
        let rule = Rule { sites: vec![CREATE], nth: 1..=times, fault: Fault::Before(prune) };
        let proxy = Proxy::start(sockets.path(), vec![rule]);
        let bed = Bed::new(&format!(
            "stages: [{{ name: test, steps: [{{ name: unit, image: \"{image}\", run: echo }}] }}]\n"
        ))
        .through(&proxy.address());
        let ran = bed.windlass(&["run", "--output", "json"]).code(code);
        assert_eq!(ran.ends()["unit"], end, "{}", ran.stdout);
        assert_eq!(proxy.seen(), 2, "it is tried twice, and no more");
        bed.assert_sound(&ran);
        docker(&["rmi", &image]);
    }
}
