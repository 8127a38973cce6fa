//! Ctrl-Z, then `fg`, and stops that nobody announces (row F7): steps run on, our own limits pause, no
//! output is lost, and nobody is taken for dead.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use crate::bed::{Bed, IMAGE, UNTIL_ENOUGH, full, until};
use crate::tty::{CTRL_C, CTRL_Z, Terminal};

/// A shell with job control, which shows what it does.
fn shell(bed: &Bed) -> Terminal {
    let mut shell = Command::new("/bin/sh");
    let run = bed.command(&[]);
    shell.arg("-i").current_dir(bed.project());
    shell.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PS1", "$ ");
    let mut terminal = Terminal::start(&shell);
    terminal.wait_for("$ ");
    terminal
}

/// Types a line that runs the program.
fn type_run(terminal: &mut Terminal, more: &str) {
    terminal.press(&format!("{} run {more}\n", env!("CARGO_BIN_EXE_windlass")));
}

/// Goes back to it, to have its exit code shown.
const FG: &str = "fg; echo ended with $?\n";

/// Types the end of the shell.
fn leave(mut terminal: Terminal) -> String {
    terminal.press("exit\n");
    terminal.finish().1
}

/// What a step has written to this file of the workspace.
fn written(bed: &Bed, name: &str) -> String {
    let trees = fs::read_dir(bed.home().join("trees")).unwrap();
    let places: Vec<PathBuf> = trees.map(|tree| tree.unwrap().path().join("upper").join(name)).collect();
    places.iter().find_map(|place| fs::read_to_string(place).ok()).unwrap_or_default()
}

/// Whether a process is stopped, by the system's word.
fn is_stopped(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.contains("State:\tT")
}

#[test]
fn ctrl_z_stops_the_runner_and_not_the_steps() {
    let bed = Bed::with_script(
        "i=0; while [ ! -e enough ]; do i=$((i+1)); echo line $i; echo $i >count; sleep 0.02; done",
    );
    let mut terminal = shell(&bed);
    type_run(&mut terminal, "");
    terminal.wait_for("│ line 1");
    terminal.press(CTRL_Z);
    terminal.wait_for("suspended; steps run on");
    terminal.wait_for("Stopped");
    let seen: u32 = written(&bed, "count").trim().parse().unwrap_or(0);
    until("the step runs on", || written(&bed, "count").trim().parse().is_ok_and(|now: u32| now > seen + 20));
    terminal.press(FG);
    terminal.wait_for("going on");
    bed.enough();
    terminal.wait_for("ended with 0");
    let _said = leave(terminal);
    let log = String::from_utf8(bed.log("unit")).unwrap();
    let complete = log.lines().enumerate().all(|(number, line)| line == format!("line {}", number + 1));
    assert!(complete && log.lines().count() > 20, "{log}");
    bed.assert_clean();
}

#[test]
fn ctrl_c_after_ctrl_z_still_stops() {
    let bed = Bed::with_script("trap 'exit 0' TERM; echo up; while true; do sleep 0.1; done");
    let mut terminal = shell(&bed);
    type_run(&mut terminal, "");
    terminal.wait_for("│ up");
    terminal.press(CTRL_Z);
    terminal.wait_for("Stopped");
    terminal.press("fg\n");
    terminal.wait_for("going on");
    terminal.press(CTRL_C);
    terminal.wait_for("stopping");
    // A shell that sees a program die of Ctrl-C drops the rest of the line.
    terminal.wait_for("cancelled");
    until("the run ends", || fs::read_dir(bed.home().join("ledger")).unwrap().next().is_none());
    let _said = leave(terminal);
    bed.assert_clean();
}

#[test]
fn ctrl_z_is_nothing_where_nobody_could_say_fg() {
    let bed = Bed::with_script(UNTIL_ENOUGH);
    let mut terminal = Terminal::start(&bed.command(&["run"]));
    terminal.wait_for("│ up");
    terminal.press(CTRL_Z);
    bed.enough();
    let (status, said) = terminal.finish();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("│ done") && !said.contains("suspended"), "{said}");
    bed.assert_clean();
}

