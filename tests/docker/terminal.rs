//! A person at a real terminal: Ctrl-C once, twice and three times in every phase, a terminal that is
//! closed, streams that nobody reads (rows F4–F6).

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::bed::{Bed, IMAGE, PATIENCE, until};
use crate::proxy::{self, Gate, Proxy, Rule};
use crate::tty::{CTRL_C, Terminal};

/// A moment of a run in which it stays until the test lets it go on.
struct Phase {
    bed: Bed,
    /// What the screen says by then, if it says anything.
    sign: &'static str,
    gate: Gate,
    proxy: Proxy,
    _sockets: TempDir,
}

const PHASES: [&str; 6] = ["looking", "start", "let go", "running", "removing", "closing"];

impl Phase {
    fn new(name: &str) -> Self {
        let gate = Gate::default();
        let sockets = tempfile::tempdir().unwrap();
        let bed = Bed::new(&format!(
            "stages: [{{ name: test, steps: [{{ name: unit, image: {IMAGE}, run: {:?} }}] }}]\n",
            if name == "running" {
                "trap 'sleep 2; exit 0' TERM; echo up; while true; do sleep 0.1; done"
            } else {
                "true"
            }
        ));
        let held = match name {
            "looking" => Some(proxy::VOLUME_CREATE),
            "start" => Some(proxy::CREATE),
            "let go" => Some(proxy::START),
            "removing" => Some(proxy::REMOVE),
            "closing" => Some(proxy::VOLUME_REMOVE),
            _ => None,
        };
        let rules = held.map(|site| Rule::every(site, gate.fault()));
        let proxy = Proxy::start(sockets.path(), rules.into_iter().collect());
        let sign = if name == "running" { "│ up" } else { "" };
        Self { bed: bed.through(&proxy.address()), sign, gate, proxy, _sockets: sockets }
    }

    /// Starts a run, and returns once it is there.
    fn enter(&self) -> Terminal {
        let mut terminal = Terminal::start(&self.bed.command(&["run"]));
        if self.sign.is_empty() {
            self.until_held();
        }
        terminal.wait_for(self.sign);
        terminal
    }

    #[track_caller]
    fn until_held(&self) {
        until("the call is made", || self.proxy.hits() > 0);
    }

    fn go_on(&self) {
        self.gate.open();
    }

    /// Nothing is left, at once or after `clean`, and the next run passes.
    fn assert_clean(&self, said: &str) {
        self.go_on();
        if said.contains("windlass clean") {
            // A call that was under way may still take effect after its sender is gone.
            self.proxy.until_idle();
            let _ran = self.bed.windlass(&["clean"]).code(0);
        }
        self.bed.assert_clean();
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        self.go_on();
    }
}

#[test]
fn ctrl_c_once_cleans_up_in_every_phase() {
    for name in PHASES {
        let phase = Phase::new(name);
        let mut terminal = phase.enter();
        terminal.press(CTRL_C);
        terminal.wait_for("stopping");
        phase.go_on();
        let (status, said) = terminal.finish();
        assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{name}:\n{said}");
        assert!(!said.contains("windlass clean"), "{name}:\n{said}");
        phase.assert_clean(&said);
    }
}

#[test]
fn ctrl_c_twice_is_out_at_once_in_every_phase() {
    for name in PHASES {
        let phase = Phase::new(name);
        let mut terminal = phase.enter();
        terminal.press(CTRL_C);
        terminal.wait_for("stopping");
        let since = Instant::now();
        terminal.press(CTRL_C);
        // Nobody waits for the engine, which does not answer, nor until a call to it is given up after 30 s.
        let (status, said) = terminal.finish();
        assert!(since.elapsed() < Duration::from_secs(25), "{name}: {:?}\n{said}", since.elapsed());
        assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{name}:\n{said}");
        phase.assert_clean(&said);
    }
}

#[test]
fn ctrl_c_three_times_leaves_and_says_how_to_clean_in_every_phase() {
    for name in PHASES {
        let phase = Phase::new(name);
        let mut terminal = phase.enter();
        terminal.press(CTRL_C);
        terminal.wait_for("stopping");
        terminal.press(CTRL_C);
        terminal.press(CTRL_C);
        let (status, said) = terminal.finish();
        assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{name}:\n{said}");
        // Where the second was quick enough, nothing is known to be left; a call under way may still act.
        phase.assert_clean("windlass clean");
    }
}

#[test]
fn ctrl_c_during_the_capture_waits_for_nobody() {
    let bed = Bed::with_script("true");
    let _ran = bed.windlass(&["run"]).code(0);
    // As long as a base is being made, every other capture of that source waits.
    let captures = std::fs::read_dir(bed.home().join("captures")).unwrap();
    let lock = File::open(captures.map(|entry| entry.unwrap().path()).next().unwrap().join("lock")).unwrap();
    lock.lock().unwrap();
    let mut terminal = Terminal::start(&bed.command(&["run"]));
    let start = Instant::now();
    while std::fs::read_dir(bed.home().join("trees")).unwrap().next().is_none() {
        assert!(start.elapsed() < PATIENCE, "no capture begins");
        std::thread::sleep(Duration::from_millis(2));
    }
    terminal.press(CTRL_C);
    let (status, said) = terminal.finish();
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{said}");
    assert!(!said.contains("windlass clean"), "{said}");
    bed.assert_clean();
    lock.unlock().unwrap();
}

