//! From how a container ended, and who wanted that, to outcome and reason (language L9).
//!
//! This is the one place where simultaneous causes are put in order:
//!
//! 1. A panic of our own is always `runner_lost`: a bug must not hide behind another reason.
//! 2. What the backend saw of the program counts as [`How`] orders it: could not start, time limit,
//!    stopped by us, out of memory, exit code, signal.
//! 3. *Stopped* takes the first reason somebody asked with; later ones only make the end faster.
//! 4. *Lost* counts only when nobody had asked for the end: what was to go is gone.
//! 5. An attempt that had not started when it was asked to end is cancelled with that reason, whatever
//!    became of its image or container.

use std::time::Duration;

use crate::backend::{Ended, How, StartError};
use crate::base::{Outcome, Reason};
use crate::event::End;

/// The end of an attempt whose program was let go.
pub(super) fn of_program(ended: Ended, asked: Option<Reason>, ran: Duration) -> End {
    let end = match (ended.how, asked) {
        (How::CouldNotStart, _) => End::because(Reason::CouldNotStart, None),
        (How::TimedOut, _) => End::because(Reason::Timeout, None),
        (How::OutOfMemory, _) => End::because(Reason::OutOfMemory, None),
        (How::Exited(code), _) => End::exited(code),
        (How::Signalled(signal), _) => End { signal: Some(signal), ..End::because(Reason::Signal, None) },
        (How::Stopped | How::Lost(_), Some(reason)) | (How::Lost(reason), None) => End::because(reason, None),
        // The backend says that we stopped it, and we did not.
        (How::Stopped, None) => End::because(Reason::Deleted, None),
    };
    End {
        message: ended.message.or(end.message),
        usage: ended.usage,
        duration_ms: u64::try_from(ran.as_millis()).unwrap_or(u64::MAX),
        ..end
    }
}

/// The end of an attempt that a service beside it failed, and that would have ended like this without. What
/// the program says of that is not its own word any more, but for what no service can do to it.
pub(super) fn of_service(error: StartError, end: End) -> End {
    if matches!(end.reason, Some(Reason::Timeout | Reason::OutOfMemory | Reason::CouldNotStart)) {
        return end;
    }
    End { duration_ms: end.duration_ms, usage: end.usage, ..of_start(error) }
}

/// The end of an attempt that did not start.
pub(super) fn of_start(error: StartError) -> End {
    // A start never ends as passed, skipped or cancelled, whatever a backend says.
    let known = matches!(error.reason.outcome(), Outcome::Failed | Outcome::Lost);
    let reason = if known { error.reason } else { Reason::CouldNotStart };
    End::because(reason, Some(error.message))
}

/// The end of an attempt whose task panicked.
pub(super) fn of_panic(panic: &(dyn std::any::Any + Send)) -> End {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("a bug in windlass: {}", words.unwrap_or("panic"));
    End::because(Reason::RunnerLost, Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(how: How, asked: Option<Reason>, expected: Option<Reason>) {
        let ended = Ended { how, message: None, usage: None, output: Vec::new() };
        let end = of_program(ended, asked, Duration::from_millis(1500));
        assert_eq!((end.reason, end.duration_ms), (expected, 1500));
        assert_eq!(end.outcome, expected.map_or(Outcome::Passed, Reason::outcome));
    }

    #[test]
    fn the_programs_own_word_counts_for_more_than_what_was_asked() {
        let asked = Some(Reason::CancelledByUser);
        check(How::Exited(0), asked, None);
        check(How::Exited(3), asked, Some(Reason::ExitCode));
        check(How::CouldNotStart, asked, Some(Reason::CouldNotStart));
        check(How::OutOfMemory, asked, Some(Reason::OutOfMemory));
        check(How::TimedOut, asked, Some(Reason::Timeout));
        check(How::Signalled(11), asked, Some(Reason::Signal));
    }

    #[test]
    fn what_was_stopped_takes_the_reason_it_was_asked_with() {
        for reason in [Reason::CancelledByUser, Reason::CancelledBySibling, Reason::RunTimeout] {
            check(How::Stopped, Some(reason), Some(reason));
            check(How::Lost(Reason::DaemonLost), Some(reason), Some(reason));
        }
        check(How::Lost(Reason::DaemonLost), None, Some(Reason::DaemonLost));
        check(How::Stopped, None, Some(Reason::Deleted));
    }

    #[test]
    fn a_failed_start_is_failed_or_lost() {
        let start = |reason| of_start(StartError { reason, message: "said the daemon".to_owned() });
        assert_eq!(start(Reason::ImageNotFound).outcome, Outcome::Failed);
        assert_eq!(start(Reason::ImagePullFailed).outcome, Outcome::Lost);
        assert_eq!(start(Reason::CancelledByUser).reason, Some(Reason::CouldNotStart));
    }
}
