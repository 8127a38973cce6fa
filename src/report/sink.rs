//! Where a reader writes: goes quiet once nobody takes it, so that the run goes on.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// A writer that is written to until it fails.
pub(super) struct Sink {
    to: Option<Box<dyn Write + Send>>,
    failure: Option<io::Error>,
}

impl Sink {
    pub(super) fn new(to: Box<dyn Write + Send>) -> Self {
        Self { to: Some(to), failure: None }
    }

    /// Writes and flushes.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let Some(to) = &mut self.to else { return };
        if bytes.is_empty() {
            return;
        }
        if let Err(error) = write_all(to.as_mut(), bytes).and_then(|()| patiently(|| to.flush())) {
            self.to = None;
            self.failure = Some(error);
        }
    }

    /// Why it went quiet; a closed pipe is no failure.
    pub(super) fn failure(&self) -> Option<String> {
        let failure = self.failure.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)?;
        Some(format!("cannot write: {failure}"))
    }
}

fn write_all(to: &mut dyn Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match patiently(|| to.write(bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = bytes.get(written..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// Tries again where a terminal was switched to non-blocking by a program that shares it.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
