//! What goes wrong around a run: the engine, the image, the disk, ourselves (rows F1, F2, F17).

mod calls;
mod daemons;
mod leftovers;
mod reasons;
mod streams;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::bed::{Bed, IMAGE, PATIENCE, UNTIL_ENOUGH, docker_host, full};
use crate::checks::at_once;
use crate::proxy::{CHANGES, Fault, Hook, Proxy, Rule};

/// In full with a service, and so a network.
fn two_stages() -> String {
    let service = format!("db: {{ image: {IMAGE}, command: [sleep, '60'] }}");
    let services = if full() { service } else { String::new() };
    format!(
        "stages:\n\
         - {{ name: a, steps: [{{ name: one, image: {IMAGE}, run: echo one, services: {{ {services} }} }}] }}\n\
         - {{ name: b, steps: [{{ name: two, image: {IMAGE}, run: echo two }}, {{ name: three, image: {IMAGE}, run: echo three }}] }}\n"
    )
}

/// Runs with a `kill -9` of the program at one changing call.
fn kill_at(nth: usize, moment: fn(Hook) -> Fault) {
    let sockets = tempfile::tempdir().unwrap();
    let victim = Arc::new(AtomicU32::new(0));
    let target = Arc::clone(&victim);
    let kill = move || {
        while target.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let pid = Pid::from_raw(target.load(Ordering::SeqCst).cast_signed()).unwrap();
        let _ = kill_process(pid, Signal::KILL);
    };
    let rule = Rule { sites: CHANGES.to_vec(), nth: nth..=nth, fault: moment(Arc::new(kill)) };
    let proxy = Proxy::start(sockets.path(), vec![rule]);
    let bed = Bed::new(&two_stages()).through(&proxy.address());
    let running = bed.start(&["run"]);
    victim.store(running.id(), Ordering::SeqCst);
    let _killed = running.finish();
    // A call that was under way may still take effect after its sender is gone.
    proxy.until_idle();
    let start = Instant::now();
    let _ran = bed.windlass(&["clean"]).code(0);
    assert!(start.elapsed() < PATIENCE, "clean took {:?}", start.elapsed());
    bed.assert_clean();
    let _ran = bed.windlass(&["run"]).code(0);
    bed.assert_clean();
}

#[test]
fn kill_9_at_any_call_leaves_nothing_that_clean_does_not_find() {
    let sockets = tempfile::tempdir().unwrap();
    // None is the 0th, so this only counts.
    let rule = Rule { sites: CHANGES.to_vec(), nth: 0..=0, fault: Fault::Reset };
    let proxy = Proxy::start(sockets.path(), vec![rule]);
    let bed = Bed::new(&two_stages()).through(&proxy.address());
    let _ran = bed.windlass(&["run"]).code(0);
    let calls = proxy.seen();
    assert!(calls >= 10, "a volume, three containers with create, start and removal: {calls}");
    let moments = [Fault::Before as fn(Hook) -> Fault, Fault::After];
    let sites = (1..=calls).flat_map(|nth| moments.into_iter().enumerate().map(move |at| (nth, at)));
    // Ordinarily one of the two, in turn.
    let sites = sites.filter(|(nth, (number, _))| full() || (nth + number) % 2 == 0);
    let killed = at_once(sites.collect(), |(nth, (_, moment))| kill_at(nth, moment));
    println!("{} kills at {calls} calls", killed.len());
}

#[test]
fn containers_end_by_themselves_after_kill_9() {
    let bed = Bed::with_script("trap '' TERM; echo up; while true; do sleep 1; done");
    let mut running = bed.start(&["run"]);
    running.wait_for("│ up");
    running.signal(Signal::KILL);
    let _killed = running.finish();
    let name = bed.objects().into_iter().find(|name| name.contains("-unit-")).unwrap();
    let state = || {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", docker_host()).args(["inspect", "--format", "{{.State.Running}}", &name]);
        String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
    };
    assert_eq!(state(), "true", "it goes on for a while");
    let start = Instant::now();
    while state() == "true" {
        // It is to be thirty seconds, and what is seen of it may be late.
        assert!(start.elapsed() < Duration::from_secs(90), "it goes on for ever");
        std::thread::sleep(Duration::from_millis(250));
    }
    let _ran = bed.windlass(&["clean"]).code(0).says(&name);
    bed.assert_clean();
}

#[test]
fn clean_touches_nothing_that_lives() {
    let bed = Bed::with_script(UNTIL_ENOUGH);
    let mut running = bed.start(&["run"]);
    running.wait_for("│ up");
    let before = bed.objects();
    let _ran = bed.windlass(&["clean"]).code(0);
    assert_eq!(bed.objects(), before);
    bed.enough();
    let _ran = running.finish().code(0).says("│ done");
    bed.assert_clean();
}

#[test]
fn no_engine_is_exit_5_with_what_was_tried() {
    let bed = Bed::with_script("true").through("unix:///nonexistent/docker.sock");
    let start = Instant::now();
    let ran = bed.windlass(&["run"]).code(5).warns("/nonexistent/docker.sock").warns("help:");
    assert!(start.elapsed() < PATIENCE, "{}", ran.stderr);
    bed.assert_clean();
}

#[test]
fn an_engine_that_is_too_old_is_exit_5() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let body = r#"{"Version":"1.12.0","ApiVersion":"1.24","MinAPIVersion":"1.12"}"#;
            let _ = client.read(&mut head);
            let _ = write!(
                client,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let bed = Bed::with_script("true").through(&format!("unix://{}", path.display()));
    let _ran = bed.windlass(&["run"]).code(5).warns("1.24");
    bed.assert_clean();
}

#[test]
fn an_engine_that_never_answers_is_exit_5() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deaf.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let bed = Bed::with_script("true").through(&format!("unix://{}", path.display()));
    let start = Instant::now();
    let _ran = bed.windlass(&["run"]).code(5).warns("does not answer");
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn an_image_that_cannot_be_had_has_a_reason() {
    let check = |image: &str, ends: &str, code: i32| {
        let pipeline =
            format!("stages: [{{ name: test, steps: [{{ name: unit, image: \"{image}\", run: echo }}] }}]\n");
        let bed = Bed::new(&pipeline);
        let ran = bed.windlass(&["run", "--output", "json"]).code(code);
        assert_eq!(ran.ends()["unit"], ends, "{}", ran.stdout);
        assert!(ran.end_of("unit")["message"].as_str().unwrap().contains(image), "{}", ran.stdout);
        bed.assert_clean();
    };
    // A registry on a port that nobody listens on.
    check("127.0.0.1:9/team/tool:1", "lost image_pull_failed", 6);
}

#[test]
fn a_full_disk_says_so_and_leaves_nothing() {
    let bed = Bed::with_script(
        "i=0; while [ $i -lt 100000 ]; do echo line $i of a flood; i=$((i+1)); done; echo end",
    );
    let _ran = bed.windlass(&["run"]).code(0);
    bed.assert_clean();
    // The records and nothing else on a disk of one megabyte: captures and layers stay where they were.
    let runs = bed.home().join("runs");
    let mount = |arguments: &[&str]| {
        let status = Command::new(arguments[0]).args(&arguments[1..]).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", runs.to_str().unwrap()]);
    let ran = bed.windlass(&["run"]);
    mount(&["umount", runs.to_str().unwrap()]);
    // The step goes on; what could not be kept is said.
    let _ran = ran.code(0).says("│ end").warns("No space left on device");
    bed.assert_clean();
}
