use proptest::prelude::*;

use super::*;
use crate::report::samples::{Recording, Screen, failed_run, shop, took};

const PLAIN: Style = Style { color: false, unicode: true, width: None };

fn show(run: &Recording, style: Style) -> String {
    let screen = Screen::default();
    run.show(&mut Plain::new(&run.plan, screen.writer(), style));
    screen.text()
}

#[test]
fn a_failed_run() {
    insta::assert_snapshot!(show(&failed_run(), PLAIN), @r"
    shop  run 01jd9h2k3m4n5p6q7r8s9t0vwx on docker 20.10.24 (unix:///var/run/docker.sock)
    source  /home/me/shop at 1a2b3c4d5e6f (main): 3 changed, 1 untracked in, 2 ignored left out
    note: memory limits are not enforced here
    compile             ├ started
    compile             │    Compiling shop v0.1.0
    compile             └ passed in 2.0s
    unit (features=tls) ├ started
    lint                ├ started
    unit (features=tls) │ running 2 tests
    unit (features=tls) │ test a ... ok
    lint                │ 100%
    lint                ├ attempt 1 lost: daemon lost: connection reset in 0.1s; trying again
    lint                ├ started, attempt 2
    lint                └ passed in 0.5s (flaky)
    unit (features=tls) │ test b ... FAILED
    unit (features=tls) │
    unit (features=tls) │ assertion failed: 1 == 2
    unit (features=tls) │ error: test failed
    unit (features=tls) └ failed: exit code 101 in 3.2s
    push                └ skipped: dependency failed: unit-1 failed

    ✓ build                  passed        2.0s
      ✓ compile              passed        2.0s
    ✗ test                   failed        3.2s
      ✗ unit (features=tls)  failed        3.2s  exit code 101
      ✓ lint                 passed        0.5s  flaky, 2 attempts
    ⊘ deploy                 skipped
      ⊘ push                 skipped             dependency failed: unit-1 failed

    ✗ unit (features=tls) failed: exit code 101 in 3.2s
        running 2 tests
        test a ... ok
        test b ... FAILED

        assertion failed: 1 == 2
        error: test failed

    failed  unit (features=tls): exit code 101 in 3.2s · 2 steps passed (1 flaky) · 1 failed · 1 skipped · 5.5s in all · run 01jd9h2k3m4n5p6q7r8s9t0vwx
    ");
}

#[test]
fn a_failed_run_in_ascii_and_on_a_narrow_terminal() {
    let style = Style { unicode: false, width: Some(60), ..PLAIN };
    insta::assert_snapshot!(tree_of(&show(&failed_run(), style)), @r"
    + build                  passed        2.0s
      + compile              passed        2.0s
    x test                   failed        3.2s
      x unit (features=tls)  failed        3.2s  exit code 101
      + lint                 passed        0.5s  flaky, 2 attempts
    - deploy                 skipped
      - push                 skipped             dependency failed...

    x unit (features=tls) failed: exit code 101 in 3.2s
        running 2 tests
        test a ... ok
        test b ... FAILED

        assertion failed: 1 == 2
        error: test failed

    failed  unit (features=tls): exit code 101 in 3.2s - 2 steps passed (1 flaky) - 1 failed - 1 skipped - 5.5s in all - run 01jd9h2k3m4n5p6q7r8s9t0vwx
    ");
}

#[test]
fn colours_are_ours_and_the_steps_own() {
    let text = show(&failed_run(), Style { color: true, ..PLAIN });
    assert!(text.contains("\u{1b}[32m   Compiling\u{1b}[0m shop v0.1.0\n"), "{text}");
    assert!(text.contains("\u{1b}[31mfailed\u{1b}[0m  unit (features=tls): exit code 101"), "{text}");
    let plain = show(&failed_run(), PLAIN);
    let lines = |text: &str| -> String {
        text.lines().map(|line| crate::report::ansi::one_line(line).trim_end().to_owned() + "\n").collect()
    };
    assert_eq!(lines(&text), lines(&plain), "colour carries no meaning");
}

#[test]
fn a_replay_shows_what_was_shown_live() {
    let run = failed_run();
    for style in [PLAIN, Style { color: true, unicode: false, width: Some(40) }] {
        let again = Screen::default();
        run.show_again(&mut Plain::new(&run.plan, again.writer(), style));
        assert_eq!(again.text(), show(&run, style));
    }
}

#[test]
fn a_passed_run_with_flaky_allowed_and_skipped_steps() {
    let mut run = Recording::start();
    run.stage_started(0, "build");
    run.step_started(0, "compile", 1);
    run.attempt_ended(100, "compile", 1, &took(100, End::exited(75)), true);
    run.step_started(200, "compile", 2);
    run.attempt_ended(300, "compile", 2, &took(100, End::exited(0)), false);
    step_ended(&mut run, 300, "compile", took(100, End::exited(0)), false);
    run.stage_ended(300, "build", Outcome::Passed);
    run.stage_started(300, "test");
    run.step_started(300, "lint", 1);
    run.attempt_ended(400, "lint", 1, &took(100, End::exited(2)), false);
    step_ended(&mut run, 400, "lint", took(100, End::exited(2)), true);
    run.step_ended(400, "unit-1", End::skipped(Reason::ConditionFalse, Some("not on main".into())));
    run.stage_ended(400, "test", Outcome::Passed);
    run.step_ended(400, "push", End::skipped(Reason::NotSelected, None));
    run.stage_ended(400, "deploy", Outcome::Skipped);
    run.run_ended(500, Outcome::Passed, None);
    insta::assert_snapshot!(show(&run, PLAIN), @r"
    shop  run 01jd9h2k3m4n5p6q7r8s9t0vwx on docker 20.10.24 (unix:///var/run/docker.sock)
    source  /home/me/shop at 1a2b3c4d5e6f (main): 3 changed, 1 untracked in, 2 ignored left out
    note: memory limits are not enforced here
    compile             ├ started
    compile             ├ attempt 1 failed: exit code 75 in 0.1s; trying again
    compile             ├ started, attempt 2
    compile             └ passed in 0.1s (flaky)
    lint                ├ started
    lint                └ failed (allowed): exit code 2 in 0.1s
    unit (features=tls) └ skipped: condition false: not on main

    ✓ build                  passed        0.3s
      ✓ compile              passed        0.1s  flaky, 2 attempts
    ✓ test                   passed        0.1s
      ⊘ unit (features=tls)  skipped             condition false: not on main
      ! lint                 failed        0.1s  exit code 2, allowed
    ⊘ deploy                 skipped
      ⊘ push                 skipped             not selected

    passed  1 step passed (1 flaky) · 1 failed but allowed · 2 skipped · 0.5s in all · run 01jd9h2k3m4n5p6q7r8s9t0vwx
    ");
}

#[test]
fn a_run_in_which_nothing_ran_says_so() {
    let mut run = Recording::start();
    for step in ["compile", "unit-1", "lint", "push"] {
        run.step_ended(0, step, End::skipped(Reason::ConditionFalse, None));
    }
    run.run_ended(10, Outcome::Passed, None);
    let text = show(&run, PLAIN);
    insta::assert_snapshot!(text.lines().last().unwrap_or_default(), @"passed  every step was skipped, nothing ran · 4 steps skipped · 0.0s in all · run 01jd9h2k3m4n5p6q7r8s9t0vwx");
}

#[test]
fn a_cancelled_run_tells_what_never_ended() {
    let mut run = Recording::start();
    run.stage_started(0, "build");
    run.step_started(0, "compile", 1);
    run.print(5, "compile", 1, Stream::Stdout, b"half a line");
    run.run_ended(60, Outcome::Cancelled, Some(Reason::CancelledByUser));
    insta::assert_snapshot!(tree_of(&show(&run, PLAIN)), @r"
    ⊘ build                  not ended
      ⊘ compile              not ended
    ⊘ test                   not ended
      ⊘ unit (features=tls)  not ended
      ⊘ lint                 not ended
    ⊘ deploy                 not ended
      ⊘ push                 not ended

    cancelled  cancelled by user · 0.1s in all · run 01jd9h2k3m4n5p6q7r8s9t0vwx
    compile             │ half a line
    ");
}

#[test]
fn of_several_failed_steps_the_first_stands_last() {
    let mut run = Recording::start();
    for (step, code) in [("lint", 2), ("unit-1", 101)] {
        run.step_started(0, step, 1);
        for line in 0..30 {
            run.print(1, step, 1, Stream::Stderr, format!("{step} line {line}\n\n\n").as_bytes());
        }
        run.step_ended(2000, step, took(2000, End::exited(code)));
    }
    run.run_ended(2000, Outcome::Failed, Some(Reason::ExitCode));
    let text = show(&run, PLAIN);
    let blocks = text.split_once("✗ unit (features=tls) failed: exit").expect("the block is there").1;
    let (second, first) = blocks.split_once("✗ lint failed: exit").expect("and that of the first behind it");
    assert_eq!(second.lines().filter(|line| line.contains("unit-1 line")).count(), 5);
    assert_eq!(first.lines().filter(|line| line.contains("lint line")).count(), 10);
    assert!(first.ends_with('\n'), "{first}");
    let last: Vec<_> = first.trim_end().lines().rev().take(4).collect();
    insta::assert_debug_snapshot!(last, @r#"
    [
        "failed  lint: exit code 2 in 2.0s · 2 steps failed · 2.0s in all · run 01jd9h2k3m4n5p6q7r8s9t0vwx",
        "",
        "    lint line 29",
        "",
    ]
    "#);
}

#[test]
fn what_a_program_left_behind_is_told() {
    let usage =
        Usage { dropped_bytes: 3 << 20, dropped_lines: 1, oom_kills: 2, leaky: true, ..Usage::default() };
    let mut run = Recording::start();
    run.step_started(0, "lint", 1);
    run.print(1, "lint", 1, Stream::Stdout, b"no end");
    run.step_ended(2, "lint", End { usage: Some(usage), ..took(2, End::exited(0)) });
    let text = show(&run, PLAIN);
    insta::assert_snapshot!(text.split_once("started\n").unwrap_or_default().1, @r"
    lint                │ no end
    lint                ├ log limit reached: 3.0 MiB in 1 line dropped
    lint                ├ out of memory: the kernel killed 2 of its processes
    lint                ├ something held its output open after its end, and was killed
    lint                └ passed in 0.0s
    ");
}

#[test]
fn output_that_is_gone_is_named() {
    let mut run = Recording::start();
    run.step_started(0, "lint", 1);
    run.print(1, "lint", 1, Stream::Stdout, b"gone");
    run.logs = std::sync::Arc::default();
    let screen = Screen::default();
    run.show_again(&mut Plain::new(&run.plan, screen.writer(), PLAIN));
    let text = screen.text();
    insta::assert_snapshot!(text.lines().last().unwrap_or_default(), @"lint                ├ 4 bytes not shown: they could not be read from the log");
}

#[test]
fn hostile_names_and_messages_stay_text() {
    let mut run = Recording::new(shop());
    run.push(
        0,
        EventKind::RunStarted {
            version: 1,
            pipeline: "a\nb\u{1b}[2J".into(),
            backend: "\u{1b}]0;x\u{7}docker".into(),
            source: SourceSummary {
                location: "/tmp/\u{202e}\u{9b}31mx\ny".into(),
                ..SourceSummary::default()
            },
            notes: vec!["\u{1b}[31mred\r\n".into()],
        },
    );
    let message = Some("line one\nline two\u{1b}[H".into());
    run.step_ended(1, "lint", took(0, End::because(Reason::ImageNotFound, message)));
    run.run_ended(2, Outcome::Failed, Some(Reason::ImageNotFound));
    let text = show(&run, Style { color: false, ..PLAIN });
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    assert!(
        text.ends_with("line one line two · 1 step failed · 0.0s in all · run 01jd9h2k3m4n5p6q7r8s9t0vwx\n"),
        "{text}"
    );
}

#[test]
fn a_closed_pipe_is_no_failure_and_a_full_disk_is() {
    struct Broken(std::io::ErrorKind);
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let run = failed_run();
    let failure = |kind| {
        let mut plain = Plain::new(&run.plan, Box::new(Broken(kind)), PLAIN);
        run.show(&mut plain);
        plain.failure()
    };
    assert_eq!(failure(std::io::ErrorKind::BrokenPipe), None);
    assert!(
        failure(std::io::ErrorKind::StorageFull).is_some_and(|failure| failure.starts_with("cannot write"))
    );
}

proptest! {
    #[test]
    fn any_bytes_end_as_text_and_colours(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10)) {
        let mut run = Recording::start();
        run.step_started(0, "lint", 1);
        for chunk in &chunks {
            run.print(1, "lint", 1, Stream::Stdout, chunk);
        }
        run.step_ended(2, "lint", took(2, End::exited(1)));
        run.run_ended(2, Outcome::Failed, Some(Reason::ExitCode));
        let text = show(&run, Style { color: true, ..PLAIN });
        for line in text.lines() {
            prop_assert_eq!(crate::report::ansi::printable(line.as_bytes(), true).replace("\u{1b}[0m", ""), line.replace("\u{1b}[0m", ""));
        }
    }
}

fn step_ended(run: &mut Recording, ms: u64, step: &str, end: End, allowed: bool) {
    run.push(ms, EventKind::StepEnded { step: StepId::new(step), end, allowed });
}

/// From the empty line before the tree on.
fn tree_of(text: &str) -> &str {
    text.split_once("\n\n").unwrap_or_default().1
}
