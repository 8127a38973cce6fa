//! Services on a real engine, beyond what every backend is held to: what is on the screen, what is kept, and
//! what is left.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::bed::{Bed, IMAGE, LOST_COUNT, docker_host};

const SERVER: &str = "command: [httpd, -f, -p, '8080', -h, /etc]";

/// Has the service `dies` die, which waits for a call.
const CALL: &str = "until nc dies 9000 </dev/null 2>/dev/null; do sleep 0.1; done";

/// What the engine answers to this call.
fn engine(method: &str, path: &str, body: &Value) -> String {
    let socket = docker_host();
    let mut engine = UnixStream::connect(socket.strip_prefix("unix://").unwrap()).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // In one piece: an engine may answer, and close, before it has read what it does not need.
    engine.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    engine.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_service_that_fails_is_on_the_screen_and_in_the_record_and_nothing_is_left() {
    let bed = Bed::new(&format!(
        "stages:\n\
         - name: test\n\
         \x20 services:\n\
         \x20   db: {{ image: {IMAGE}, {SERVER}, ready: {{ port: 8080, timeout: 10m }} }}\n\
         \x20   dies: {{ image: {IMAGE}, command: [sh, -c, 'echo up; nc -l -p 9000 >/dev/null; echo disk full; exit 3'], ready: {{ log: up, timeout: 10m }} }}\n\
         \x20 steps: [{{ name: unit, image: {IMAGE}, run: '{CALL}; sleep 600' }}]\n"
    ));
    let ran = bed.windlass(&["run"]).code(1).says("service db started").says("service db is ready");
    let ran = ran.says("service dies ended early: exit code 3").says("dies │ disk full");
    let ran = ran.says("    dies │ disk full");
    assert_eq!(bed.log("unit%2edies"), b"up\ndisk full\n");
    if bed.is_forgiven(&ran) {
        println!("{LOST_COUNT}: {:?}", bed.objects());
    } else {
        bed.assert_clean();
    }
}

#[test]
fn clean_finds_the_services_of_a_run_that_was_killed_and_their_network() {
    let bed = Bed::with_step(&format!(
        "services: {{ db: {{ image: {IMAGE}, {SERVER}, ready: {{ http: 8080/hostname, timeout: 10m }} }} }}, run: 'echo runs; sleep 600'"
    ));
    let mut running = bed.start(&["run"]);
    running.wait_for("│ runs");
    running.signal(Signal::KILL);
    let _ran = running.finish();
    let mut objects = bed.objects();
    objects.retain(|name| !name.ends_with("-workspace"));
    let ends = |end: &str| objects.iter().any(|name| name.ends_with(end));
    assert!(objects.len() == 3 && ends("-unit-1") && ends("-unit.db-1"), "{objects:?}");
    // As an engine does that is asked for it again before it has made the first.
    let network = objects.iter().find(|name| !name.contains("-unit")).unwrap();
    assert!(engine("POST", "/networks/create", &json!({ "Name": network })).contains("201 Created"));
    let twice = engine("DELETE", &format!("/networks/{network}"), &Value::Null);
    assert!(twice.contains("is ambiguous"), "{twice}");
    let ran = bed.windlass(&["clean"]);
    if bed.is_forgiven(&ran) {
        println!("{LOST_COUNT}: {:?}", bed.objects());
        return;
    }
    let _ran = ran.code(0);
    bed.assert_clean();
    let gone = engine("DELETE", &format!("/networks/{network}"), &Value::Null);
    assert!(gone.contains("404 Not Found"), "{gone}");
}
