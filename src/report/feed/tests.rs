use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;

use super::*;
use crate::base::{Outcome, StepId};
use crate::event::Stream;
use crate::report::queue::BUDGET;
use crate::report::samples::{MemoryLogs, Recording, Screen, failed_run};
use crate::report::{Ndjson, Plain, Style};

/// Longer than any reader here needs that reads at all.
const LONG: Duration = Duration::from_mins(5);

/// Keeps what it reads, once it may.
struct Keeper {
    kept: Arc<Mutex<Vec<Event>>>,
    gate: Option<Receiver<()>>,
    need: OutputNeed,
}

impl Keeper {
    fn new(need: OutputNeed) -> (Self, Arc<Mutex<Vec<Event>>>) {
        let kept = Arc::<Mutex<Vec<Event>>>::default();
        (Self { kept: Arc::clone(&kept), gate: None, need }, kept)
    }

    /// One that is blocked until the sender is dropped.
    fn blocked(need: OutputNeed) -> (Self, Arc<Mutex<Vec<Event>>>, Sender<()>) {
        let (open, gate) = channel();
        let (keeper, kept) = Self::new(need);
        (Self { gate: Some(gate), ..keeper }, kept, open)
    }
}

impl Reader for Keeper {
    fn read(&mut self, event: &Event, _state: &RunState) {
        if let Some(gate) = self.gate.take() {
            let _ = gate.recv();
        }
        self.kept.lock().expect("no reader panics with it").push(event.clone());
    }

    fn output(&self) -> OutputNeed {
        self.need
    }
}

fn feed(run: &Recording) -> Feed {
    Feed::new(&run.plan, Arc::clone(&run.logs) as Arc<dyn LogSource>)
}

fn send_all(feed: &mut Feed, run: &Recording) {
    for event in &run.events {
        feed.send(event.clone());
    }
}

fn outputs(events: &[Event]) -> impl Iterator<Item = &crate::event::Output> {
    events.iter().filter_map(|event| match &event.kind {
        EventKind::Output(output) => Some(output),
        _ => None,
    })
}

/// A run that prints much more than a queue takes: two steps at once, both streams of each.
fn flood(rounds: usize, size: usize) -> Recording {
    let mut run = Recording::start();
    run.step_started(1, "unit-1", 1);
    run.step_started(1, "lint", 1);
    let chunk = vec![b'x'; size];
    for _ in 0..rounds {
        run.print(2, "unit-1", 1, Stream::Stdout, &chunk);
        run.print(2, "lint", 1, Stream::Stdout, &chunk);
        run.print(2, "lint", 1, Stream::Stderr, b"warning\n");
    }
    run.run_ended(3, Outcome::Passed, None);
    run
}

#[test]
fn every_reader_gets_every_event_in_order() {
    let run = failed_run();
    let mut feed = feed(&run);
    let readers = [(); 3].map(|()| Keeper::new(OutputNeed::Bytes));
    let kept = readers.map(|(keeper, kept)| {
        feed.add(Box::new(keeper));
        kept
    });
    send_all(&mut feed, &run);
    assert_eq!(feed.finish(|| LONG), []);
    for kept in kept {
        assert_eq!(*kept.lock().expect("no reader panics with it"), run.events);
    }
}

#[test]
fn output_is_given_as_a_reader_needs_it() {
    let run = failed_run();
    let mut feed = feed(&run);
    let (places, kept_places) = Keeper::new(OutputNeed::Places);
    let (nothing, kept_nothing) = Keeper::new(OutputNeed::Nothing);
    feed.add(Box::new(places));
    feed.add(Box::new(nothing));
    send_all(&mut feed, &run);
    assert_eq!(feed.finish(|| LONG), []);
    let kept = kept_places.lock().expect("no reader panics with it");
    assert!(outputs(&kept).all(|output| output.data.is_empty()));
    let len = |events: &[Event]| outputs(events).map(|output| output.len).sum::<u64>();
    assert_eq!(len(&kept), len(&run.events));
    assert_eq!(outputs(&kept_nothing.lock().expect("no reader panics with it")).count(), 0);
}

#[test]
fn a_blocked_reader_costs_no_more_than_its_budget() {
    for (need, run) in [(OutputNeed::Bytes, flood(1_000, 4_000)), (OutputNeed::Places, flood(12_000, 10))] {
        let mut feed = feed(&run);
        let (keeper, kept, open) = Keeper::blocked(need);
        feed.add(Box::new(keeper));
        send_all(&mut feed, &run);
        let (cost, places) = feed.readers[0].queue.size();
        assert!(cost <= BUDGET + 1024, "{cost}");
        assert!(places <= run.events.len() / 2, "{places} of {}", run.events.len());
        drop(open);
        assert_eq!(feed.finish(|| LONG), []);
        let kept = kept.lock().expect("no reader panics with it");
        assert!(kept.is_sorted_by_key(|event| event.seq), "order is kept");
        assert_eq!(kept.last(), run.events.last());
        assert!(outputs(&kept).all(|output| output.data.is_empty() == (need == OutputNeed::Places)));
        for step in ["unit-1", "lint"] {
            for stream in [Stream::Stdout, Stream::Stderr] {
                assert_eq!(log(&kept, step, stream, need), log(&run.events, step, stream, need), "{step}");
            }
        }
    }
}

