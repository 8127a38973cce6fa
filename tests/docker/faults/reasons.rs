//! Each fault has one reason, however often it is done (`WINDLASS_TEST_REPEAT`) and whatever goes on beside it. What
//! else holds after each is with the row's own test; the daemon's own faults are in `daemons`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;

use crate::bed::{Bed, Ran, docker};
use crate::checks::{at_once, repeats};
use crate::faults::leftovers::prune;
use crate::limits::Disk;
use crate::proxy::{ATTACH, CREATE, Fault, IMAGE_INSPECT, Proxy, Rule, START};
use crate::registry::Registry;

/// What is done to a step called `unit`, and what must come of it.
struct Row {
    name: &'static str,
    expected: &'static str,
    fault: Box<dyn Fn() -> String + Sync>,
}

fn row(name: &'static str, expected: &'static str, fault: impl Fn() -> String + Sync + 'static) -> Row {
    Row { name, expected, fault: Box::new(fault) }
}

/// A step with these keys.
fn step(name: &'static str, expected: &'static str, keys: &'static str) -> Row {
    row(name, expected, move || {
        let bed = Bed::with_step(keys);
        let ran = bed.windlass(&["run", "--output", "json"]);
        end(&bed, &ran)
    })
}

/// A step of this image.
fn image(name: &'static str, expected: &'static str, image: &'static str) -> Row {
    row(name, expected, move || {
        let bed = of_image(image);
        let ran = bed.windlass(&["run", "--output", "json"]);
        end(&bed, &ran)
    })
}

/// A step at an engine that does this to its calls.
fn call(name: &'static str, expected: &'static str, rule: fn() -> Rule) -> Row {
    row(name, expected, move || {
        let sockets = tempfile::tempdir().unwrap();
        let proxy = Proxy::start(sockets.path(), vec![rule()]);
        let bed = Bed::with_script("echo on").through(&proxy.address());
        let ran = bed.windlass(&["run", "--output", "json"]);
        assert!(proxy.hits() > 0, "nothing was injected");
        end(&bed, &ran)
    })
}

/// A step that runs when this is done to its container or to the program.
fn meanwhile(name: &'static str, expected: &'static str, what: fn(&Bed, &crate::bed::Running)) -> Row {
    row(name, expected, move || {
        let bed = Bed::with_script("echo up; sleep 60");
        let mut running = bed.start(&["run", "--output", "json"]);
        running.wait_for("\"up");
        what(&bed, &running);
        end(&bed, &running.finish())
    })
}

fn of_image(image: &str) -> Bed {
    Bed::new(&format!(
        "stages: [{{ name: test, steps: [{{ name: unit, image: \"{image}\", run: echo on }}] }}]\n"
    ))
}

#[track_caller]
fn end(bed: &Bed, ran: &Ran) -> String {
    bed.assert_clean();
    crate::checks::assert_one_end(ran);
    ran.ends()["unit"].clone()
}

/// Removes the container that runs, as somebody else would.
fn remove(bed: &Bed, _: &crate::bed::Running) {
    let name = bed.objects().into_iter().find(|name| name.contains("-unit-")).unwrap();
    docker(&["rm", "--force", &name]);
}

/// A full disk under the workspace.
fn full_workspace() -> String {
    let bed = Bed::with_script("head -c 100000000 /dev/zero >all");
    let _nothing = bed.windlass(&["clean"]).code(0);
    let disk = Disk::new(&bed.home().join("trees"), "8m");
    let ran = bed.windlass(&["run", "--output", "json"]);
    drop(disk);
    let end = end(&bed, &ran);
    let hint = ran.end_of("unit")["message"].as_str().unwrap_or_default().to_owned();
    assert!(hint.starts_with("the disk of the workspace is full"), "{hint}");
    end
}

/// An image that goes away between each pull and create.
fn pruned(number: usize) -> String {
    // Its own image: to remove one name of several would take the content from under the others.
    let registry = Registry::start(&format!("reasons-{number}"));
    let image = registry.image("team/reasons:1");
    let name = image.clone();
    let prune = Arc::new(move || prune(&name));
    let sockets = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(sockets.path(), vec![Rule::every(CREATE, Fault::Before(prune))]);
    let bed = of_image(&image).through(&proxy.address());
    let ran = bed.windlass(&["run", "--output", "json"]);
    end(&bed, &ran)
}

