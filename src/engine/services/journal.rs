//! What a service printed: masked, kept in a log of its own, its last lines at hand, and searched for the
//! line that says that it is ready.

use bytes::Bytes;

use crate::backend::ContainerSpec;
use crate::base::StepId;
use crate::base::masker::MaskStream;
use crate::engine::world::World;
use crate::event::Stream;
use crate::event::log::LogWriter;

/// Lines that are shown when it fails.
const LAST_LINES: usize = 20;
/// Bytes that are kept of what it printed last.
const KEPT: usize = 8 << 10;
/// Bytes of an unfinished line that are searched.
const LINE: usize = 64 << 10;

/// The output of one service.
pub(super) struct Journal<'a> {
    world: &'a World,
    /// None once it failed: a log has no holes.
    log: Option<Box<dyn LogWriter>>,
    streams: [MaskStream; 2],
    last: Vec<u8>,
    /// The text that is looked for, and what it may be in on each stream.
    wanted: Option<(String, [Vec<u8>; 2])>,
}

impl<'a> Journal<'a> {
    /// Opens the log; whoever cannot be written is said in words.
    pub(super) fn open(
        world: &'a World,
        spec: &ContainerSpec,
        wanted: Option<String>,
    ) -> (Self, Option<String>) {
        let opened = world.logs.open(&StepId::new(spec.label()), spec.attempt);
        let warning = opened.as_ref().err().map(|error| incomplete(spec, error));
        let streams = [world.masker.stream(), world.masker.stream()];
        let wanted = wanted.map(|text| (text, [Vec::new(), Vec::new()]));
        (Self { world, log: opened.ok(), streams, last: Vec::new(), wanted }, warning)
    }

    /// Takes what it printed; whether the line that was waited for is there.
    pub(super) fn take(&mut self, stream: Stream, bytes: &Bytes) -> bool {
        let number = usize::from(stream == Stream::Stderr);
        let masked = self.streams.get_mut(number).map(|masking| masking.push(bytes)).unwrap_or_default();
        self.put(stream, &masked);
        let Some((wanted, lines)) = &mut self.wanted else { return false };
        let Some(line) = lines.get_mut(number) else { return false };
        line.extend_from_slice(bytes);
        let found = line.windows(wanted.len()).any(|window| window == wanted.as_bytes());
        let finished = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        line.drain(..finished.max(line.len().saturating_sub(LINE)));
        if found {
            self.wanted = None;
        }
        found
    }

    /// Writes what the masker held back.
    pub(super) fn finish(&mut self) {
        for (stream, number) in [(Stream::Stdout, 0), (Stream::Stderr, 1)] {
            let fresh = self.world.masker.stream();
            let held = self.streams.get_mut(number).map(|stream| std::mem::replace(stream, fresh).finish());
            self.put(stream, &held.unwrap_or_default());
        }
        if let Some(mut log) = self.log.take() {
            // What is not there has been said when it could not be written.
            let _ = log.finish();
        }
    }

    /// The last lines, for people.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.last);
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(LAST_LINES);
        lines.get(first..).unwrap_or_default().iter().map(|&line| line.to_owned()).collect()
    }

    fn put(&mut self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let now = self.world.clock.now();
        if self.log.as_mut().is_some_and(|log| log.append(stream, now, bytes).is_err()) {
            self.log = None;
        }
        self.last.extend_from_slice(bytes);
        self.last.drain(..self.last.len().saturating_sub(KEPT));
    }
}

fn incomplete(spec: &ContainerSpec, error: &std::io::Error) -> String {
    format!("the log of service `{}` is not complete: {error}", spec.service.as_deref().unwrap_or_default())
}
