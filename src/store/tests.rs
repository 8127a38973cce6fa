use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::base::{RunId, StepId, Timestamp};
use crate::event::log::Logs;
use crate::event::{Event, EventKind, Stream};
use crate::report::samples::{RUN, Recording, Screen, failed_run};
use crate::report::{Feed, LogSource, Plain, Style, replay};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/record-1");

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn run_id() -> RunId {
    RunId::new(RUN)
}

/// Records a run as the runner does: logs first, then the events that point into them.
fn record(home: &Path, run: &Recording) -> Record {
    let record = Record::create(home, &run_id()).expect("an empty home takes a record");
    record.save_plan(&run.plan).expect("the plan is kept");
    write_logs(&record, run);
    run.show(&mut record.reader());
    record
}

fn write_logs(record: &Record, run: &Recording) {
    let logs = record.logs();
    let mut open = std::collections::BTreeMap::new();
    for Event { at, kind, .. } in &run.events {
        let EventKind::Output(output) = kind else { continue };
        let key = (output.step.clone(), output.attempt);
        let log = open
            .entry(key)
            .or_insert_with(|| Logs::open(logs.as_ref(), &output.step, output.attempt).expect("a new log"));
        let offset = log.append(output.stream, *at, &output.data).expect("there is room");
        assert_eq!(offset, output.offset);
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        }
        files.push(path);
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let to = to.join(path.strip_prefix(from).expect("it is below"));
        if path.is_dir() {
            fs::create_dir_all(&to).expect("a directory");
        } else {
            fs::create_dir_all(to.parent().expect("it has one")).expect("a directory");
            fs::copy(&path, &to).expect("a copy");
        }
    }
}

fn show(record: &Record) -> String {
    let screen = Screen::default();
    let plan = record.plan().expect("a plan");
    let events = record.events().expect("events").map(|event| event.expect("an event"));
    let mut reader = Plain::new(&plan, screen.writer(), Style::default());
    replay(&plan, events, record.logs().as_ref(), &mut reader);
    screen.text()
}

#[test]
fn a_stored_run_looks_as_it_did() {
    let home = home();
    let run = failed_run();
    record(home.path(), &run);
    let live = Screen::default();
    run.show(&mut Plain::new(&run.plan, live.writer(), Style::default()));
    let stored = Record::open(home.path(), &run_id()).expect("it is there");
    assert_eq!(stored.plan().expect("a plan"), run.plan);
    let events: Vec<_> = stored.events().expect("events").map(|event| event.expect("an event")).collect();
    assert_eq!(events, run.without_bytes());
    assert_eq!(show(&stored), live.text());
}

/// What format 1 is, byte for byte; the plan has golden files of its own. `UPDATE=1` rewrites the
/// files, which is right only before the format's first release.
#[test]
fn format_1_is_written_as_released() {
    let home = home();
    let record = record(home.path(), &failed_run());
    if std::env::var_os("UPDATE").is_some() {
        copy(record.directory(), Path::new(GOLDEN));
        return;
    }
    let written: Vec<_> = files(record.directory()).into_iter().filter(|path| path.is_file()).collect();
    for path in &written {
        let golden = Path::new(GOLDEN).join(path.strip_prefix(record.directory()).expect("it is below"));
        if !path.ends_with("plan.json") {
            assert_eq!(fs::read(path).ok(), fs::read(&golden).ok(), "{}", golden.display());
        }
    }
    assert_eq!(files(Path::new(GOLDEN)).iter().filter(|path| path.is_file()).count(), written.len());
}

#[test]
fn format_1_is_read() {
    let home = home();
    copy(Path::new(GOLDEN), &home.path().join("runs").join(RUN));
    let text = show(&Record::open(home.path(), &run_id()).expect("a released format"));
    assert!(text.contains("unit (features=tls) │ test b ... FAILED\n"), "{text}");
    assert!(text.contains("\nfailed  unit (features=tls): exit code 101 in 3.2s · "), "{text}");
}

#[test]
fn a_newer_record_is_refused_untouched() {
    let home = home();
    let directory = home.path().join("runs").join(RUN);
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("record.json"), r#"{"version":2,"new":true}"#).expect("a file");
    let refused = Record::open(home.path(), &run_id()).expect_err("version 2 is not known");
    assert_eq!(
        refused.to_string(),
        format!("run `{RUN}` is recorded in format 2, and this windlass knows up to 1")
    );
    assert_eq!(files(&directory).len(), 1);
    assert!(matches!(Record::create(home.path(), &run_id()), Err(StoreError::Write { .. })));
}

