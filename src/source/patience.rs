//! Waits for something that cannot be interrupted, on a thread that is given up on when it is no longer
//! wanted or has shown no sign of life for too long.
//!
//! libgit2 blocks in calls of the system, and its own time limits hold for the whole process and are set
//! by unsafe calls. A thread that was given up on ends at its next sign of life; it must own all it
//! works with, and nothing that others wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::watch::{LOOK, Watch};

/// The signs of life of a thread.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    beats: AtomicU64,
    given_up: AtomicBool,
}

impl Pulse {
    /// Gives a sign of life. False when nobody waits any more.
    pub(super) fn beat(&self) -> bool {
        self.beats.fetch_add(1, Ordering::Relaxed);
        !self.given_up.load(Ordering::Relaxed)
    }
}

/// What came of waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waited<T> {
    Done(T),
    Stopped,
    Silent,
}

/// Does something on a thread of its own, and waits until it is done, is no longer wanted, or has been
/// silent for `limit`.
///
/// # Errors
/// When there is no thread to be had.
pub(super) fn wait<T: Send + 'static>(
    limit: Duration,
    watch: Watch<'_>,
    work: impl FnOnce(&Arc<Pulse>) -> T + Send + 'static,
) -> std::io::Result<Waited<T>> {
    let pulse = Arc::new(Pulse::default());
    let (done, ended) = mpsc::channel();
    let worker = thread::Builder::new().name("fetch".into()).spawn({
        let pulse = Arc::clone(&pulse);
        // Nobody may be left to be told.
        move || drop(done.send(work(&pulse)))
    })?;
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        if watch.stopped() {
            pulse.given_up.store(true, Ordering::Relaxed);
            return Ok(Waited::Stopped);
        }
        match ended.recv_timeout(LOOK) {
            Ok(result) => return Ok(Waited::Done(result)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => match worker.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => return Err(std::io::ErrorKind::Interrupted.into()),
            },
        }
        let beats = pulse.beats.load(Ordering::Relaxed);
        if beats != seen {
            (seen, since) = (beats, Instant::now());
        } else if since.elapsed() >= limit {
            pulse.given_up.store(true, Ordering::Relaxed);
            return Ok(Waited::Silent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn what_ends_is_handed_back() {
        let goes_on = || true;
        assert_eq!(wait(LONG, Watch::new("x", &goes_on), |_| 7).expect("a thread"), Waited::Done(7));
    }

    #[test]
    fn what_is_silent_or_not_wanted_is_given_up_and_told_so() {
        for (goes_on, expect) in [(true, Waited::Silent), (false, Waited::Stopped)] {
            let (told, tells) = mpsc::channel();
            let (silent, silence) = mpsc::channel::<()>();
            let work = move |pulse: &Arc<Pulse>| {
                // Until it has been given up on.
                let _ = silence.recv();
                while pulse.beat() {
                    thread::yield_now();
                }
                let _ = told.send(());
            };
            let waited = wait(Duration::from_millis(50), Watch::new("x", &|| goes_on), work);
            assert_eq!(waited.expect("a thread"), expect);
            drop(silent);
            tells.recv_timeout(LONG).expect("it ends");
        }
    }
}