#[test]
fn many_stops_under_load_lose_nothing() {
    let cycles = if full() { 200 } else { 15 };
    let flood = "i=0; while [ ! -e enough ]; do i=$((i+1)); echo line $i of a flood that goes on; done";
    let step = |name: &str| format!("{{ name: {name}, image: {IMAGE}, run: {flood:?} }}");
    let steps = ["a", "b", "c"].map(step).join(", ");
    let bed = Bed::new(&format!("stages: [{{ name: test, steps: [{steps}] }}]\n"));
    let mut terminal = shell(&bed);
    type_run(&mut terminal, "--jobs 3 --log-limit 4Gi >out");
    until("the steps run", || {
        fs::read_to_string(bed.project().join("out")).is_ok_and(|out| out.contains("c │"))
    });
    for cycle in 1..=cycles {
        terminal.press(CTRL_Z);
        terminal.wait_for_times("Stopped", cycle);
        terminal.press(FG);
        terminal.wait_for_times("going on", cycle);
    }
    bed.enough();
    terminal.wait_for("ended with 0");
    let _said = leave(terminal);
    let mut lines = 0;
    for step in ["a", "b", "c"] {
        for (number, line) in String::from_utf8(bed.log(step)).unwrap().lines().enumerate() {
            assert_eq!(line, format!("line {} of a flood that goes on", number + 1), "{step}");
            lines += 1;
        }
    }
    println!("{cycles} stops, {lines} lines");
    bed.assert_clean();
}

/// Stops the runner by a signal that it cannot see, once its step is up, for as long as this takes.
fn stopped(bed: &Bed, meanwhile: impl FnOnce()) -> crate::bed::Ran {
    let mut running = bed.start(&["run", "--output", "json"]);
    // Whatever came with it.
    running.wait_for("\"up\\n");
    running.signal(Signal::STOP);
    until("it stops", || is_stopped(running.id()));
    meanwhile();
    running.signal(Signal::CONT);
    running.finish()
}

#[test]
fn a_runner_that_stood_still_is_neither_dead_nor_late() {
    // Longer than an engine's call may take and than a step lives without its runner.
    let time = Duration::from_secs(if full() { 130 } else { 5 });
    let bed = Bed::with_script(
        "echo up; until [ -e enough ]; do sleep 0.1; done; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end",
    );
    let ran = stopped(&bed, || {
        bed.enough();
        sleep(time);
    });
    let ran = ran.code(0);
    assert_eq!(ran.ends()["unit"], "passed -");
    assert!(bed.log("unit").ends_with(b"x\nthe end\n"));
    bed.assert_clean();
    // The step's own limit is kept meanwhile.
    let bed = Bed::with_step("run: 'echo up; sleep 600', timeout: 12s");
    let ran = stopped(&bed, || sleep(time.max(Duration::from_secs(15)))).code(1);
    assert_eq!(ran.ends()["unit"], "failed timeout");
    bed.assert_clean();
}

#[test]
fn output_that_waits_for_a_stopped_runner_is_not_given_up() {
    // More than all buffers on the way hold, from a step that is at its limit by the time somebody reads.
    let flood = "echo up; until [ -e enough ]; do sleep 0.1; done; yes a line of a flood";
    let bed = Bed::with_step(&format!("run: '{flood}', timeout: 15s"));
    let ran = stopped(&bed, || {
        bed.enough();
        sleep(Duration::from_secs(if full() { 60 } else { 18 }));
    });
    assert_eq!(ran.ends()["unit"], "failed timeout");
    assert_eq!(ran.end_of("unit")["usage"]["log_bytes"], bed.log("unit").len());
    let _ran = ran.code(1);
    bed.assert_clean();
}
