//! One started container: what it is told, when the engine is asked to end it, and how its end is to be
//! understood.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerState;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::Instant;

use super::link::{self, DRAIN, Last, Sign};
use super::probe::Prober;
use super::tether::{Tether, cut};
use crate::backend::helped::{self, plain};
use crate::backend::{Control, Ended, Hosts, How, Progress};
use crate::base::Reason;
use crate::base::awake::Watch;
use crate::helper::protocol::{Cause, Command, EndRecord, Go};
use crate::plan::{Probe, Resources};

/// How long the helper gets to do what it was told, and to say so, before the engine is asked to do it: on a busy machine
/// that takes seconds, and what it would still have said is lost then.
const SLACK: Duration = Duration::from_secs(15);
/// How long the end may take to be heard once the engine was asked for it.
const ENDS: Duration = Duration::from_secs(3);

pub(super) type AttachInput = Pin<Box<dyn AsyncWrite + Send>>;

/// The handle that the engine room gets.
pub(super) struct Handle {
    input: Mutex<AttachInput>,
    go: Go,
    gone: AtomicBool,
    shared: Arc<Shared>,
    /// Of a service alone.
    prober: Option<Prober>,
}

/// What handle and supervisor tell each other.
#[derive(Default)]
pub(super) struct Shared {
    went: Notify,
    stopped: Notify,
    killed: Notify,
    pub(super) common: Arc<link::Common>,
}

impl Shared {
    pub(super) fn of(departures: Arc<AtomicU32>) -> Self {
        let common = Arc::new(link::Common { departures, ..link::Common::default() });
        Self { common, ..Self::default() }
    }
}

impl Handle {
    pub(super) fn new(input: AttachInput, go: Go, shared: Arc<Shared>, prober: Option<Prober>) -> Self {
        Self { input: Mutex::new(input), go, gone: AtomicBool::new(false), shared, prober }
    }

    /// A helper that does not listen any more is no error here: its end says why.
    async fn tell(&self, frame: &[u8]) {
        let mut input = self.input.lock().await;
        if input.write_all(frame).await.is_ok() {
            let _ = input.flush().await;
        }
    }

    /// Lets a helper go that has told its end.
    pub(super) async fn taken(&self) {
        self.tell(&Command::Taken.encode()).await;
    }
}

impl Control for Handle {
    fn go(&self, hosts: Hosts) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if !self.gone.swap(true, Ordering::Relaxed) {
                let hosts = hosts.into_iter().map(|(name, address)| (name, address.to_string())).collect();
                self.tell(&Command::Go(Box::new(Go { hosts, ..self.go.clone() })).encode()).await;
                self.shared.went.notify_one();
            }
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shared.common.stopped.store(true, Ordering::Relaxed);
            self.shared.stopped.notify_one();
            self.tell(&Command::Stop.encode()).await;
        })
    }

    fn kill(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shared.common.stopped.store(true, Ordering::Relaxed);
            self.shared.killed.notify_one();
            self.tell(&Command::Kill.encode()).await;
        })
    }

    fn ready<'a>(&'a self, probe: &'a Probe) -> BoxFuture<'a, ()> {
        match &self.prober {
            Some(prober) => Box::pin(prober.ready(probe)),
            None => Box::pin(std::future::pending()),
        }
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

/// Why the engine is asked to kill it, when it comes to that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forced {
    TimedOut,
    Stopped,
}

