//! One started container: what it is told, when its pod is deleted for it, and how its end is to be understood.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::link::{Last, PATIENCE, Sign, by_whom};
use super::pods::Pods;
use super::probe::Prober;
use super::removal;
use super::state::{Fate, State};
use super::wire::Wire;
use crate::backend::helped::{self, plain};
use crate::backend::{Control, Ended, Hosts, How, Progress};
use crate::base::Reason;
use crate::base::awake::{Watch, timeout};
use crate::helper::protocol::{Cause, EndRecord};
use crate::plan::{Probe, Resources};

/// How long the helper may take beyond a step's limit before its pod is deleted, and its end to be heard once that is so.
const SLACK: Duration = Duration::from_secs(5);
/// The same for KILL.
const AT_ONCE: Duration = Duration::from_secs(2);
/// How long a helper may take, beyond a container's grace, to have ended it and say so, or a kubelet to say why.
pub(super) const LATE: Duration = Duration::from_secs(20);

/// The handle that the engine room gets.
pub(super) struct Handle {
    pub(super) wire: Arc<Wire>,
    /// Of a service alone.
    pub(super) prober: Option<Prober>,
    /// The pod of a container whose own program begins a while after it may.
    pub(super) begins: Option<(Pods, String)>,
}

impl Control for Handle {
    fn go(&self, hosts: Hosts) -> BoxFuture<'_, ()> {
        self.wire.go(&hosts);
        Box::pin(async {
            if let Some((pods, name)) = &self.begins {
                let has_begun = |state: &State| matches!(state, State::Running | State::Over(_));
                let _ = timeout(PATIENCE, pods.until(name, has_begun)).await;
            }
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.wire.stop();
        std::future::ready(()).boxed()
    }

    fn kill(&self) -> BoxFuture<'_, ()> {
        self.wire.kill();
        std::future::ready(()).boxed()
    }

    fn ready<'a>(&'a self, probe: &'a Probe) -> BoxFuture<'a, ()> {
        match &self.prober {
            Some(prober) => Box::pin(prober.ready(probe, |words| self.wire.warn(words))),
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
        let mut deadline: Option<Instant> = None;
        // The helper keeps it, heard or not. Ours is for one that says that it lives, and never an end.
        let mut limit: Option<Instant> = None;
        // What the helper did while we were stopped is still to be read, so a stop does not count.
        let mut watch = Watch::start();
        let last = loop {
            let missed = watch.missed();
            (deadline, limit) = (deadline.map(|at| at + missed), limit.map(|at| at + missed));
            let due = deadline.unwrap_or_else(|| Instant::now() + SLACK);
            tokio::select! {
                biased;
                sign = signs.recv() => match sign {
                    Some(Sign::Output(side, bytes)) => self.pass_on(Progress::Output(side, bytes)).await,
                    Some(Sign::Warned(message)) => self.pass_on(Progress::Warned(message)).await,
                    Some(Sign::Here) => {
                        if forced.is_none() && limit.is_some_and(|at| at <= Instant::now()) {
                            forced = Some(Forced::TimedOut);
                            self.delete().await;
                            deadline = Some(Instant::now() + SLACK);
                        }
                    }
                    Some(Sign::Ended(last)) => break Some(last),
                    None => break None,
                },
                () = watch.until(due) => {
                    let missed = watch.missed();
                    (deadline, limit) = (deadline.map(|at| at + missed), limit.map(|at| at + missed));
                    if deadline.is_none_or(|at| at > Instant::now()) {
                        continue;
                    }
                    if forced.is_some() {
                        break None;
                    }
                    forced = Some(Forced::Stopped);
                    self.delete().await;
                    deadline = Some(Instant::now() + SLACK);
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
                () = self.wire.warned.notified() => {
                    if let Some(words) = self.wire.warning() {
                        self.pass_on(Progress::Warned(words)).await;
                    }
                }
                () = self.wire.went.notified() => {
                    let time = self.timeout.saturating_add(self.grace).saturating_add(SLACK);
                    // A limit beyond what a clock can say is none.
                    limit = Instant::now().checked_add(time);
                }
                () = self.wire.stopped.notified() => {
                    let at = Instant::now() + self.grace + LATE;
                    deadline = deadline.filter(|due| *due < at).or(Some(at));
                }
                () = self.wire.killed.notified() => {
                    deadline = Some(Instant::now() + AT_ONCE);
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

    async fn recorded(&mut self, record: EndRecord) -> Ended {
        let stopped = record.cause == Cause::Stopped && !self.wire.asked.to_end();
        let ended = helped::ended(record, &self.resources);
        if !stopped {
            return ended;
        }
        // Nor is the helper told yet that its word was taken: it would end well, and a kubelet has no reason for what did.
        let patience = self.grace.saturating_add(LATE);
        let (reason, message) = tokio::select! {
            whose = by_whom(&self.api, &self.pods, &self.name, patience) => whose,
            // Somebody does not want it any more, or wants to know no more; then it is as good an end as any.
            () = self.wire.stopped.notified() => return ended,
            () = self.wire.killed.notified() => return ended,
            () = self.to.closed() => return ended,
            // Nothing is ever sent, so the only change is the end.
            _ = self.session.changed() => return ended,
        };
        Ended { how: How::Lost(reason), message: Some(message), ..ended }
    }

    /// The helper did not get to say how it ended; the cluster does.
    fn without_record(&self, fate: Fate) -> Ended {
        match fate {
            Fate::Lost(reason, message) => plain(How::Lost(reason), Some(message)),
            Fate::OutOfMemory => helped::out_of_memory(&self.resources),
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

#[cfg(test)]
mod tests;