#[test]
fn a_run_that_is_not_there_is_named() {
    let home = home();
    let missing = Record::open(home.path(), &run_id()).expect_err("nothing is there");
    assert_eq!(missing.to_string(), format!("no run `{RUN}` is recorded"));
}

#[test]
fn only_the_owner_can_read() {
    let home = home();
    let record = record(home.path(), &failed_run());
    let mut all = files(record.directory());
    all.push(record.directory().to_owned());
    all.push(home.path().join("runs"));
    for path in all {
        let mode = fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[test]
fn runs_are_listed_from_the_oldest() {
    let home = home();
    assert_eq!(runs(home.path()).expect("no record is no error"), []);
    let ids = ["01jd9h2k3m4n5p6q7r8s9t0vwz", "01jd9h2k3m4n5p6q7r8s9t0vwa"].map(RunId::new);
    for id in &ids {
        Record::create(home.path(), id).expect("a record");
    }
    fs::write(home.path().join("runs/notes.txt"), "").expect("a file");
    let [newer, older] = ids;
    assert_eq!(runs(home.path()).expect("a list"), [older, newer.clone()]);
    assert_eq!(last(home.path()).expect("a list"), Some(newer));
}

#[test]
fn what_a_kill_left_torn_is_left_out() {
    let home = home();
    let run = failed_run();
    let record = record(home.path(), &run);
    let append = |name: &str, bytes: &[u8]| {
        let path = record.directory().join(name);
        let mut content = fs::read(&path).expect("it is there");
        content.extend_from_slice(bytes);
        fs::write(&path, content).expect("it can be written");
    };
    append("events.ndjson", b"{\"run\":\"01jd9\",\"seq\":99,\"at\xc3");
    append("logs/unit-1.1.log", b" and more");
    append("logs/unit-1.1.idx", &[7; 5]);
    assert_eq!(record.events().expect("events").count(), run.events.len());
    let log = record.log(&StepId::new("unit-1"), 1).expect("a log");
    let last = log.read_lines(log.lines().expect("a length") - 1, 9).expect("lines");
    assert_eq!(last.len(), 1);
    assert_eq!((last[0].stream, &last[0].bytes[..]), (Stream::Stderr, &b"error: test failed and more"[..]));
}

#[test]
fn a_damaged_event_is_named() {
    let home = home();
    let record = record(home.path(), &failed_run());
    let path = record.directory().join("events.ndjson");
    let content = fs::read_to_string(&path).expect("it is there");
    fs::write(&path, content.replacen("\"seq\":1,", "\"seq\":x,", 1)).expect("it can be written");
    let errors: Vec<_> = record.events().expect("events").filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].to_string(), format!("line 2 of `{}` is damaged", path.display()));
}

#[test]
fn a_recorder_that_cannot_write_says_so_once_and_goes_on() {
    use crate::report::Reader;
    let home = home();
    let record = Record::create(home.path(), &run_id()).expect("a record");
    fs::create_dir(record.directory().join("events.ndjson")).expect("a directory in the way");
    let mut reader = record.reader();
    failed_run().show(&mut reader);
    let failure = reader.failure().expect("it could not write");
    assert!(failure.starts_with("the record is not complete: cannot write `"), "{failure}");
}

#[test]
fn the_index_of_short_lines_is_small_and_finds_each() {
    let home = home();
    let record = Record::create(home.path(), &run_id()).expect("a record");
    let (logs, step) = (record.logs(), StepId::new("unit"));
    let mut log = Logs::open(logs.as_ref(), &step, 1).expect("a new log");
    let text: String = (0..200_000).map(|line| format!("{line}\n")).collect();
    for piece in text.as_bytes().chunks(50_000) {
        log.append(Stream::Stdout, Timestamp(1), piece).expect("there is room");
    }
    log.append(Stream::Stdout, Timestamp(2), b"the last").expect("there is room");
    let index = record.directory().join("logs/unit.1.idx");
    assert!(fs::metadata(index).expect("it is there").len() * 100 < text.len() as u64);
    let stored = record.log(&step, 1).expect("a log");
    assert_eq!(stored.lines().expect("a length"), 200_001);
    for first in [0, 1, 12_345, 99_999, 199_998] {
        let lines = stored.read_lines(first, 2).expect("lines");
        let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(&line.bytes)).collect();
        assert_eq!(lines, [format!("{first}\n"), format!("{}\n", first + 1)]);
    }
    assert_eq!(stored.read_lines(200_000, 2).expect("lines")[0].bytes, b"the last");
    assert_eq!(stored.read_lines(200_001, 2).expect("lines"), []);
}

