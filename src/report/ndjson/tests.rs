use std::collections::BTreeSet;
use std::fs;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;

use super::*;
use crate::base::{Outcome, Reason, StageId};
use crate::event::{CancelLevel, End, Usage};
use crate::plan::Awaited;
use crate::report::samples::{Recording, Screen};

const GOLDEN: &str = include_str!("../../../tests/golden/stream-1.ndjson");
const DOCS: &str = include_str!("../../../docs/events.md");

/// Every type of event, with every field filled.
fn everything() -> Recording {
    let mut run = Recording::start();
    let image = || "rust:1.95".to_owned();
    run.push(1, EventKind::ImagePullStarted { image: image() });
    run.push(2, EventKind::ImagePullProgressed { image: image(), current: 10, total: 20 });
    run.push(3, EventKind::ImagePulled { image: image() });
    let step = || StepId::new("compile");
    run.push(4, EventKind::GateReached { step: step(), question: "Compile?".into() });
    run.push(4, EventKind::GateAnswered { step: step(), opened: true, message: "by --approve".into() });
    let (kind, what) = (Awaited::Url, "https://shop.example/health".to_owned());
    run.push(4, EventKind::WaitStarted { step: step(), kind, what });
    run.push(4, EventKind::WaitEnded { step: step() });
    run.stage_started(4, "build");
    let (step, attempt, service) = (StepId::new("compile"), 1, "db".to_owned());
    run.push(4, EventKind::ServiceStarted { step: step.clone(), attempt, service: service.clone() });
    run.push(4, EventKind::ServiceReady { step: step.clone(), attempt, service: service.clone() });
    let (failed, message) = (true, "ended early: exit code 1".to_owned());
    let last_lines = vec!["no space left".to_owned()];
    run.push(4, EventKind::ServiceEnded { step, attempt, service, failed, message, last_lines });
    run.step_started(4, "compile", 1);
    run.print(5, "compile", 1, Stream::Stdout, "gr\u{fc}n\n".as_bytes());
    run.print(6, "compile", 1, Stream::Stderr, b"\xff\x00\x1b[31m");
    run.push(7, EventKind::Warned { step: Some(StepId::new("compile")), message: "log limit".into() });
    run.push(8, EventKind::CancelRequested { level: CancelLevel::Stop, reason: Reason::CancelledByUser });
    let usage = Usage {
        peak_memory: 1 << 20,
        cpu_ms: 7,
        log_bytes: 13,
        log_sha256: "00ff".into(),
        dropped_bytes: 1,
        dropped_lines: 1,
        leaky: true,
        oom_kills: 1,
    };
    let end = End {
        exit_code: Some(143),
        signal: Some(15),
        duration_ms: 5,
        usage: Some(usage),
        ..End::because(Reason::CancelledByUser, Some("ended by TERM".into()))
    };
    let (step, outputs) = (StepId::new("compile"), [("version".to_owned(), "1.2\n3".to_owned())].into());
    run.push(9, EventKind::OutputsWritten { step, attempt: 1, outputs });
    run.attempt_ended(9, "compile", 1, &end, false);
    run.push(9, EventKind::StepEnded { step: StepId::new("compile"), end, allowed: false });
    run.push(9, EventKind::StageEnded { stage: StageId::new("build"), outcome: Outcome::Cancelled });
    run.push(10, EventKind::CleanupFailed { message: "container: device busy".into() });
    let (outcome, reason) = (Outcome::Cancelled, Some(Reason::CancelledByUser));
    run.push(11, EventKind::RunEnded { outcome, reason, message: Some("stopped".into()) });
    run
}

fn stream(run: &Recording) -> String {
    let screen = Screen::default();
    run.show(&mut Ndjson::new(screen.writer()));
    screen.text()
}

fn is_known(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::RunStarted { .. } => "run_started",
        EventKind::StageStarted { .. } => "stage_started",
        EventKind::ImagePullStarted { .. } => "image_pull_started",
        EventKind::ImagePullProgressed { .. } => "image_pull_progressed",
        EventKind::ImagePulled { .. } => "image_pulled",
        EventKind::GateReached { .. } => "gate_reached",
        EventKind::GateAnswered { .. } => "gate_answered",
        EventKind::WaitStarted { .. } => "wait_started",
        EventKind::WaitEnded { .. } => "wait_ended",
        EventKind::ServiceStarted { .. } => "service_started",
        EventKind::ServiceReady { .. } => "service_ready",
        EventKind::ServiceEnded { .. } => "service_ended",
        EventKind::StepStarted { .. } => "step_started",
        EventKind::Output(_) => "output",
        EventKind::OutputsWritten { .. } => "outputs_written",
        EventKind::AttemptEnded { .. } => "attempt_ended",
        EventKind::StepEnded { .. } => "step_ended",
        EventKind::StageEnded { .. } => "stage_ended",
        EventKind::Warned { .. } => "warned",
        EventKind::CancelRequested { .. } => "cancel_requested",
        EventKind::CleanupFailed { .. } => "cleanup_failed",
        EventKind::RunEnded { .. } => "run_ended",
    }
}

