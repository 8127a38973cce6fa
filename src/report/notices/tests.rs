use super::*;
use crate::report::samples::{Recording, Screen};

fn show(run: &Recording) -> String {
    let screen = Screen::default();
    run.show(&mut Notices::new(&run.plan, screen.writer(), Style::default()));
    screen.text()
}

fn cancel(run: &mut Recording, level: CancelLevel, reason: Reason) {
    run.push(100, EventKind::CancelRequested { level, reason });
}

#[test]
fn pulls_are_told_now_and_then() {
    let mut run = Recording::start();
    let image = || "rust:1.95".to_owned();
    run.push(0, EventKind::ImagePullStarted { image: image() });
    for (ms, current, total) in
        [(100, 1, 0), (5_000, 300 << 20, 0), (5_100, 301 << 20, 0), (10_000, 400 << 20, 800 << 20)]
    {
        run.push(ms, EventKind::ImagePullProgressed { image: image(), current, total });
    }
    run.push(12_300, EventKind::ImagePulled { image: image() });
    insta::assert_snapshot!(show(&run), @r"
    pulling rust:1.95
    pulling rust:1.95: 300.0 MiB
    pulling rust:1.95: 400.0 MiB of 800.0 MiB
    pulled rust:1.95 in 12.3s
    ");
}

#[test]
fn every_cancel_level_says_what_it_does() {
    let mut run = Recording::start();
    run.step_started(10, "compile", 1);
    for level in [CancelLevel::Drain, CancelLevel::Stop, CancelLevel::Kill, CancelLevel::Leave] {
        cancel(&mut run, level, Reason::CancelledByUser);
    }
    cancel(&mut run, CancelLevel::Stop, Reason::RunTimeout);
    insta::assert_snapshot!(show(&run), @r"
    stopping: no new step starts, what runs may finish
    stopping: TERM sent, KILL in 10 s; Ctrl-C again kills now
    stopping: KILL sent; Ctrl-C again leaves at once
    leaving: containers may remain, `windlass clean` removes them
    run timeout: stopping: TERM sent, KILL in 10 s
    ");
}

#[test]
fn a_stop_while_nothing_runs_promises_no_kill() {
    let mut run = Recording::start();
    cancel(&mut run, CancelLevel::Stop, Reason::CancelledByUser);
    insta::assert_snapshot!(show(&run), @"stopping: no new step starts; Ctrl-C again kills now");
}

#[test]
fn warnings_stay_on_their_line() {
    let mut run = Recording::start();
    run.push(
        1,
        EventKind::Warned { step: Some(StepId::new("lint")), message: "log\nnot kept\u{1b}[2J".into() },
    );
    run.push(2, EventKind::Warned { step: None, message: "the record is not complete".into() });
    run.push(3, EventKind::CleanupFailed { message: "container windlass-1: device busy".into() });
    insta::assert_snapshot!(show(&run), @r"
    warning: lint: log not kept
    warning: the record is not complete
    warning: could not remove container windlass-1: device busy; `windlass clean` tries again
    ");
}
