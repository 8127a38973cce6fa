//! The files of a record: private, and growing by whole appends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Creates a file that only its owner can read.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// A file that grows by whole appends.
#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    len: u64,
}

impl Tail {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self::at(file, len))
    }

    /// A file of which so many bytes count.
    pub(super) fn at(file: File, len: u64) -> Self {
        Self { file, len }
    }

    /// The bytes that were appended.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Writes all the bytes, or leaves the file as it was.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(bytes, self.len) {
            self.cut(self.len);
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Takes back what is behind `len`. Should that fail, the next append still writes there.
    pub(super) fn cut(&mut self, len: u64) {
        self.len = len;
        drop(self.file.set_len(len));
    }
}
