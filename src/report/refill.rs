//! Output events that lost their bytes in a queue or on disk, made whole from the stored log.

use bytes::Bytes;

use super::LogSource;
use crate::event::Output;

/// The longest piece that is read at once.
const PIECE: u64 = 64 << 10;

/// Gives the pieces of `output` with their bytes. It may be of both streams; the log knows which is
/// which. What the log does not have is given as one last piece without bytes.
pub(super) fn pieces(output: &Output, logs: &dyn LogSource, give: &mut dyn FnMut(Output)) {
    let end = output.offset.saturating_add(output.len);
    let mut at = output.offset;
    while at < end {
        let found = logs.stream_at(&output.step, output.attempt, at);
        let (stream, same_until) = found.unwrap_or((output.stream, end));
        let mut len = (same_until.clamp(at + 1, end) - at).min(PIECE);
        let data: Bytes = logs.read(&output.step, output.attempt, at, len).unwrap_or_default().into();
        match data.len() as u64 {
            0 => len = end - at,
            read => len = len.min(read),
        }
        give(Output { stream, offset: at, len, data, ..output.clone() });
        at += len;
    }
}