fn rows() -> Vec<Row> {
    let registry = Registry::start("reasons");
    let missing = registry.image("missing/tool:1");
    let pulled = AtomicUsize::new(0);
    let unready = "run: 'true', services: { db: { image: windlass/busybox, command: [sh, -c, 'exit 3'], ready: { port: 80 } } }";
    vec![
        // It takes longest, nearly all of it waiting.
        call("F18: create is not answered", "lost daemon_lost", || Rule::every(CREATE, Fault::Hang)),
        step("F9: over its time", "failed timeout", "run: sleep 60, timeout: 1s"),
        step("F10: a grandchild holds its output", "passed -", "run: '(setsid sleep 600 &) ; echo done'"),
        step(
            "F12: no memory",
            "failed out_of_memory",
            "command: [tail, /dev/zero], resources: { memory: 48Mi }",
        ),
        step(
            "F13: no memory for a child",
            "passed -",
            "run: 'tail /dev/zero || echo on', resources: { memory: 48Mi }",
        ),
        step("F13: killed by its own", "failed exit_code", "run: sh -c 'kill -9 $$'"),
        step("F14: no such program", "failed could_not_start", "command: [no-such-program]"),
        step("F14: the shell's 127", "failed exit_code", "run: no-such-program"),
        step("F14: a signal", "failed signal", "command: [sh, -c, 'kill -SEGV $$']"),
        step("a service that ends", "failed service_failed", unready),
        call("F18: create answers 500", "lost daemon_lost", || {
            Rule::every(CREATE, Fault::Answer(500, "as asked"))
        }),
        call("F18: start is cut", "lost daemon_lost", || Rule::every(START, Fault::Reset)),
        call("F18: image inspect answers 503", "lost daemon_lost", || {
            Rule::every(IMAGE_INSPECT, Fault::Answer(503, "as asked"))
        }),
        call("F19: the reply to create is lost", "passed -", || Rule::nth(CREATE, 1, Fault::DropReply)),
        call("F21: the stream ends before the start", "lost daemon_lost", || {
            Rule::every(ATTACH, Fault::Cut(0))
        }),
        call("F21: the stream is silent", "passed -", || Rule::every(ATTACH, Fault::Mute)),
        row("F26: no such image", "failed image_not_found", move || {
            let bed = of_image(&missing);
            let ran = bed.windlass(&["run", "--output", "json"]);
            end(&bed, &ran)
        }),
        image("F26: for another processor", "failed image_wrong_platform", "windlass/busybox:foreign"),
        image("F27: nobody listens", "lost image_pull_failed", "127.0.0.1:9/team/tool:1"),
        row("F29: pruned each time", "failed image_not_found", move || {
            pruned(pulled.fetch_add(1, Ordering::SeqCst))
        }),
        row("F30: a full workspace", "failed exit_code", full_workspace),
        meanwhile("removed by somebody", "lost deleted", remove),
        meanwhile("F4: Ctrl-C", "cancelled cancelled_by_user", |_, running| running.signal(Signal::INT)),
    ]
}

#[test]
fn a_fault_has_one_reason_however_often_it_is_done() {
    let rows = rows();
    let rounds = repeats();
    let all: Vec<&Row> = (0..rounds).flat_map(|_| &rows).collect();
    let done = at_once(all, |row| (row.name, row.expected, (row.fault)()));
    let mut table: BTreeMap<(&str, &str), BTreeMap<String, usize>> = BTreeMap::new();
    for (name, expected, end) in done {
        *table.entry((name, expected)).or_default().entry(end).or_default() += 1;
    }
    for ((name, expected), ends) in &table {
        println!("{name:40} {expected:28} {ends:?}");
    }
    let wrong: Vec<_> =
        table.iter().filter(|((_, expected), ends)| ends.get(*expected).copied() != Some(rounds)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
