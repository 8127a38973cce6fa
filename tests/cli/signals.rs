//! Signals before there is a container: while the engine does not answer.

use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::TestHome;

const PIPELINE: &str = "stages: [{ name: s, steps: [{ name: a, image: busybox, run: 'true' }] }]\n";

/// Starts a run, and returns once it waits for an engine that never answers.
fn waiting(home: &TestHome, mut command: Command) -> (Child, UnixListener, impl Sized) {
    let engine = UnixListener::bind(home.socket()).expect("the place is ours");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is built");
    let (connection, _) = engine.accept().expect("the run connects");
    (child, engine, connection)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it is ours and runs");
}

#[test]
fn each_ends_the_run_and_is_seen_by_the_shell() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let home = TestHome::with_pipeline(PIPELINE);
        let (child, _engine, _connection) = waiting(&home, home.command(&["run"]));
        send(&child, signal);
        let output = child.wait_with_output().expect("it was started");
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{:?}", home.ended(&output));
        assert_eq!(home.leftovers(), [""; 0]);
    }
}

#[test]
fn one_that_was_ignored_from_the_start_stays_ignored() {
    let home = TestHome::with_pipeline(PIPELINE);
    let run = home.command(&["run"]);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(run.get_program()).args(run.get_args());
    shell.current_dir(home.work()).env_clear();
    shell.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    let (child, _engine, _connection) = waiting(&home, shell);
    send(&child, Signal::HUP);
    let output = child.wait_with_output().expect("it was started");
    home.ended(&output).code(5);
}
