//! One run's directory.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::events::{EventRecorder, Events};
use super::file::private_file;
use super::log::StoredLog;
use super::writer::RecordLogs;
use super::{StoreError, list};
use crate::base::{RunId, StepId, safe_dir};
use crate::plan::{Plan, wire};

/// The newest format of records that is known here, and the one that is written.
const VERSION: u32 = 1;

/// The record of one run.
#[derive(Clone, Debug)]
pub struct Record {
    run: RunId,
    directory: PathBuf,
}

/// `record.json`
#[derive(Deserialize)]
struct Format {
    version: u32,
}

impl Record {
    /// Makes the record of a run that is about to start. `home` is there already.
    ///
    /// # Errors
    /// [`StoreError::Write`], also when there is such a record already.
    pub fn create(home: &Path, run: &RunId) -> Result<Self, StoreError> {
        let write_error = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Write { path, source }
        };
        let runs = list::directory(home);
        let directory = runs.join(run.as_str());
        let logs = directory.join("logs");
        match private_directory(&runs) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(write_error(&runs)(error));
            }
            _ => {}
        }
        private_directory(&directory).map_err(write_error(&directory))?;
        private_directory(&logs).map_err(write_error(&logs))?;
        let record = Self { run: run.clone(), directory };
        record.write("record.json", format!("{{\"version\":{VERSION}}}\n").as_bytes())?;
        Ok(record)
    }

    /// Removes what there is of a run's record, also where its creation failed half-way.
    ///
    /// # Errors
    /// When something of it cannot be removed.
    pub fn discard(home: &Path, run: &RunId) -> io::Result<()> {
        match safe_dir::remove_tree(&list::directory(home).join(run.as_str())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Opens the record of a run to read it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or [`StoreError::Newer`] for a format that is not known here.
    pub fn open(home: &Path, run: &RunId) -> Result<Self, StoreError> {
        let record = Self { run: run.clone(), directory: list::directory(home).join(run.as_str()) };
        let Format { version } = record.format()?;
        if version > VERSION {
            return Err(StoreError::Newer { run: run.clone(), version, known: VERSION });
        }
        Ok(record)
    }

    /// The run it is of.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps the plan that is run.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn save_plan(&self, plan: &Plan) -> Result<(), StoreError> {
        self.write("plan.json", wire::to_json(plan).as_bytes())
    }

    /// The plan that was run.
    ///
    /// # Errors
    /// [`StoreError::Read`], or [`StoreError::DamagedPlan`], also when a newer program wrote it.
    pub fn plan(&self) -> Result<Plan, StoreError> {
        let path = self.directory.join("plan.json");
        match fs::read_to_string(&path) {
            Ok(text) => wire::from_json(&text).map_err(|source| StoreError::DamagedPlan { path, source }),
            Err(source) => Err(StoreError::Read { path, source }),
        }
    }

    /// A reader of the stream that keeps the events.
    pub fn reader(&self) -> EventRecorder {
        EventRecorder::new(self.directory.join("events.ndjson"))
    }

    /// The events in their order; output without its bytes.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub fn events(&self) -> Result<Events, StoreError> {
        Events::open(self.directory.join("events.ndjson"))
    }

    /// Where the engine puts logs, and where readers of the stream that lag find output again.
    pub fn logs(&self) -> Arc<RecordLogs> {
        Arc::new(RecordLogs::new(self.directory.join("logs")))
    }

    /// The log of an attempt.
    ///
    /// # Errors
    /// When there is no such log or it cannot be read.
    pub fn log(&self, step: &StepId, attempt: u32) -> io::Result<StoredLog> {
        StoredLog::open(&self.directory.join("logs"), step, attempt)
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        let path = self.directory.join(name);
        let written = private_file(&path).and_then(|mut file| file.write_all(content));
        written.map_err(|source| StoreError::Write { path, source })
    }

    fn format(&self) -> Result<Format, StoreError> {
        let path = self.directory.join("record.json");
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map_err(|source| StoreError::Damaged { path, source }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::NotFound { run: self.run.clone() })
            }
            Err(source) => Err(StoreError::Read { path, source }),
        }
    }
}

fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}