#[test]
fn a_reader_that_lags_finds_all_of_it_in_the_record() {
    let home = home();
    let mut run = Recording::start();
    run.step_started(1, "lint", 1);
    for line in 0..3_000 {
        run.print(1, "lint", 1, Stream::Stdout, format!("{line:04}{}\n", "x".repeat(2_000)).as_bytes());
        run.print(1, "lint", 1, Stream::Stderr, b"warning\n");
    }
    let record = Record::create(home.path(), &run_id()).expect("a record");
    write_logs(&record, &run);
    let (screen, live) = (Screen::default(), Screen::default());
    let mut feed = Feed::new(&run.plan, record.logs() as Arc<dyn LogSource>);
    feed.add(Box::new(Plain::new(&run.plan, screen.writer(), Style::default())));
    feed.add(Box::new(record.reader()));
    for event in &run.events {
        feed.send(event.clone());
    }
    assert_eq!(feed.finish(|| std::time::Duration::from_mins(5)), []);
    run.show(&mut Plain::new(&run.plan, live.writer(), Style::default()));
    assert_eq!(screen.text(), live.text());
    let recorded = record.events().expect("events").map(|event| event.expect("an event"));
    let len = |events: &mut dyn Iterator<Item = Event>| -> u64 {
        events.map(|event| if let EventKind::Output(output) = event.kind { output.len } else { 0 }).sum()
    };
    assert_eq!(len(&mut recorded.into_iter()), len(&mut run.events.iter().cloned()));
}

fn appends() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let bytes = proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..8);
    proptest::collection::vec((any::<bool>(), bytes), 0..20)
}

proptest! {
    #[test]
    fn the_index_tells_lines_and_streams(appends in appends()) {
        let home = home();
        let record = Record::create(home.path(), &run_id()).expect("a record");
        let (logs, step) = (record.logs(), StepId::new("unit"));
        let mut log = Logs::open(logs.as_ref(), &step, 1).expect("a new log");
        let mut all: Vec<(Stream, u8)> = Vec::new();
        for (place, (stderr, bytes)) in appends.iter().enumerate() {
            let stream = if *stderr { Stream::Stderr } else { Stream::Stdout };
            log.append(stream, Timestamp(place as u64 * 40), bytes).expect("there is room");
            all.extend(bytes.iter().map(|byte| (stream, *byte)));
        }
        let stored = record.log(&step, 1).expect("a log");
        for (offset, (stream, _)) in all.iter().enumerate() {
            let same = all[offset..].iter().take_while(|(other, _)| other == stream).count();
            let expected = (*stream, (offset + same) as u64);
            prop_assert_eq!(stored.stream_at(offset as u64).expect("a byte"), expected);
        }
        let lines = stored.read_lines(0, u64::MAX).expect("lines");
        let joined: Vec<u8> = lines.iter().flat_map(|line| line.bytes.clone()).collect();
        prop_assert_eq!(joined, all.iter().map(|(_, byte)| *byte).collect::<Vec<_>>());
        for stream in [Stream::Stdout, Stream::Stderr] {
            let of_it: Vec<u8> = all.iter().filter(|(other, _)| *other == stream).map(|(_, byte)| *byte).collect();
            let whole: Vec<_> = of_it.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let mut read: Vec<Vec<u8>> = Vec::new();
            for line in lines.iter().filter(|line| line.stream == stream) {
                match read.last_mut() {
                    Some(last) if line.goes_on => last.extend(&line.bytes),
                    _ => read.push(line.bytes.clone()),
                }
            }
            prop_assert_eq!(read, whole);
        }
        let first = stored.lines().expect("a length") / 2;
        prop_assert_eq!(stored.read_lines(first, 2).expect("lines"), lines.iter().skip(first as usize).take(2).cloned().collect::<Vec<_>>());
    }
}
