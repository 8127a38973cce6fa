//! The daemon itself is killed, started again, or stands still, and runs out of networks (rows F15, F16, F24, F25).

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::bed::{Bed, IMAGE, PATIENCE, Ran, full};
use crate::checks::{at_once, numbered, numbers, repeats};
use crate::daemon::{Daemon, Habit};

#[test]
fn a_daemon_that_is_killed_and_takes_its_containers_along_is_one_reason() {
    let mut daemon = Daemon::start(Habit::None);
    let before = daemon.snapshot();
    let (rounds, runs) = if full() { (10, repeats().div_ceil(10)) } else { (2, 1) };
    for round in 0..rounds {
        let all = at_once((0..runs).collect(), |_| {
            let bed = Bed::with_script(&numbered(10_000, "sleep 0.1;")).through(&daemon.address());
            let mut running = bed.start(&["run", "--output", "json"]);
            running.wait_for("20 158380");
            (bed, running)
        });
        daemon.kill();
        let all = all.into_iter().map(|(bed, mut running)| {
            // The other may be back before anybody looks.
            if round % 2 == 0 {
                running.wait_for("the engine went away");
            }
            (bed, running)
        });
        let all: Vec<_> = all.collect();
        daemon.restart();
        for (bed, running) in all {
            let ran = running.finish().code(6);
            assert_eq!(ran.ends()["unit"], "lost daemon_lost", "{}", ran.stdout);
            let log = String::from_utf8(bed.log("unit")).unwrap();
            assert!(log.lines().count() >= 20 && numbers(10_000).starts_with(&log), "up to the cut: {log}");
            bed.assert_sound_on(&daemon.address(), &ran);
        }
        assert_eq!(daemon.snapshot(), before);
    }
    println!("F15: {rounds} daemons killed under {} runs: lost daemon_lost", rounds * runs);
}

/// Engines before 23 do not count a volume's users right that outlive them, and keep it until they start the next
/// time: the run says so, and the clean-up after that removes it.
fn give_back(bed: &Bed, daemon: &mut Daemon, ran: &Ran) {
    let left = bed.objects_on(&daemon.address());
    if left.is_empty() {
        return;
    }
    assert!(left.len() == 1 && left[0].ends_with("-workspace"), "{left:?}");
    assert!(ran.stderr.contains(&left[0]) && ran.stderr.contains("active mounts"), "{}", ran.stderr);
    assert!(ran.stderr.contains("windlass clean"), "{}", ran.stderr);
    daemon.stop();
    daemon.restart();
    let _ran = bed.windlass(&["clean"]).code(0);
}

/// The others begin to print when all four have their orders: a step without them has not begun.
const SLOWLY: &str =
    "sleep 0.1; [ $i = 10 ] && { until [ $(ls | grep -c up.) = 4 ]; do sleep 0.1; done; touch on; };";

#[test]
fn a_step_goes_on_where_its_container_does() {
    let mut daemon = Daemon::start(Habit::LiveRestore);
    let before = daemon.snapshot();
    // One is slow. One is in the middle of a flood: what the daemon has in its memory goes with it, and is said again.
    // One is near the end of its flood, and may be over before the daemon is back.
    let steps = [("slow", 40, SLOWLY), ("flood", 60_000, ""), ("short", 15_000, "")];
    let step = |(name, lines, pause): (&str, usize, &str)| {
        let script = numbered(lines, pause);
        let wait = if name == "slow" { "" } else { "; until [ -e on ]; do sleep 0.1; done" };
        format!(
            "- {{ name: {name}, image: {IMAGE}, run: {:?} }}\n",
            format!("touch up.{name}{wait}; {script}")
        )
    };
    let pipeline =
        format!("stages:\n- name: test\n  steps:\n{}", steps.map(|one| format!("  {}", step(one))).concat());
    // Only signals reach a step afterwards: a stop does.
    let endless = "trap 'echo bye; exit 0' TERM; echo up; touch up.endless; while true; do sleep 0.1; done";
    let pipeline = format!("{pipeline}  - {{ name: endless, image: {IMAGE}, run: {endless:?} }}\n");
    let rounds = if full() { 10 } else { 1 };
    for _ in 0..rounds {
        let bed = Bed::new(&pipeline).through(&daemon.address());
        let mut running = bed.start(&["run", "--jobs", "4", "--output", "json"]);
        running.wait_for("999 ");
        daemon.kill();
        daemon.restart();
        for (name, ..) in steps {
            running.wait_for(&format!("\"type\":\"step_ended\",\"step\":\"{name}\""));
        }
        running.signal(Signal::INT);
        let ran = running.finish();
        for (name, lines, _) in steps {
            assert_eq!(ran.ends()[name], "passed -", "{name}: {}", ran.stderr);
            let log = bed.log(name);
            assert!(log == numbers(lines).as_bytes(), "{name}: {} bytes: {}", log.len(), ran.stderr);
        }
        assert_eq!(ran.ends()["endless"], "cancelled cancelled_by_user");
        assert_eq!(ran.end_of("endless")["message"], Value::Null);
        let log = String::from_utf8(bed.log("endless")).unwrap();
        // The shell says on its other stream that its `sleep` was ended.
        assert!(log.starts_with("up\n") && log.contains("bye\n"), "{log}");
        give_back(&bed, &mut daemon, &ran);
        bed.assert_sound_on(&daemon.address(), &ran);
        assert_eq!(daemon.snapshot(), before);
    }
    println!("F16: {rounds} daemons killed: nothing lost");
}

