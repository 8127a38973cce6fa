//! The versioned stream on the wire: one event a line, described in `docs/events.md`.
//!
//! Within a version, fields and types may be added and nothing else changes: whoever reads it
//! skips what it does not know.

use std::borrow::Cow;
use std::io::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};

use super::Reader;
use super::sink::Sink;
use crate::base::{RunId, StepId, Timestamp};
use crate::event::{Event, EventKind, Output, RunState, SourceSummary, Stream, VERSION};

/// The types of version 1, as in [`EventKind`].
pub const TYPES: [&str; 22] = [
    "run_started",
    "stage_started",
    "image_pull_started",
    "image_pull_progressed",
    "image_pulled",
    "gate_reached",
    "gate_answered",
    "wait_started",
    "wait_ended",
    "service_started",
    "service_ready",
    "service_ended",
    "step_started",
    "output",
    "outputs_written",
    "attempt_ended",
    "step_ended",
    "stage_ended",
    "warned",
    "cancel_requested",
    "cleanup_failed",
    "run_ended",
];

/// A line that is no event of a version this program knows.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not an event at all, or one of ours with a field missing.
    #[error("line is not an event")]
    NotAnEvent(#[source] serde_json::Error),
    /// The stream says that it is of a newer version.
    #[error("event stream has version {0}, and this windlass reads up to {VERSION}")]
    Newer(u32),
}

/// Writes every event as a line of JSON.
pub struct Ndjson {
    out: Sink,
}

impl Ndjson {
    /// A reader that writes to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Sink::new(out) }
    }
}

impl Reader for Ndjson {
    fn read(&mut self, event: &Event, _state: &RunState) {
        self.out.write(line(event).as_bytes());
    }

    fn name(&self) -> &'static str {
        "ndjson"
    }

    fn failure(&self) -> Option<String> {
        self.out.failure()
    }
}

#[derive(Serialize)]
struct OutputLine<'a> {
    run: &'a RunId,
    seq: u64,
    at: Timestamp,
    elapsed_ms: u64,
    event: OutputFields<'a>,
}

#[derive(Serialize)]
struct OutputFields<'a> {
    r#type: &'static str,
    step: &'a StepId,
    attempt: u32,
    stream: Stream,
    offset: u64,
    len: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// The event as a line with its end. Output has its bytes as `text`, and as `base64` too where they
/// are not UTF-8; it has neither when the bytes could not be had.
pub fn line(event: &Event) -> String {
    let Event { run, seq, at, elapsed_ms, kind } = event;
    match kind {
        EventKind::Output(output) => {
            let event = output_fields(output);
            to_line(&OutputLine { run, seq: *seq, at: *at, elapsed_ms: *elapsed_ms, event })
        }
        _ => line_without_bytes(event),
    }
}

/// The event as a line with its end, output without its bytes.
pub fn line_without_bytes(event: &Event) -> String {
    let mut event = Cow::Borrowed(event);
    if let EventKind::RunStarted { source: SourceSummary { in_place: Some(directory), .. }, .. } = &event.kind
        && directory.to_str().is_none()
    {
        // JSON has no way to say such a path.
        let shown = directory.to_string_lossy().into_owned();
        if let EventKind::RunStarted { source, .. } = &mut event.to_mut().kind {
            source.in_place = Some(shown.into());
        }
    }
    to_line(event.as_ref())
}

/// Reads a line back, without the bytes of output; none when its type is not known here.
///
/// # Errors
/// [`LineError::Newer`] for the start of a stream of a newer version.
pub fn read_line(line: &str) -> Result<Option<Event>, LineError> {
    #[derive(Deserialize)]
    struct Head {
        event: Type,
    }
    #[derive(Deserialize)]
    struct Type {
        r#type: String,
        version: Option<u32>,
    }

    let head: Head = serde_json::from_str(line).map_err(LineError::NotAnEvent)?;
    if let Some(version) = head.event.version.filter(|version| *version > VERSION) {
        return Err(LineError::Newer(version));
    }
    if !TYPES.contains(&head.event.r#type.as_str()) {
        return Ok(None);
    }
    serde_json::from_str(line).map(Some).map_err(LineError::NotAnEvent)
}

fn output_fields(output: &Output) -> OutputFields<'_> {
    let had = !output.data.is_empty() || output.len == 0;
    let valid = std::str::from_utf8(&output.data).is_ok();
    OutputFields {
        r#type: "output",
        step: &output.step,
        attempt: output.attempt,
        stream: output.stream,
        offset: output.offset,
        len: output.len,
        text: had.then(|| String::from_utf8_lossy(&output.data).into_owned()),
        base64: (!valid).then(|| BASE64_STANDARD.encode(&output.data)),
    }
}

fn to_line(event: &impl Serialize) -> String {
    let mut line = serde_json::to_string(event).expect("an event is plain data with string keys");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests;