impl Supervisor {
    /// Passes everything on and returns once the container's end is known and told; whether the
    /// helper itself told it.
    pub(super) async fn run(mut self, mut signs: mpsc::Receiver<Sign>) -> bool {
        let (mut session, mut joined) = (self.session.take(), self.joined.take());
        let mut forced = None;
        let mut deadline: Option<(Instant, Forced)> = None;
        // What the helper did while we were stopped is still to be read, so a stop does not count.
        let mut watch = Watch::start();
        let last = loop {
            let missed = watch.missed();
            deadline = deadline.map(|(at, why)| (at + missed, why));
            let due = deadline.map_or_else(|| Instant::now() + SLACK, |(at, _)| at);
            tokio::select! {
                biased;
                sign = signs.recv() => match sign {
                    Some(Sign::Output(side, bytes)) => self.pass_on(Progress::Output(side, bytes)).await,
                    Some(Sign::Warned(message)) => self.pass_on(Progress::Warned(message)).await,
                    Some(Sign::Ended(last)) => break Some(last),
                    None => break None,
                },
                () = watch.until(due) => {
                    let missed = watch.missed();
                    deadline = deadline.map(|(at, why)| (at + missed, why));
                    let Some((_, why)) = deadline.filter(|(at, _)| *at <= Instant::now()) else { continue };
                    if forced.is_some() {
                        break None;
                    }
                    forced = Some(why);
                    self.kill().await;
                    deadline = Some((Instant::now() + ENDS, why));
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
                    deadline = Some((Instant::now() + ENDS, Forced::Stopped));
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
                    if self.shared.common.detached.load(Ordering::Relaxed) {
                        // The link says it again when it is made again.
                        let _ = link::signal(&self.docker, &self.name, "TERM").await;
                    }
                    let at = Instant::now() + self.grace + SLACK;
                    deadline = deadline.filter(|(due, _)| *due < at).or(Some((at, Forced::Stopped)));
                }
                () = self.shared.killed.notified() => {
                    deadline = Some((Instant::now() + DRAIN, Forced::Stopped));
                }
            }
        };
        let told = matches!(last, Some(Last::Record(_)));
        let ended = match (last, forced) {
            (Some(Last::Record(record)), _) => self.recorded(*record),
            (_, Some(Forced::TimedOut)) => plain(How::TimedOut, None),
            (None, None) | (_, Some(Forced::Stopped)) => plain(How::Stopped, None),
            (Some(Last::State(state, away)), None) => self.without_record(*state, away),
            (Some(Last::Gone), None) => lost(Reason::Deleted, "the container was removed by somebody else"),
            (Some(Last::Lost(why)), None) => {
                // Should it still run, it must not do so beside another attempt.
                self.kill().await;
                lost(Reason::DaemonLost, &why)
            }
        };
        self.pass_on(Progress::Ended(ended)).await;
        told
    }

    /// A receiver that is gone is noticed in the main loop, and after that nobody wants to know.
    async fn pass_on(&self, progress: Progress) {
        let _ = self.to.send(progress).await;
    }

    /// It may have ended by itself; what matters is seen when its end is looked for.
    async fn kill(&self) {
        let _ = link::signal(&self.docker, &self.name, "KILL").await;
    }

    fn recorded(&self, record: EndRecord) -> Ended {
        let taken_along = record.cause == Cause::Stopped && self.was_taken_along();
        let ended = helped::ended(record, &self.resources);
        if !taken_along {
            return ended;
        }
        let message = "the engine went away, and then the container was ended".to_owned();
        Ended { how: How::Lost(Reason::DaemonLost), message: Some(message), ..ended }
    }

    /// Whether the engine was away, and so may have ended the container when it came back. We did not.
    fn was_taken_along(&self) -> bool {
        let link::Common { detached, stopped, departures } = &*self.shared.common;
        let away = detached.load(Ordering::Relaxed) && departures.load(Ordering::Relaxed) > 0;
        away && !stopped.load(Ordering::Relaxed)
    }

    /// The helper did not get to say how it ended; the engine does. `away`: it was not there for a while.
    fn without_record(&self, state: ContainerState, away: bool) -> Ended {
        if state.oom_killed == Some(true) {
            return helped::out_of_memory(&self.resources);
        }
        if away {
            return lost(Reason::DaemonLost, "the engine went away, and the container with it");
        }
        // The helper's own: nobody told it what to run, or nobody took its word.
        if state.exit_code == Some(0) {
            return lost(
                Reason::DaemonLost,
                "the connection to the container was cut before its end was known",
            );
        }
        match state.error.filter(|error| !error.is_empty()) {
            Some(error) => plain(How::CouldNotStart, Some(error)),
            None => lost(Reason::Deleted, "the container was ended by somebody else"),
        }
    }
}

fn lost(reason: Reason, message: &str) -> Ended {
    plain(How::Lost(reason), Some(message.to_owned()))
}
