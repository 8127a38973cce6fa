//! A person who is asked at a real terminal (L29): nothing is written into the question, y opens, Ctrl-C ends.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::bed::{Bed, IMAGE, PATIENCE};
use crate::tty::{CTRL_C, Terminal};

/// How often a step has written to this file of the workspace.
fn written(bed: &Bed, name: &str) -> usize {
    let trees = fs::read_dir(bed.home().join("trees")).into_iter().flatten();
    let places = trees.map(|tree| tree.unwrap().path().join("upper").join(name));
    places.filter_map(|place| fs::read(place).ok()).map(|bytes| bytes.len()).sum()
}

#[test]
fn a_question_has_the_screen_to_itself_until_it_is_answered_or_taken_back() {
    let bed = Bed::new(&format!(
        "defaults: {{ image: {IMAGE} }}
stages:
  - name: one
    steps:
      - {{ name: chatty, run: 'while ! [ -e go ]; do echo tick; echo >> ticks; sleep 0.02; done' }}
      - {{ name: first, run: touch go, gate: 'Go on?' }}
  - name: two
    steps:
      - {{ name: chatty-too, run: 'while true; do echo tock; sleep 0.02; done' }}
      - {{ name: second, run: echo never, gate: 'And on?' }}
"
    ));
    let mut terminal = Terminal::start(&bed.command(&["run"]));
    terminal.wait_for("first: Go on? [y/N] ");
    // It goes on printing meanwhile.
    let (start, before) = (Instant::now(), written(&bed, "ticks"));
    while written(&bed, "ticks") < before + 10 {
        assert!(start.elapsed() < PATIENCE, "the other step stands still");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(terminal.said().ends_with("first: Go on? [y/N] "), "{}", terminal.said());
    terminal.press("y\n");
    terminal.wait_for("gate opened on the terminal");
    terminal.wait_for("second: And on? [y/N] ");
    terminal.press(CTRL_C);
    let (status, said) = terminal.finish();
    assert_eq!(status.signal(), Some(2), "{status:?}\n{said}");
    assert!(said.contains("first: Go on? [y/N] y\r\n") && !said.contains("never"), "{said}");
    for line in ["second cancelled", "chatty passed", "│ tick"] {
        let found = said.lines().any(|shown| line.split_whitespace().all(|word| shown.contains(word)));
        assert!(found, "no {line:?} in\n{said}");
    }
}
