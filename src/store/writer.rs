//! Logs as they are written: each append goes to disk at once, whole or not at all.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::file::{Tail, private_file};
use super::index::Cursor;
use super::log::{StoredLog, path};
use crate::base::{StepId, Timestamp};
use crate::event::Stream;
use crate::event::log::{LogWriter, Logs};
use crate::report::LogSource;

/// The logs of one record: opened for writing by the engine, read again by whoever lags.
#[derive(Debug)]
pub struct RecordLogs {
    directory: PathBuf,
    /// The log that was read last: whoever lags reads on in the same one.
    recent: Mutex<Option<(StepId, u32, Arc<StoredLog>)>>,
}

impl RecordLogs {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, recent: Mutex::default() }
    }

    fn log(&self, step: &StepId, attempt: u32) -> io::Result<Arc<StoredLog>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        match &*recent {
            Some((known, number, log)) if known == step && *number == attempt => Ok(Arc::clone(log)),
            _ => {
                let log = Arc::new(StoredLog::open(&self.directory, step, attempt)?);
                *recent = Some((step.clone(), attempt, Arc::clone(&log)));
                Ok(log)
            }
        }
    }
}

impl Logs for RecordLogs {
    fn open(&self, step: &StepId, attempt: u32) -> io::Result<Box<dyn LogWriter>> {
        Ok(Box::new(Writer::create(&self.directory, step, attempt)?))
    }
}

impl LogSource for RecordLogs {
    fn read(&self, step: &StepId, attempt: u32, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        self.log(step, attempt)?.read(offset, len)
    }

    fn stream_at(&self, step: &StepId, attempt: u32, offset: u64) -> io::Result<(Stream, u64)> {
        self.log(step, attempt)?.stream_at(offset)
    }
}

struct Writer {
    log: Tail,
    index: Tail,
    cursor: Cursor,
    entries: Vec<u8>,
}

impl Writer {
    fn create(directory: &Path, step: &StepId, attempt: u32) -> io::Result<Self> {
        let log = Tail::new(private_file(&path(directory, step, attempt, "log"))?)?;
        let index = Tail::new(private_file(&path(directory, step, attempt, "idx"))?)?;
        Ok(Self { log, index, cursor: Cursor::default(), entries: Vec::new() })
    }
}

impl LogWriter for Writer {
    fn append(&mut self, stream: Stream, at: Timestamp, bytes: &[u8]) -> io::Result<u64> {
        let offset = self.log.len();
        let mut cursor = self.cursor;
        self.entries.clear();
        cursor.advance(stream, at, offset, bytes, &mut self.entries);
        // The log comes first: a log without an entry is read as more of the last line, while an
        // entry without a log would point nowhere.
        self.log.append(bytes)?;
        if let Err(error) = self.index.append(&self.entries) {
            self.log.cut(offset);
            return Err(error);
        }
        self.cursor = cursor;
        Ok(offset)
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// A full disk, behind so many bytes.
    fn full(len: u64) -> Tail {
        Tail::at(File::options().write(true).open("/dev/full").expect("Linux has it"), len)
    }

    /// A step in a directory where `log` and `index` can be exchanged for a full disk.
    fn writer(directory: &Path) -> Writer {
        Writer::create(directory, &StepId::new("unit"), 1).expect("an empty directory takes a log")
    }

    #[test]
    fn a_full_disk_leaves_both_files_whole_and_is_tried_again() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut writer = writer(directory.path());
        let mut now = 0;
        let mut append = |writer: &mut Writer, text: &str| {
            now += 1_000;
            writer.append(Stream::Stdout, Timestamp(now), text.as_bytes())
        };
        assert_eq!(append(&mut writer, "one\ntwo").ok(), Some(0));

        let index = std::mem::replace(&mut writer.index, full(0));
        let failure = append(&mut writer, " lost\nlost").expect_err("the index is full");
        assert_eq!(failure.kind(), io::ErrorKind::StorageFull);
        writer.index = index;
        let written = writer.log.len();
        let log = std::mem::replace(&mut writer.log, full(written));
        assert!(append(&mut writer, " lost\nlost").is_err());
        writer.log = log;

        assert_eq!(append(&mut writer, "\nthree\n").ok(), Some(7));
        let stored = StoredLog::open(directory.path(), &StepId::new("unit"), 1).expect("it is there");
        let lines = stored.read_lines(0, 9).expect("it can be read");
        let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(&line.bytes)).collect();
        assert_eq!(lines, ["one\n", "two\n", "three\n"]);
    }

    #[test]
    fn an_id_of_another_dialect_stays_in_its_directory() {
        let path = path(Path::new("logs"), &StepId::new("../a b/é"), 2, "log");
        assert_eq!(path, Path::new("logs/%2e%2e%2fa%20b%2f%c3%a9.2.log"));
    }
}
