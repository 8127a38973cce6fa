//! One started container: its stream of reports, its end, and what is done when either is missing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{KillContainerOptionsBuilder, LogsOptionsBuilder};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::error;
use crate::backend::{Control, Ended, How, Progress};
use crate::base::awake::timeout;
use crate::base::{Reason, hex};
use crate::event::{Stream as Side, Usage};
use crate::helper::protocol::{Cause, Command, EndRecord, Frames, Report};
use crate::plan::Resources;

/// How long reports may still arrive once the engine says that the container has ended, and the other
/// way round.
pub(super) const DRAIN: Duration = Duration::from_secs(1);
/// How long the helper gets to do what it was told before the engine is asked to do it.
const SLACK: Duration = Duration::from_secs(3);

pub(super) type AttachOutput = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;
pub(super) type AttachInput = Pin<Box<dyn AsyncWrite + Send>>;

/// The handle that the engine room gets.
pub(super) struct Handle {
    input: Mutex<AttachInput>,
    go: Vec<u8>,
    gone: AtomicBool,
    shared: Arc<Shared>,
}

/// What handle and supervisor tell each other.
#[derive(Default)]
pub(super) struct Shared {
    went: Notify,
    stopped: Notify,
    killed: Notify,
}

impl Handle {
    pub(super) fn new(input: AttachInput, go: Vec<u8>, shared: Arc<Shared>) -> Self {
        Self { input: Mutex::new(input), go, gone: AtomicBool::new(false), shared }
    }

    /// A helper that does not listen any more is no error here: its end says why.
    async fn tell(&self, frame: &[u8]) {
        let mut input = self.input.lock().await;
        if input.write_all(frame).await.is_ok() {
            let _ = input.flush().await;
        }
    }
}

impl Control for Handle {
    fn go(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if !self.gone.swap(true, Ordering::Relaxed) {
                self.tell(&self.go).await;
                self.shared.went.notify_one();
            }
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.tell(&Command::Stop.encode()).await;
            self.shared.stopped.notify_one();
        })
    }

    fn kill(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shared.killed.notify_one();
            self.tell(&Command::Kill.encode()).await;
        })
    }
}

/// Watches over one container until it has ended.
pub(super) struct Supervisor {
    pub(super) docker: Docker,
    pub(super) name: String,
    pub(super) shared: Arc<Shared>,
    pub(super) to: mpsc::Sender<Progress>,
    pub(super) resources: Resources,
    pub(super) timeout: Duration,
    pub(super) grace: Duration,
    /// The session it belongs to.
    pub(super) session: Option<Tether>,
    /// The namespace of another container that this one uses, if it does.
    pub(super) joined: Option<Tether>,
}

/// Held by what others depend on: a session, a container whose network namespace others use. They see
/// when it is dropped.
pub(super) type Anchor = watch::Sender<()>;
/// The other end of an [`Anchor`].
pub(super) type Tether = watch::Receiver<()>;

/// Why the engine is asked to kill it, when it comes to that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forced {
    TimedOut,
    Stopped,
}

