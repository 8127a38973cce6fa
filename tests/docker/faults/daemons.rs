//! The daemon itself is killed, started again, or stands still, and runs out of networks (rows F15, F16, F24, F25).

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::bed::{Bed, IMAGE, Ran, full};
use crate::checks::{at_once, numbered, numbers};
use crate::daemon::{Daemon, Habit};

#[test]
fn a_daemon_that_is_killed_and_takes_its_containers_along_is_one_reason() {
    let mut daemon = Daemon::start(Habit::None);
    let before = daemon.snapshot();
    let rounds = if full() { 5 } else { 1 };
    for _ in 0..rounds {
        let bed = Bed::with_script(&numbered(1000, "sleep 0.1;")).through(&daemon.address());
        let mut running = bed.start(&["run", "--output", "json"]);
        running.wait_for("20 158380");
        daemon.kill();
        // One that is back before anybody looks was not away.
        running.wait_for("the engine went away");
        daemon.restart();
        let ran = running.finish().code(6);
        assert_eq!(ran.ends()["unit"], "lost daemon_lost", "{}", ran.stdout);
        let log = String::from_utf8(bed.log("unit")).unwrap();
        assert!(log.lines().count() >= 20 && numbers(1000).starts_with(&log), "up to the cut: {log}");
        bed.assert_sound_on(&daemon.address(), &ran);
        assert_eq!(daemon.snapshot(), before);
    }
    println!("F15: {rounds} daemons killed: lost daemon_lost");
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

#[test]
fn a_step_goes_on_where_its_container_does() {
    let mut daemon = Daemon::start(Habit::LiveRestore);
    let before = daemon.snapshot();
    let rounds = if full() { 5 } else { 1 };
    for _ in 0..rounds {
        let lines = 60;
        let script = format!("{}; exit 3", numbered(lines, "sleep 0.1;"));
        let bed = Bed::with_script(&script).through(&daemon.address());
        let mut running = bed.start(&["run", "--output", "json"]);
        running.wait_for("20 158380");
        daemon.kill();
        // One that is back before anybody looks was not away.
        running.wait_for("the engine went away");
        daemon.restart();
        let ran = running.finish().code(1);
        assert_eq!(ran.ends()["unit"], "failed exit_code", "{}", ran.stdout);
        assert_eq!(ran.end_of("unit")["exit_code"], 3);
        assert_eq!(String::from_utf8(bed.log("unit")).unwrap(), numbers(lines));
        give_back(&bed, &mut daemon, &ran);
        bed.assert_sound_on(&daemon.address(), &ran);
        assert_eq!(daemon.snapshot(), before);
    }
    if !full() {
        println!("F16: {rounds} daemon killed: nothing lost");
        return;
    }
    // A flood: what the daemon had in its memory when it was killed is said again. One that is killed within moments of
    // the start may not know the container again.
    let flood = "sleep 1; i=0; while [ $i -lt 60000 ]; do echo \"$i $((i * 7919 % 1000003)) and so on\"; i=$((i+1)); done";
    let bed = Bed::with_script(flood).through(&daemon.address());
    let mut running = bed.start(&["run", "--output", "json"]);
    running.wait_for("999 ");
    daemon.kill();
    daemon.restart();
    let ran = running.finish().code(0);
    let expected: String =
        (0..60_000u64).map(|i| format!("{i} {} and so on\n", i * 7919 % 1_000_003)).collect();
    assert!(bed.log("unit") == expected.as_bytes(), "{} of {} bytes", bed.log("unit").len(), expected.len());
    give_back(&bed, &mut daemon, &ran);
    bed.assert_sound_on(&daemon.address(), &ran);
    // A stop reaches a step that only signals reach.
    let bed = Bed::with_script("trap 'echo bye; exit 0' TERM; echo up; while true; do sleep 0.1; done");
    let bed = bed.through(&daemon.address());
    let mut running = bed.start(&["run"]);
    running.wait_for("│ up");
    daemon.kill();
    daemon.restart();
    running.signal(Signal::INT);
    let ran = running.finish().says("│ bye").says("cancelled");
    give_back(&bed, &mut daemon, &ran);
    assert_eq!(daemon.snapshot(), before);
    println!("F16: {} daemons killed: nothing lost", rounds + 2);
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
    let all = [start_one(), start_one()];
    daemon.signal(Signal::STOP);
    let stopped = Instant::now();
    let [(bed, mut lost), (other, mut asked)] = all;
    lost.wait_for("does not answer");
    let said = stopped.elapsed();
    assert!(said < Duration::from_secs(14), "said after {said:?}");
    // Who asks twice is out at once, whatever the daemon does.
    asked.wait_for("does not answer");
    asked.signal(Signal::INT);
    asked.wait_for("cancel_requested");
    asked.signal(Signal::INT);
    let since = Instant::now();
    let ran = asked.finish();
    assert!(since.elapsed() < Duration::from_secs(5), "out after {:?}", since.elapsed());
    assert_eq!(ran.ends()["unit"], "cancelled cancelled_by_user", "{}", ran.stdout);
    assert!(ran.stderr.contains("windlass clean"), "{}", ran.stderr);
    let ran = lost.finish().code(6);
    let ended = stopped.elapsed();
    assert!(ended < Duration::from_secs(90), "ended after {ended:?}");
    assert_eq!(ran.ends()["unit"], "lost daemon_lost", "{}", ran.stdout);
    assert!(ran.stderr.contains("windlass clean"), "{}", ran.stderr);
    daemon.signal(Signal::CONT);
    for bed in [bed, other] {
        let _ran = bed.windlass(&["clean"]).code(0);
        bed.assert_clean_on(&daemon.address());
    }
    assert_eq!(daemon.snapshot(), before);
    println!("F25: said after {said:?}, ended after {ended:?}");
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
