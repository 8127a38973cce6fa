//! The recorded stream: written by one reader of the live stream, read by a replay.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use super::StoreError;
use super::file::{Tail, private_file};
use crate::event::{Event, RunState};
use crate::report::ndjson::{line_without_bytes, read_line};
use crate::report::{OutputNeed, Reader};

/// Keeps every event. An event that cannot be written is missing from the record; the next is tried
/// again.
pub struct EventRecorder {
    path: PathBuf,
    file: io::Result<Tail>,
    failure: Option<String>,
}

impl EventRecorder {
    pub(super) fn new(path: PathBuf) -> Self {
        let file = private_file(&path).and_then(Tail::new);
        let failure = file.as_ref().err().map(ToString::to_string);
        Self { path, file, failure }
    }
}

impl Reader for EventRecorder {
    fn read(&mut self, event: &Event, _state: &RunState) {
        let Ok(file) = &mut self.file else { return };
        if let Err(error) = file.append(line_without_bytes(event).as_bytes()) {
            self.failure.get_or_insert_with(|| error.to_string());
        }
    }

    fn output(&self) -> OutputNeed {
        OutputNeed::Places
    }

    fn name(&self) -> &'static str {
        "record"
    }

    fn failure(&self) -> Option<String> {
        let failure = self.failure.as_ref()?;
        Some(format!("the record is not complete: cannot write `{}`: {failure}", self.path.display()))
    }
}

/// The recorded events, in their order. A last line that was not written to its end is left out,
/// and so is what a later release added.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: BufReader<File>,
    line: usize,
}

impl Events {
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file: BufReader::new(file), line: 0 }),
            Err(source) => Err(StoreError::Read { path, source }),
        }
    }
}

impl Iterator for Events {
    type Item = Result<Event, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut line = Vec::new();
            self.line += 1;
            if let Err(source) = self.file.read_until(b'\n', &mut line) {
                return Some(Err(StoreError::Read { path: self.path.clone(), source }));
            }
            let line = line.strip_suffix(b"\n")?;
            match read_line(&String::from_utf8_lossy(line)) {
                Ok(None) => {}
                Ok(Some(event)) => return Some(Ok(event)),
                Err(source) => {
                    let (path, line) = (self.path.clone(), self.line);
                    return Some(Err(StoreError::DamagedEvent { path, line, source }));
                }
            }
        }
    }
}