impl Supervisor {
    /// Passes everything on and returns once the container's end is known and told; whether the
    /// helper itself told it.
    ///
    /// `exit` ends when the container has; it was asked for before the start.
    pub(super) async fn run(mut self, mut attach: AttachOutput, exit: &mut JoinSet<()>) -> bool {
        let (mut session, mut joined) = (self.session.take(), self.joined.take());
        let mut frames = Frames::default();
        let mut passed = 0u64;
        let mut forced = None;
        let mut exited = false;
        let mut deadline: Option<(Instant, Forced)> = None;
        let record = loop {
            let due = deadline.map_or_else(Instant::now, |(at, _)| at);
            tokio::select! {
                biased;
                chunk = attach.next() => match chunk {
                    Some(Ok(LogOutput::StdOut { message })) => {
                        frames.push(&message);
                        if let Some(record) = self.pass_on(&mut frames, &mut passed, 0).await {
                            break Some(record);
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break None,
                },
                Some(_) = exit.join_next(), if !exited => {
                    exited = true;
                    deadline = Some((Instant::now() + DRAIN, Forced::Stopped));
                }
                () = sleep_until(due), if deadline.is_some() => {
                    if exited || forced.is_some() {
                        break None;
                    }
                    forced = deadline.map(|(_, why)| why);
                    self.kill().await;
                    deadline = forced.map(|why| (Instant::now() + SLACK, why));
                }
                () = self.to.closed() => {
                    // Nobody listens any more, so nothing is allowed to go on.
                    self.kill().await;
                    return false;
                }
                () = cut(&mut session) => {
                    session = None;
                    forced = Some(Forced::Stopped);
                    self.kill().await;
                    deadline = Some((Instant::now() + SLACK, Forced::Stopped));
                }
                () = cut(&mut joined) => {
                    // Its network is gone before its program ran: whoever holds it must start another.
                    self.kill().await;
                    return false;
                }
                () = self.shared.went.notified() => {
                    joined = None;
                    let limit = self.timeout.saturating_add(self.grace).saturating_add(SLACK);
                    // A limit beyond what a clock can say is none.
                    deadline = Instant::now().checked_add(limit).map(|at| (at, Forced::TimedOut));
                }
                () = self.shared.stopped.notified() => {
                    let at = Instant::now() + self.grace + SLACK;
                    deadline = deadline.filter(|(due, _)| *due < at).or(Some((at, Forced::Stopped)));
                }
                () = self.shared.killed.notified() => {
                    deadline = Some((Instant::now() + DRAIN, Forced::Stopped));
                }
            }
        };
        let record = match record {
            Some(record) => Some(record),
            None => self.back_fill(&mut passed).await,
        };
        let told = record.is_some();
        let ended = match (record, forced) {
            (Some(record), _) => self.recorded(*record),
            (None, Some(Forced::TimedOut)) => plain(How::TimedOut, None),
            (None, Some(Forced::Stopped)) => plain(How::Stopped, None),
            (None, None) => self.without_record().await,
        };
        // The receiver may be gone by now, and then nobody wants to know.
        let _ = self.to.send(Progress::Ended(ended)).await;
        told
    }

    /// Passes on what is whole, except for the first `skip` bytes of output.
    async fn pass_on(&self, frames: &mut Frames, passed: &mut u64, skip: u64) -> Option<Box<EndRecord>> {
        let mut position = 0u64;
        loop {
            let (side, mut bytes) = match frames.report() {
                Ok(Some(Report::Stdout(bytes))) => (Side::Stdout, Bytes::from(bytes)),
                Ok(Some(Report::Stderr(bytes))) => (Side::Stderr, Bytes::from(bytes)),
                Ok(Some(Report::Ended(record))) => return Some(record),
                Ok(None) | Err(_) => return None,
            };
            let seen = skip.saturating_sub(position).min(bytes.len() as u64);
            position += bytes.len() as u64;
            let fresh = bytes.split_off(usize::try_from(seen).unwrap_or(usize::MAX));
            *passed += fresh.len() as u64;
            if !fresh.is_empty() {
                // A receiver that is gone is noticed in the main loop.
                let _ = self.to.send(Progress::Output(side, fresh)).await;
            }
        }
    }

    /// Takes from the engine's own copy of the log what our stream did not bring.
    async fn back_fill(&self, passed: &mut u64) -> Option<Box<EndRecord>> {
        let options = LogsOptionsBuilder::new().follow(false).stdout(true).stderr(false).build();
        let mut log = self.docker.logs(&self.name, Some(options));
        let mut frames = Frames::default();
        // Frames are only taken once all is there: a log is as large as its limit at most.
        while let Ok(Some(Ok(chunk))) = timeout(SLACK, log.next()).await {
            if let LogOutput::StdOut { message } = chunk {
                frames.push(&message);
            }
        }
        let skip = *passed;
        self.pass_on(&mut frames, passed, skip).await
    }

    async fn kill(&self) {
        let options = KillContainerOptionsBuilder::new().signal("KILL").build();
        // It may have ended by itself; what matters is seen when its end is looked for.
        let _ = timeout(SLACK, self.docker.kill_container(&self.name, Some(options))).await;
    }

    fn recorded(&self, record: EndRecord) -> Ended {
        let mut message = (!record.message.is_empty()).then(|| record.message.clone());
        let killed_for_memory = record.oom_kills > 0;
        let how = match record.cause {
            Cause::CouldNotStart => How::CouldNotStart,
            Cause::TimedOut => How::TimedOut,
            Cause::Stopped => How::Stopped,
            Cause::Orphaned => How::Lost(Reason::RunnerLost),
            // A shell passes the end of its child on as 128 + 9.
            Cause::Exited(137) | Cause::Signalled(9) if killed_for_memory => How::OutOfMemory,
            Cause::Exited(code) => How::Exited(code),
            Cause::Signalled(signal) => How::Signalled(signal),
        };
        if killed_for_memory {
            let limit = self.resources.memory.map_or("none".to_owned(), |memory| memory.to_string());
            let peak = record.peak_memory >> 20;
            message = Some(match how {
                How::OutOfMemory => format!("the kernel ended it: memory limit {limit}, peak {peak}Mi"),
                _ => format!(
                    "the kernel killed {} of its processes for want of memory: limit {limit}, peak {peak}Mi",
                    record.oom_kills
                ),
            });
        }
        Ended { how, message, usage: Some(usage(&record)) }
    }

    /// The helper did not get to say how it ended; the engine may know.
    async fn without_record(&self) -> Ended {
        let state = match timeout(SLACK, self.docker.inspect_container(&self.name, None)).await {
            Ok(Ok(container)) => container.state.unwrap_or_default(),
            Ok(Err(error)) if error::is_not_found(&error) => {
                return lost(Reason::Deleted, "the container was removed by somebody else");
            }
            Ok(Err(error)) => return lost(Reason::DaemonLost, &error::words(&error)),
            Err(_) => return lost(Reason::DaemonLost, "the engine does not answer"),
        };
        if state.oom_killed == Some(true) {
            let limit = self.resources.memory.map_or("none".to_owned(), |memory| memory.to_string());
            return plain(
                How::OutOfMemory,
                Some(format!("the kernel ended the container: memory limit {limit}")),
            );
        }
        if state.running == Some(true) {
            return lost(Reason::DaemonLost, "the connection to the container was cut");
        }
        match state.error.filter(|error| !error.is_empty()) {
            Some(error) => plain(How::CouldNotStart, Some(error)),
            None => lost(Reason::Deleted, "the container was ended by somebody else"),
        }
    }
}

/// Waits until the other end is gone; for ever when there is none.
pub(super) async fn cut(tether: &mut Option<Tether>) {
    match tether {
        // Nothing is ever sent, so the only change is the end.
        Some(tether) => while tether.changed().await.is_ok() {},
        None => std::future::pending().await,
    }
}

fn plain(how: How, message: Option<String>) -> Ended {
    Ended { how, message, usage: None }
}

fn lost(reason: Reason, message: &str) -> Ended {
    plain(How::Lost(reason), Some(message.to_owned()))
}

fn usage(record: &EndRecord) -> Usage {
    Usage {
        peak_memory: record.peak_memory,
        cpu_ms: record.cpu_ms,
        log_bytes: record.log_bytes,
        log_sha256: hex(&record.log_sha256),
        dropped_bytes: record.dropped_bytes,
        dropped_lines: record.dropped_lines,
        leaky: record.leaky,
        oom_kills: record.oom_kills,
    }
}