/// What a step printed on a stream, or how much on both.
fn log(events: &[Event], step: &str, stream: Stream, need: OutputNeed) -> (u64, Vec<u8>) {
    let places = need == OutputNeed::Places;
    let of_it = || {
        outputs(events)
            .filter(|output| output.step == StepId::new(step) && (places || output.stream == stream))
    };
    let bytes = of_it().flat_map(|output| output.data.to_vec()).collect();
    (of_it().map(|output| output.len).sum(), if need == OutputNeed::Bytes { bytes } else { Vec::new() })
}

#[test]
fn what_the_log_does_not_have_is_said() {
    let mut run = flood(1_000, 4_000);
    run.logs = Arc::new(MemoryLogs::default());
    let mut feed = feed(&run);
    let (keeper, kept, open) = Keeper::blocked(OutputNeed::Bytes);
    feed.add(Box::new(keeper));
    send_all(&mut feed, &run);
    drop(open);
    assert_eq!(feed.finish(|| LONG), []);
    let kept = kept.lock().expect("no reader panics with it");
    assert!(outputs(&kept).any(|output| output.data.is_empty() && output.len > 0));
    let len = |events: &[Event]| outputs(events).map(|output| output.len).sum::<u64>();
    assert_eq!(len(&kept), len(&run.events));
}

#[test]
fn a_dead_reader_takes_nobody_with_it() {
    struct Dies;
    impl Reader for Dies {
        fn read(&mut self, event: &Event, _state: &RunState) {
            assert!(event.seq < 2, "planted");
        }
        fn name(&self) -> &'static str {
            "dies"
        }
    }
    let run = failed_run();
    let mut feed = feed(&run);
    let (keeper, kept) = Keeper::new(OutputNeed::Bytes);
    feed.add(Box::new(Dies));
    feed.add(Box::new(keeper));
    send_all(&mut feed, &run);
    let failures = feed.finish(|| LONG);
    assert_eq!(failures, [ReaderFailure { reader: "dies", message: "broke: planted".into() }]);
    assert_eq!(kept.lock().expect("no reader panics with it").len(), run.events.len());
}

#[test]
fn a_stuck_reader_is_left_behind() {
    let run = failed_run();
    let mut feed = feed(&run);
    let (stuck, _, open) = Keeper::blocked(OutputNeed::Bytes);
    let screen = Screen::default();
    feed.add(Box::new(stuck));
    feed.add(Box::new(Ndjson::new(screen.writer())));
    send_all(&mut feed, &run);
    feed.close();
    while !feed.readers[1].thread.is_finished() {
        std::thread::yield_now();
    }
    let failures = feed.finish(|| Duration::from_millis(20));
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(screen.text().lines().count(), run.events.len());
    drop(open);
}

#[test]
fn a_feed_that_is_dropped_lets_its_readers_go() {
    let run = failed_run();
    let mut feed = feed(&run);
    let (keeper, kept) = Keeper::new(OutputNeed::Bytes);
    feed.add(Box::new(keeper));
    send_all(&mut feed, &run);
    drop(feed);
    while Arc::strong_count(&kept) > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn plain_through_a_feed_is_plain() {
    let run = failed_run();
    let (direct, through) = (Screen::default(), Screen::default());
    run.show(&mut Plain::new(&run.plan, direct.writer(), Style::default()));
    let mut feed = feed(&run);
    feed.add(Box::new(Plain::new(&run.plan, through.writer(), Style::default())));
    send_all(&mut feed, &run);
    assert_eq!(feed.finish(|| LONG), []);
    assert_eq!(through.text(), direct.text());
}

#[test]
fn an_event_without_bytes_is_passed_as_it_is() {
    let mut run = Recording::start();
    run.print(1, "lint", 1, Stream::Stdout, b"");
    let mut feed = feed(&run);
    let (keeper, kept) = Keeper::new(OutputNeed::Bytes);
    feed.add(Box::new(keeper));
    send_all(&mut feed, &run);
    assert_eq!(feed.finish(|| LONG), []);
    let kept = kept.lock().expect("no reader panics with it");
    assert_eq!(outputs(&kept).map(|output| output.data.clone()).collect::<Vec<_>>(), [Bytes::new()]);
}
