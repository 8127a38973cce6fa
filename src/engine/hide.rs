//! Hides secrets in what is said of a run in words. Output goes through the masker on a way of its own.

use crate::base::masker::Masker;
use crate::event::{End, EventKind};

/// The event with every text masked that the daemon, the kernel or the user's source may have put a
/// secret into.
pub(super) fn in_messages(masker: &Masker, mut kind: EventKind) -> EventKind {
    let hide = |text: &mut String| *text = masker.mask(text);
    match &mut kind {
        EventKind::RunStarted { pipeline, source, notes, .. } => {
            hide(pipeline);
            hide(&mut source.location);
            source.reference.iter_mut().chain(notes).for_each(hide);
        }
        EventKind::AttemptEnded { end: End { message, .. }, .. }
        | EventKind::StepEnded { end: End { message, .. }, .. }
        | EventKind::RunEnded { message, .. } => message.iter_mut().for_each(hide),
        EventKind::Warned { message, .. }
        | EventKind::CleanupFailed { message }
        | EventKind::GateReached { question: message, .. }
        | EventKind::WaitStarted { what: message, .. }
        | EventKind::GateAnswered { message, .. } => hide(message),
        EventKind::ServiceEnded { message, last_lines, .. } => {
            hide(message);
            last_lines.iter_mut().for_each(hide);
        }
        EventKind::ImagePullStarted { .. }
        | EventKind::ImagePullProgressed { .. }
        | EventKind::ImagePulled { .. }
        | EventKind::StageStarted { .. }
        | EventKind::StageEnded { .. }
        | EventKind::WaitEnded { .. }
        | EventKind::ServiceStarted { .. }
        | EventKind::ServiceReady { .. }
        | EventKind::StepStarted { .. }
        | EventKind::Output(_)
        // What holds a secret is refused as an output.
        | EventKind::OutputsWritten { .. }
        | EventKind::CancelRequested { .. } => {}
    }
    kind
}
