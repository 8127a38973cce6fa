//! One started container: what it is told, when its pod is deleted for it, and how its end is to be understood.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::go::{self, plain};
use super::link::{Last, Sign, by_whom};
use super::pods::Pods;
use super::probe::Prober;
use super::removal;
use super::state::Fate;
use super::wire::Wire;
use crate::backend::{Control, Ended, Hosts, How, Progress};
use crate::base::Reason;
use crate::base::awake::Watch;
use crate::helper::protocol::{Cause, EndRecord};
use crate::plan::{Probe, Resources};

/// How long the helper gets to do what it was told before its pod is deleted.
const SLACK: Duration = Duration::from_secs(5);
/// The same for KILL.
const AT_ONCE: Duration = Duration::from_secs(2);

/// The handle that the engine room gets.
pub(super) struct Handle {
    pub(super) wire: Arc<Wire>,
    /// Of a service alone.
    pub(super) prober: Option<Prober>,
}

impl Control for Handle {
    fn go(&self, hosts: Hosts) -> BoxFuture<'_, ()> {
        self.wire.go(hosts).boxed()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.wire.stop().boxed()
    }

    fn kill(&self) -> BoxFuture<'_, ()> {
        self.wire.kill().boxed()
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
    pub(super) api: Api<Pod>,
    pub(super) pods: Pods,
    pub(super) name: String,
    pub(super) wire: Arc<Wire>,
    pub(super) to: mpsc::Sender<Progress>,
    pub(super) resources: Resources,
    pub(super) timeout: Duration,
    pub(super) grace: Duration,
    /// The session it belongs to: the other end is dropped when that closes.
    pub(super) session: watch::Receiver<()>,
}

/// Why the pod is deleted, when it comes to that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forced {
    TimedOut,
    Stopped,
}

impl Supervisor {
    /// Passes everything on and returns once the container's end is known and told; whether the helper itself told it.
    pub(super) async fn run(mut self, mut signs: mpsc::Receiver<Sign>) -> bool {
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
                    self.delete().await;
                    deadline = Some((Instant::now() + SLACK, why));
                }
                () = self.to.closed() => {
                    // Nobody listens any more, so nothing is allowed to go on.
                    self.delete().await;
                    return false;
                }
                _ = self.session.changed() => {
                    forced = Some(Forced::Stopped);
                    self.delete().await;
                    break None;
                }
                () = self.wire.went.notified() => {
                    let limit = self.timeout.saturating_add(self.grace).saturating_add(SLACK);
                    // A limit beyond what a clock can say is none.
                    deadline = Instant::now().checked_add(limit).map(|at| (at, Forced::TimedOut));
                }
                () = self.wire.stopped.notified() => {
                    let at = Instant::now() + self.grace + SLACK;
                    deadline = deadline.filter(|(due, _)| *due < at).or(Some((at, Forced::Stopped)));
                }
                () = self.wire.killed.notified() => {
                    deadline = Some((Instant::now() + AT_ONCE, Forced::Stopped));
                }
            }
        };
        let told = matches!(last, Some(Last::Record(_)));
        let ended = match (last, forced) {
            (Some(Last::Record(record)), _) => self.recorded(*record).await,
            (_, Some(Forced::TimedOut)) => plain(How::TimedOut, None),
            (None, None) | (_, Some(Forced::Stopped)) => plain(How::Stopped, None),
            (Some(Last::Fate(_)), None) if self.wire.asked.to_end() => plain(How::Stopped, None),
            (Some(Last::Fate(fate)), None) => self.without_record(fate),
            (Some(Last::Lost(reason, why)), None) => {
                // Should it still run, it must not do so beside another attempt.
                self.delete().await;
                plain(How::Lost(reason), Some(why))
            }
        };
        self.pass_on(Progress::Ended(ended)).await;
        told
    }

    /// A receiver that is gone is noticed in the main loop, and after that nobody wants to know.
    async fn pass_on(&self, progress: Progress) {
        let _ = self.to.send(progress).await;
    }

    /// It may be gone; what matters is seen when its end is looked for.
    async fn delete(&self) {
        if removal::delete_now(&self.api, &self.name).await.is_ok() {
            self.pods.note_gone(&self.name);
        }
    }

    async fn recorded(&self, record: EndRecord) -> Ended {
        let stopped = record.cause == Cause::Stopped && !self.wire.asked.to_end();
        let ended = go::ended(record, &self.resources);
        if !stopped {
            return ended;
        }
        let (reason, message) = by_whom(&self.api, &self.pods, &self.name).await;
        Ended { how: How::Lost(reason), message: Some(message), ..ended }
    }

    /// The helper did not get to say how it ended; the cluster does.
    fn without_record(&self, fate: Fate) -> Ended {
        match fate {
            Fate::Lost(reason, message) => plain(How::Lost(reason), Some(message)),
            Fate::OutOfMemory => {
                let limit = go::limit(&self.resources);
                plain(How::OutOfMemory, Some(format!("the kernel ended the container: memory limit {limit}")))
            }
            Fate::CouldNotStart(message) => plain(How::CouldNotStart, Some(message)),
            // The helper's own: nobody told it what to run, or nobody took its word.
            Fate::Ended(0, _) => plain(
                How::Lost(Reason::DaemonLost),
                Some("the connection to the container was cut before its end was known".to_owned()),
            ),
            Fate::Ended(code, message) => {
                let message = if message.is_empty() { format!("code {code}") } else { message };
                plain(
                    How::Lost(Reason::Deleted),
                    Some(format!("the container was ended by somebody else: {message}")),
                )
            }
        }
    }
}