#[test]
fn ctrl_c_during_a_pull_ends_the_pull() {
    // A registry that takes calls and never answers.
    let registry = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("127.0.0.1:{}/slow:1", registry.local_addr().unwrap().port());
    let bed = Bed::new(&format!(
        "stages: [{{ name: s, steps: [{{ name: a, image: \"{image}\", run: echo }}] }}]\n"
    ));
    let mut terminal = Terminal::start(&bed.command(&["run"]));
    let _call = registry.accept().unwrap();
    terminal.press(CTRL_C);
    let (status, said) = terminal.finish();
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{said}");
    bed.assert_clean();
}

#[test]
fn ctrl_c_ends_clean_and_the_next_one_does_the_rest() {
    let phase = Phase::new("removing");
    let running = phase.bed.start(&["run"]);
    phase.until_held();
    running.signal(Signal::KILL);
    let _killed = running.finish();
    let sockets = tempfile::tempdir().unwrap();
    let rule = Rule::every(proxy::REMOVE, phase.gate.fault());
    let proxy = Proxy::start(sockets.path(), vec![rule]);
    let mut clean = phase.bed.command(&["clean"]);
    let mut terminal = Terminal::start(clean.env("DOCKER_HOST", proxy.address()));
    until("the call is made", || proxy.hits() > 0);
    terminal.press(CTRL_C);
    let (status, said) = terminal.finish();
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{said}");
    phase.go_on();
    proxy.until_idle();
    phase.assert_clean("windlass clean");
}

#[test]
fn a_terminal_that_is_closed_stops_the_run() {
    for phase in ["start", "running", "closing"].map(Phase::new) {
        let mut child = phase.enter().close();
        // Nobody can see it say so, but it is kept.
        let events = phase.bed.records()[0].join("events.ndjson");
        until("it stops", || {
            std::fs::read_to_string(&events).is_ok_and(|told| told.contains("cancel_requested"))
        });
        phase.go_on();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::HUP.as_raw()));
        phase.bed.assert_clean();
    }
}

#[test]
fn a_run_that_outlives_its_terminal_passes() {
    let bed =
        Bed::with_script("echo up; sleep 1; i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done");
    let run = bed.command(&["run", "--output", "plain"]);
    let mut deaf = Command::new("/bin/sh");
    deaf.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(run.get_program()).args(run.get_args());
    deaf.current_dir(bed.project()).envs(run.get_envs().filter_map(|(n, v)| Some((n, v?))));
    let mut terminal = Terminal::start(&deaf);
    terminal.wait_for("│ up");
    let status = terminal.close().wait().unwrap();
    // A dead terminal takes no more, which is no failure even of what was asked for.
    assert_eq!(status.code(), Some(0));
    assert!(bed.log("unit").ends_with(b"line 1999\n"));
    bed.assert_clean();
}

/// A step that prints more than any pipe holds, and whose log is complete.
const FLOOD: &str =
    "i=0; while [ $i -lt 20000 ]; do echo a line of the flood, number $i; i=$((i+1)); done; echo the end";

#[test]
fn a_pipe_into_head_is_no_cancel() {
    let bed = Bed::with_script(FLOOD);
    let run = bed.command(&["run"]);
    let mut shell = Command::new("/bin/bash");
    shell.args(["-c", "\"$0\" run | head -1; exit ${PIPESTATUS[0]}"]).arg(run.get_program());
    shell.current_dir(bed.project()).envs(run.get_envs().filter_map(|(n, v)| Some((n, v?))));
    let (status, said) = Terminal::start(&shell).finish();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(bed.log("unit").ends_with(b"the end\n"));
    bed.assert_clean();
}

#[test]
fn a_stream_that_is_dead_takes_nothing_from_the_other() {
    let script = format!("echo told >&2; {FLOOD}");
    for output in ["plain", "json"] {
        for (stdout, stderr) in [("/dev/full", ""), ("", "/dev/full"), ("closed", ""), ("", "closed")] {
            let bed = Bed::with_script(&script);
            let end = |how: &str| match how {
                "" => (Stdio::piped(), None),
                "closed" => {
                    let (read, write) = std::io::pipe().unwrap();
                    drop(read);
                    (Stdio::from(write), None)
                }
                path => (Stdio::from(OpenOptions::new().write(true).open(path).unwrap()), Some(())),
            };
            let mut command = bed.command(&["run", "--output", output]);
            let ((out, full), (err, _)) = (end(stdout), end(stderr));
            let ended = command.stdout(out).stderr(err).output().unwrap();
            let shown = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
            // What was asked for and could not be written is said; a reader that went away is not.
            let code = if full.is_some() { 8 } else { 0 };
            assert_eq!(ended.status.code(), Some(code), "{output} {stdout:?} {stderr:?}: {}", shown.1);
            if stdout.is_empty() {
                assert!(shown.0.contains("the end"), "{output} {stderr:?}");
            }
            if full.is_some() {
                assert!(shown.1.contains("cannot write: No space left on device"), "{output}: {}", shown.1);
            }
            let log = bed.log("unit");
            let last = String::from_utf8_lossy(log.get(log.len().saturating_sub(200)..).unwrap_or(&log));
            assert!(
                log.ends_with(b"the end\n"),
                "{output} {stdout:?} {stderr:?}: {} bytes, {last}",
                log.len()
            );
            bed.assert_clean();
        }
    }
}