#[test]
fn a_daemon_that_stands_still_is_said_and_then_lost() {
    let daemon = Daemon::start(Habit::None);
    let before = daemon.snapshot();
    let start_one = || {
        let bed = Bed::with_script("echo up; while true; do sleep 0.1; done").through(&daemon.address());
        let mut running = bed.start(&["run", "--output", "json"]);
        running.wait_for("\"up");
        (bed, running)
    };
    let (bed, mut lost) = start_one();
    let (other, mut asked) = start_one();
    let more = at_once((1..repeats()).collect(), |_| start_one());
    daemon.signal(Signal::STOP);
    let stopped = Instant::now();
    lost.wait_for("does not answer");
    let said = stopped.elapsed();
    // Who asks twice is out at once, whatever the daemon does.
    asked.wait_for("does not answer");
    asked.signal(Signal::INT);
    asked.wait_for("cancel_requested");
    asked.signal(Signal::INT);
    let since = Instant::now();
    let ran = asked.finish();
    // Two seconds, and not until a call is given up.
    assert!(since.elapsed() < Duration::from_secs(20), "out after {:?}", since.elapsed());
    assert_eq!(ran.ends()["unit"], "cancelled cancelled_by_user", "{}", ran.stdout);
    assert!(ran.stderr.contains("windlass clean"), "{}", ran.stderr);
    let ran = lost.finish().code(6);
    let ended = stopped.elapsed();
    assert!(ended < PATIENCE, "ended after {ended:?}");
    assert_eq!(ran.ends()["unit"], "lost daemon_lost", "{}", ran.stdout);
    assert!(ran.stderr.contains("windlass clean"), "{}", ran.stderr);
    let more: Vec<_> = more
        .into_iter()
        .map(|(bed, lost)| {
            let ran = lost.finish().code(6);
            assert_eq!(ran.ends()["unit"], "lost daemon_lost", "{}", ran.stdout);
            bed
        })
        .collect();
    daemon.signal(Signal::CONT);
    let count = more.len() + 1;
    for bed in more.into_iter().chain([bed, other]) {
        let _ran = bed.windlass(&["clean"]).code(0);
        bed.assert_clean_on(&daemon.address());
    }
    assert_eq!(daemon.snapshot(), before);
    println!("F25: {count} lost: said after {said:?}, ended after {ended:?}");
}

#[test]
fn forty_runs_need_none_of_eight_networks() {
    let daemon = Daemon::start(Habit::FewNetworks);
    let before = daemon.snapshot();
    let results = at_once((1..=40).collect(), |n: u32| {
        let bed = Bed::new(&format!(
            "stages: [{{ name: test, steps: [{{ name: unit, image: {IMAGE}, run: echo {n} }}, {{ name: other, image: {IMAGE}, run: echo {n} }}] }}]\n"
        ))
        .through(&daemon.address());
        let ran = bed.windlass(&["run", "--output", "json"]).code(0);
        bed.assert_sound_on(&daemon.address(), &ran);
    });
    assert_eq!(daemon.snapshot(), before);
    println!("F24: {} runs on 8 networks: all passed", results.len());
}
