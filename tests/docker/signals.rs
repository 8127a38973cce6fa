//! Ctrl-C once, twice and three times, TERM, HUP, a closed stdout (rows F4–F6).

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::bed::{Bed, IMAGE, until};
use crate::checks::at_once;
use crate::proxy::{CREATE, Gate, NETWORK_CREATE, Proxy, Rule, VOLUME_CREATE};

/// A pipeline whose step ignores TERM, with a `finally`.
fn stubborn() -> Bed {
    Bed::new(&format!(
        "stages:\n\
         - {{ name: test, steps: [{{ name: unit, image: {IMAGE}, run: \"trap '' TERM; echo up; while true; do sleep 0.1; done\" }}] }}\n\
         - {{ name: later, steps: [{{ name: never, image: {IMAGE}, run: echo never }}] }}\n\
         on_failure: [{{ name: tell, image: {IMAGE}, run: echo told }}]\n\
         finally: [{{ name: tidy, image: {IMAGE}, run: echo tidied }}]\n"
    ))
}

#[test]
fn one_signal_stops_gracefully_and_finally_runs() {
    at_once(vec![(Signal::INT, 2), (Signal::TERM, 15), (Signal::HUP, 1)], |(signal, number)| {
        let bed = stubborn();
        let mut running = bed.start(&["run"]);
        running.wait_for("│ up");
        running.signal(signal);
        let ran = running.finish();
        // After the clean-up the signal has its ordinary effect, so that the caller sees it.
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&ran.status),
            Some(number),
            "{}",
            ran.stdout
        );
        let ran = ran.says("│ tidied").says("cancelled");
        assert!(!ran.stdout.contains("│ told") && !ran.stdout.contains("│ never"), "{}", ran.stdout);
        bed.assert_clean();
    });
}

#[test]
fn a_step_that_listens_gets_term_and_its_grace() {
    let bed = Bed::with_script("trap 'echo bye; exit 0' TERM; echo up; while true; do sleep 0.1; done");
    let mut running = bed.start(&["run"]);
    running.wait_for("│ up");
    running.signal(Signal::INT);
    let _ran = running.finish().says("│ bye").says("cancelled");
    bed.assert_clean();
}

#[test]
fn a_second_signal_kills_now() {
    let sockets = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(sockets.path(), Vec::new());
    let bed = stubborn().through(&proxy.address());
    let mut running = bed.start(&["run"]);
    running.wait_for("│ up");
    running.signal(Signal::INT);
    running.wait_for("TERM");
    running.signal(Signal::INT);
    let since = Instant::now();
    let ran = running.finish();
    assert!(since.elapsed() < Duration::from_secs(9), "the grace was waited for");
    assert!(!ran.stdout.contains("│ tidied"), "{}", ran.stdout);
    // The container of the next stage is made ahead, and a call for it may still take effect.
    proxy.until_idle();
    // It is out in two seconds even where the engine takes longer, and then says what is left.
    assert!(bed.objects().is_empty() || ran.stderr.contains("windlass clean"), "{}", ran.stderr);
    let _ran = bed.windlass(&["clean"]).code(0);
    bed.assert_clean();
}

#[test]
fn a_third_signal_leaves_and_says_how_to_clean() {
    let sockets = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(sockets.path(), Vec::new());
    let bed = stubborn().through(&proxy.address());
    let mut running = bed.start(&["run"]);
    running.wait_for("│ up");
    for _ in 0..3 {
        running.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(20));
    }
    let ran = running.finish();
    let said = format!("{}{}", ran.stdout, ran.stderr);
    // A call that was under way may still take effect.
    proxy.until_idle();
    // Where the second one was quick enough, nothing is left to leave.
    assert!(bed.objects().is_empty() || said.contains("windlass clean"), "{said}");
    let _ran = bed.windlass(&["clean"]).code(0);
    bed.assert_clean();
}

#[test]
fn a_third_signal_names_what_is_still_being_made_and_clean_removes_it() {
    let services = format!(
        "run: 'true', services: {{ db: {{ image: {IMAGE}, command: [httpd, -f, -p, '8080'], ready: {{ port: 8080, timeout: 10m }} }} }}"
    );
    let cases = vec![
        (VOLUME_CREATE, "volume", "run: 'true'"),
        (CREATE, "container", "run: 'true'"),
        (NETWORK_CREATE, "network", &services),
    ];
    let results = at_once(cases, |(site, kind, keys)| {
        let sockets = tempfile::tempdir().unwrap();
        let gate = Gate::default();
        let proxy = Proxy::start(sockets.path(), vec![Rule::nth(site, 1, gate.fault())]);
        let bed = Bed::with_step(keys).through(&proxy.address());
        let mut running = bed.start(&["run"]);
        until("the call is made", || proxy.hits() == 1);
        running.signal(Signal::INT);
        running.wait_for("Ctrl-C again kills");
        running.signal(Signal::INT);
        // It may be out by itself before the third comes, and says the same then.
        until("the second is seen", || {
            running.has_ended() || running.has_said("Ctrl-C again leaves at once")
        });
        if !running.has_ended() {
            running.signal(Signal::INT);
        }
        let ran = running.finish();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ran.status), Some(2), "{}", ran.stderr);
        let left = ran.stderr.contains("left at once");
        let ran = ran.warns(&format!("{kind} windlass-")).warns("`windlass clean` removes it");
        let is_it = |name: &String| match kind {
            "volume" => name.ends_with("-workspace"),
            "container" => name.ends_with("-unit-1"),
            _ => !name.contains("-unit") && !name.ends_with("-workspace"),
        };
        // The engine gets the call when nobody waits for it any more.
        gate.open();
        proxy.until_idle();
        let objects = bed.objects();
        let name = objects.iter().find(|name| is_it(name)).unwrap_or_else(|| panic!("{objects:?}"));
        let _ran = ran.warns(name);
        let _ran = bed.clean_directly().code(0).says(name);
        bed.assert_clean();
        usize::from(left)
    });
    println!("{} of 3 left by the third", results.iter().sum::<usize>());
}

#[test]
fn signals_in_every_phase_leave_nothing() {
    // From before the capture to after the last step.
    let delays = [0, 5, 10, 20, 40, 80, 120, 160, 200, 250, 300, 400, 500, 700, 900];
    at_once(delays.to_vec(), |delay| {
        for signal in [Signal::INT, Signal::TERM] {
            let bed = Bed::new(&format!(
                "stages:\n\
                 - {{ name: a, steps: [{{ name: one, image: {IMAGE}, run: sleep 0.2 }}, {{ name: two, image: {IMAGE}, run: sleep 0.1 }}] }}\n\
                 - {{ name: b, steps: [{{ name: three, image: {IMAGE}, run: sleep 0.1 }}] }}\n"
            ));
            let running = bed.start(&["run"]);
            std::thread::sleep(Duration::from_millis(delay));
            running.signal(signal);
            let ran = running.finish();
            assert_ne!(ran.status.code(), Some(70), "{}\n{}", ran.stdout, ran.stderr);
            bed.assert_clean();
        }
    });
}

#[test]
fn a_closed_stdout_is_no_cancel() {
    let bed = Bed::with_script("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo the end");
    let mut child = bed.command(&["run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    let log = bed.log("unit");
    assert!(log.ends_with(b"the end\n"));
    assert_eq!(log.iter().filter(|byte| **byte == b'\n').count(), 3001);
    bed.assert_clean();
}
