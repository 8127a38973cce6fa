//! Services on a real engine, beyond what every backend is held to: what is on the screen, what is kept, and
//! what is left.

use rustix::process::Signal;

use crate::bed::{Bed, IMAGE};

const SERVER: &str = "command: [httpd, -f, -p, '8080', -h, /etc]";

#[test]
fn a_service_that_fails_is_on_the_screen_and_in_the_record_and_nothing_is_left() {
    let bed = Bed::new(&format!(
        "stages:\n\
         - name: test\n\
         \x20 services:\n\
         \x20   db: {{ image: {IMAGE}, {SERVER}, ready: {{ port: 8080 }} }}\n\
         \x20   dies: {{ image: {IMAGE}, command: [sh, -c, 'echo up; sleep 3; echo disk full; exit 3'], ready: {{ log: up }} }}\n\
         \x20 steps: [{{ name: unit, image: {IMAGE}, run: sleep 60 }}]\n"
    ));
    let ran = bed.windlass(&["run"]).code(1).says("service db started").says("service db is ready");
    let ran = ran.says("service dies ended early: exit code 3").says("dies │ disk full");
    let _ran = ran.says("    dies │ disk full");
    assert_eq!(bed.log("unit%2edies"), b"up\ndisk full\n");
    bed.assert_clean();
}

#[test]
fn clean_finds_the_services_of_a_run_that_was_killed_and_their_network() {
    let bed = Bed::with_step(&format!(
        "services: {{ db: {{ image: {IMAGE}, {SERVER}, ready: {{ http: 8080/hostname }} }} }}, run: 'echo runs; sleep 600'"
    ));
    let mut running = bed.start(&["run"]);
    running.wait_for("│ runs");
    running.signal(Signal::KILL);
    let _ran = running.finish();
    let mut objects = bed.objects();
    objects.retain(|name| !name.ends_with("-workspace"));
    let ends = |end: &str| objects.iter().any(|name| name.ends_with(end));
    assert!(objects.len() == 3 && ends("-unit-1") && ends("-unit.db-1"), "{objects:?}");
    let _ran = bed.windlass(&["clean"]).code(0);
    bed.assert_clean();
}