#[test]
fn the_types_are_those_of_the_events() {
    let types: BTreeSet<_> = everything().events.iter().map(|event| is_known(&event.kind)).collect();
    assert_eq!(types, BTreeSet::from(TYPES), "`everything` and `TYPES` name every kind");
    for event in everything().events {
        let value: Value = serde_json::from_str(&line(&event)).expect("a line is JSON");
        assert_eq!(value["event"]["type"], is_known(&event.kind));
    }
}

/// What version 1 writes is this, byte for byte. `UPDATE=1` rewrites the file, which is right only
/// before the version's first release or for a field that was added.
#[test]
fn version_1_is_written_as_released() {
    let stream = stream(&everything());
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/stream-1.ndjson");
        fs::write(path, &stream).expect("the golden file can be written");
        return;
    }
    assert_eq!(stream, GOLDEN);
}

#[test]
fn version_1_is_read() {
    let events: Vec<_> =
        GOLDEN.lines().map(|line| read_line(line).expect("a released line").expect("a known type")).collect();
    assert_eq!(events, everything().without_bytes());
}

#[test]
fn a_reader_skips_what_later_releases_add() {
    for line in GOLDEN.lines() {
        let mut value: Value = serde_json::from_str(line).expect("the golden file is JSON");
        value["added"] = "later".into();
        value["event"]["added"] = Value::Array(vec![]);
        let read = read_line(&value.to_string()).expect("added fields are skipped");
        assert_eq!(read, read_line(line).expect("a released line"));
        value["event"]["type"] = "added_later".into();
        assert!(matches!(read_line(&value.to_string()), Ok(None)));
    }
}

#[test]
fn a_newer_version_and_nonsense_are_refused() {
    let first = GOLDEN.lines().next().expect("the golden file has lines");
    let newer = first.replace("\"version\":1", "\"version\":2");
    assert!(matches!(read_line(&newer), Err(LineError::Newer(2))));
    for bad in ["", "{", "[]", "{\"event\":{}}", "{\"event\":{\"type\":\"warned\"}}"] {
        assert!(matches!(read_line(bad), Err(LineError::NotAnEvent(_))), "{bad}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_exact_in_base64() {
    let events: Vec<Value> = GOLDEN.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let outputs: Vec<_> =
        events.iter().map(|line| &line["event"]).filter(|event| event["type"] == "output").collect();
    let [valid, invalid] = outputs[..] else { panic!("two outputs: {outputs:?}") };
    assert_eq!((valid["text"].as_str(), valid.get("base64")), (Some("gr\u{fc}n\n"), None));
    let exact = BASE64_STANDARD.decode(invalid["base64"].as_str().unwrap_or_default());
    assert_eq!(exact.as_deref(), Ok(&b"\xff\x00\x1b[31m"[..]));
    assert_eq!(invalid["text"], "\u{fffd}\0\u{1b}[31m");
}

#[test]
fn output_that_is_gone_has_no_text() {
    let mut run = everything();
    run.events = run.without_bytes();
    let stream = stream(&run);
    assert!(!stream.contains("\"text\"") && !stream.contains("\"base64\""), "{stream}");
}

/// `docs/events.md` has a section for each type and each object, which names each field.
#[test]
fn the_documentation_names_every_field() {
    for line in GOLDEN.lines() {
        let value: Value = serde_json::from_str(line).expect("the golden file is JSON");
        named("Every line", &value);
        let event = &value["event"];
        named(&format!("`{}`", event["type"].as_str().unwrap_or_default()), event);
        for (title, object) in
            [("`source`", &event["source"]), ("`end`", &event["end"]), ("`usage`", &event["end"]["usage"])]
        {
            named(title, object);
        }
    }
    let sections = DOCS.lines().filter(|line| line.starts_with("### `")).count();
    assert_eq!(sections, TYPES.len() + 3, "no section describes what is not there");
}

#[track_caller]
fn named(title: &str, object: &Value) {
    let Some(fields) = object.as_object() else { return };
    let start = DOCS.find(&format!("### {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    let section = &DOCS[start + 4..];
    let section = &section[..section.find("\n### ").unwrap_or(section.len())];
    for field in fields.keys().filter(|field| *field != "type") {
        assert!(section.contains(&format!("| `{field}` |")), "{title} does not describe `{field}`");
    }
}

#[test]
fn a_path_that_is_not_utf_8_is_written_all_the_same() {
    use std::os::unix::ffi::OsStringExt;
    let mut run = everything();
    if let EventKind::RunStarted { source, .. } = &mut run.events[0].kind {
        source.in_place = Some(std::ffi::OsString::from_vec(b"/tmp/\xff".to_vec()).into());
    }
    assert!(line(&run.events[0]).contains("\"in_place\":\"/tmp/\u{fffd}\""));
}
