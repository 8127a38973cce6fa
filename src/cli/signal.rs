//! Signals: which one asks for what (language L10), and how the program ends by one.
//!
//! Nothing here ends a container; it only asks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use super::exit::Exit;
use super::{failure, output};
use crate::base::Reason;
use crate::engine::CancelHandle;
use crate::event::{CancelLevel, Event, RunState};
use crate::report::{OutputNeed, Reader};
use crate::runner::Made;

/// A signal that ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Hangup,
    Interrupt,
    Terminate,
}

/// Turns the signals that this process gets into requests to end the run.
#[derive(Debug)]
pub(super) struct Signals {
    caught: Arc<Caught>,
}

#[derive(Debug, Default)]
struct Caught {
    /// One more than the index in [`Signal::ALL`]; 0 when none came.
    first: AtomicUsize,
    /// The run's own readers say what a signal does.
    told: AtomicBool,
}

impl Signals {
    /// Listens from now on. `made` is what is named to somebody who leaves at once.
    ///
    /// # Errors
    /// When the system has no place for another handler.
    pub(super) fn listen(cancel: CancelHandle, made: Made) -> io::Result<Self> {
        let caught = Arc::new(Caught::default());
        let mut hangup = Signal::Hangup.stream()?;
        let mut interrupt = Signal::Interrupt.stream()?;
        let mut terminate = Signal::Terminate.stream()?;
        let shared = Arc::clone(&caught);
        drop(tokio::spawn(async move {
            let mut level = None;
            loop {
                let signal = tokio::select! {
                    () = next(&mut hangup) => Signal::Hangup,
                    () = next(&mut interrupt) => Signal::Interrupt,
                    () = next(&mut terminate) => Signal::Terminate,
                };
                shared.note(signal);
                let asked = signal.asks(level);
                if level == Some(asked) {
                    continue;
                }
                level = Some(asked);
                if asked == CancelLevel::Leave || !shared.told.load(Ordering::Relaxed) {
                    announce(asked, &made);
                }
                cancel.request(asked, Reason::CancelledByUser);
                if asked == CancelLevel::Leave {
                    leave(shared.first().unwrap_or(signal));
                }
            }
        }));
        Ok(Self { caught })
    }

    /// A reader beside the run's own: once these have begun, they say what a signal does.
    pub(super) fn reader(&self) -> Box<dyn Reader> {
        Box::new(Told(Arc::clone(&self.caught)))
    }

    /// The exit code of the first signal that came, if one did.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.caught.first().map(Signal::exit)
    }
}

/// Notices that the run's readers get its events.
struct Told(Arc<Caught>);

impl Reader for Told {
    fn read(&mut self, _: &Event, _: &RunState) {
        self.0.told.store(true, Ordering::Relaxed);
    }

    fn output(&self) -> OutputNeed {
        OutputNeed::Nothing
    }

    fn name(&self) -> &'static str {
        "signals"
    }
}

/// Ends this process by the signal that the code stands for; returns where that is not possible, as
/// for the first process of a container, and for all other codes.
pub(super) fn end_by(exit: Exit) {
    if let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.exit() == exit) {
        signal.end();
    }
}

impl Caught {
    fn note(&self, signal: Signal) {
        let index = Signal::ALL.iter().position(|other| *other == signal).map_or(0, |index| index + 1);
        // Only the first is kept: a second Ctrl-C does not turn a TERM into an INT.
        let _ = self.first.compare_exchange(0, index, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn first(&self) -> Option<Signal> {
        let index = self.first.load(Ordering::Relaxed).checked_sub(1)?;
        Signal::ALL.get(index).copied()
    }
}

impl Signal {
    const ALL: [Signal; 3] = [Signal::Hangup, Signal::Interrupt, Signal::Terminate];

    fn kind(self) -> SignalKind {
        match self {
            Signal::Hangup => SignalKind::hangup(),
            Signal::Interrupt => SignalKind::interrupt(),
            Signal::Terminate => SignalKind::terminate(),
        }
    }

    fn exit(self) -> Exit {
        match self {
            Signal::Hangup => Exit::Hangup,
            Signal::Interrupt => Exit::Interrupt,
            Signal::Terminate => Exit::Terminate,
        }
    }

    /// Only Ctrl-C rises. A shell, a supervisor and `timeout` may each send TERM or HUP for one wish.
    fn asks(self, level: Option<CancelLevel>) -> CancelLevel {
        match (level, self) {
            (None | Some(CancelLevel::Drain), _) => CancelLevel::Stop,
            (Some(CancelLevel::Stop), Signal::Interrupt) => CancelLevel::Kill,
            (Some(CancelLevel::Kill), Signal::Interrupt) => CancelLevel::Leave,
            (Some(level), _) => level,
        }
    }

    /// None for a signal that whoever started this process had it ignore, as `nohup` does.
    fn stream(self) -> io::Result<Option<Stream>> {
        if ignored(self.kind()) { Ok(None) } else { signal(self.kind()).map(Some) }
    }

    fn end(self) {
        // The first process of a container has no default actions to end by.
        if std::process::id() != 1 {
            drop(signal_hook::low_level::emulate_default_handler(self.kind().as_raw_value()));
        }
    }
}

#[expect(
    clippy::exit,
    reason = "the user asked for the third time: nothing is waited for, destructors neither"
)]
fn leave(signal: Signal) -> ! {
    signal.end();
    std::process::exit(i32::from(signal.exit().code()))
}

async fn next(stream: &mut Option<Stream>) {
    let Some(stream) = stream else { return std::future::pending().await };
    if stream.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Whether whoever started this process had it ignore the signal.
pub(super) fn ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    in_mask(&status, kind.as_raw_value())
}

/// Whether the signal is in the `SigIgn` mask of a `/proc/PID/status`.
fn in_mask(status: &str, signal: i32) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

fn announce(level: CancelLevel, made: &Made) {
    match level {
        CancelLevel::Drain => {}
        CancelLevel::Stop => output::note("stopping; Ctrl-C again kills what still runs"),
        CancelLevel::Kill => output::note("killing; Ctrl-C again leaves at once"),
        CancelLevel::Leave => failure::left_at_once(&made.left()),
    }
}

#[cfg(test)]
mod tests {
    use super::Signal::{Hangup, Interrupt, Terminate};
    use super::*;

    #[test]
    fn only_ctrl_c_rises() {
        let levels = |signals: &[Signal]| signals.iter().fold(None, |level, signal| Some(signal.asks(level)));
        assert_eq!(levels(&[Interrupt]), Some(CancelLevel::Stop));
        assert_eq!(levels(&[Interrupt; 2]), Some(CancelLevel::Kill));
        assert_eq!(levels(&[Interrupt; 4]), Some(CancelLevel::Leave));
        assert_eq!(levels(&[Terminate; 3]), Some(CancelLevel::Stop));
        assert_eq!(levels(&[Hangup, Hangup, Terminate]), Some(CancelLevel::Stop));
        assert_eq!(levels(&[Terminate, Interrupt]), Some(CancelLevel::Kill));
    }

    #[test]
    fn the_first_signal_names_the_exit() {
        let caught = Caught::default();
        assert_eq!(caught.first(), None);
        caught.note(Terminate);
        caught.note(Interrupt);
        assert_eq!(caught.first(), Some(Terminate));
    }

    #[test]
    fn an_ignored_signal_is_found_in_the_mask() {
        let status = "Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(in_mask(status, 1));
        assert!(!in_mask(status, 2));
        assert!(in_mask(status, 13));
        assert!(!in_mask("", 1));
    }
}
