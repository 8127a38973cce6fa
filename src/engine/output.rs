//! The way of an attempt's output: masked, cut into bounded pieces, into the log, out as events.

use bytes::Bytes;

use super::message::News;
use super::world::World;
use crate::base::StepId;
use crate::base::masker::MaskStream;
use crate::event::log::LogWriter;
use crate::event::{Output, Stream};

/// The most bytes of one event.
const PIECE: usize = 64 * 1024;

/// The output of one attempt.
pub(super) struct Recorder<'a> {
    world: &'a World,
    position: usize,
    step: &'a StepId,
    attempt: u32,
    /// None once it failed: a log has no holes.
    log: Option<Box<dyn LogWriter>>,
    /// Where the log ends.
    end: u64,
    stdout: MaskStream,
    stderr: MaskStream,
}

impl<'a> Recorder<'a> {
    /// Opens the attempt's log. One that cannot be opened is a warning, not a failed step.
    pub(super) async fn open(world: &'a World, position: usize, step: &'a StepId, attempt: u32) -> Self {
        let (stdout, stderr) = (world.masker.stream(), world.masker.stream());
        let mut recorder = Self { world, position, step, attempt, log: None, end: 0, stdout, stderr };
        match world.logs.open(step, attempt) {
            Ok(log) => recorder.log = Some(log),
            Err(error) => recorder.warn(&error).await,
        }
        recorder
    }

    /// Takes bytes as the program printed them.
    pub(super) async fn take(&mut self, stream: Stream, bytes: &Bytes) {
        let masked = match stream {
            Stream::Stdout => self.stdout.push(bytes),
            Stream::Stderr => self.stderr.push(bytes),
        };
        self.put(stream, masked.into()).await;
    }

    /// Writes what the masker held back, and ends the log.
    pub(super) async fn finish(mut self) {
        let (stdout, stderr) = (self.stdout.finish(), self.stderr.finish());
        self.put(Stream::Stdout, stdout.into()).await;
        self.put(Stream::Stderr, stderr.into()).await;
        if let Some(error) = self.log.take().and_then(|mut log| log.finish().err()) {
            self.warn(&error).await;
        }
    }

    async fn put(&mut self, stream: Stream, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let data = bytes.split_to(bytes.len().min(PIECE));
            let (offset, len) = self.append(stream, &data).await;
            let step = self.step.clone();
            let output = Output { step, attempt: self.attempt, stream, offset, len, data };
            let room = self.world.reserve(output.data.len()).await;
            self.say(News::Output(output, room)).await;
        }
    }

    /// Where in the log the bytes are, and how many of them.
    async fn append(&mut self, stream: Stream, bytes: &[u8]) -> (u64, u64) {
        let Some(log) = &mut self.log else { return (self.end, 0) };
        match log.append(stream, self.world.clock.now(), bytes) {
            Ok(offset) => {
                let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.end = offset + len;
                (offset, len)
            }
            Err(error) => {
                self.log = None;
                self.warn(&error).await;
                (self.end, 0)
            }
        }
    }

    async fn warn(&mut self, error: &std::io::Error) {
        let message = format!("the log of step `{}` is not complete: {error}", self.step);
        self.say(News::Warned(message)).await;
    }

    async fn say(&mut self, news: News) {
        self.world.say(self.position, self.attempt, news).await;
    }
}
