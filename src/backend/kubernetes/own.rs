//! A service that runs its image's own program, which the helper cannot start: held back by a gate until it may go,
//! heard through the cluster's log of it, ended by deleting its pod.
//!
//! To whoever listens it is like the others: output, then a record of the end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{AsyncRead, AsyncReadExt, FutureExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use tokio::time::Instant;

use super::inner::Inner;
use super::link::{Last, Link, PATIENCE, Sign};
use super::log::Log;
use super::manifest::CONTAINER;
use super::state::{Fate, State};
use super::wire::Heard;
use super::{call, probe, removal};
use crate::backend::ContainerSpec;
use crate::base::awake::{sleep, timeout};
use crate::event::Stream;
use crate::helper::protocol::{Cause, Command, EndRecord};

/// How long a gate may take to end once it was told that its record has come, before it is told again.
const LEAVE: Duration = Duration::from_secs(5);
/// How long a log may be silent before it is asked for anew: nothing says that a connection is dead.
const SILENCE: Duration = Duration::from_secs(25);
/// How long it may be silent once its container has ended: a kubelet ends it behind the last line.
const LAST: Duration = Duration::from_secs(10);
/// How long whoever ended it may take to be known.
const SETTLED: Duration = Duration::from_secs(5);
/// How long the last words may take of one that was killed.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The pause between two signs of life. A program is ended that had none for two minutes.
const TENDED: Duration = Duration::from_secs(20);
/// So often the end of a log is asked for once its container has ended.
const TRIES: u32 = 3;

/// One such service, from its gate to its end.
pub(super) struct Own {
    inner: Arc<Inner>,
    link: Link,
    timeout: Duration,
    grace: Duration,
    log: Log,
}

impl Own {
    pub(super) fn new(inner: Arc<Inner>, link: Link, spec: &ContainerSpec) -> Self {
        Self { inner, link, timeout: spec.timeout, grace: spec.grace, log: Log::new(spec.log_limit) }
    }

    /// Passes everything on, and says its end once that is known.
    pub(super) async fn run(mut self, mut heard: Heard) -> Heard {
        let last = match self.held(&mut heard).await {
            Ok(()) => self.program().await,
            Err(last) => last,
        };
        self.link.say(Sign::Ended(last)).await;
        heard
    }

    /// Waits until the gate has let the program go; else how it ended instead.
    async fn held(&mut self, heard: &mut Heard) -> Result<(), Last> {
        match self.link.hear_out(heard).await {
            Last::Record(record) if record.cause == Cause::Exited(0) => {}
            Last::Record(record) if matches!(record.cause, Cause::Exited(_) | Cause::Signalled(_)) => {
                let message = "the names that it is to know cannot be written".to_owned();
                return Err(Last::Fate(Fate::CouldNotStart(message)));
            }
            last => return Err(last),
        }
        let Link { api, pods, name, wire, .. } = &self.link;
        let began = Instant::now();
        loop {
            wire.tell(&Command::Taken.encode());
            if timeout(LEAVE, pods.until(name, |state| *state != State::Held)).await.is_ok() {
                return Ok(());
            }
            heard.cut();
            match wire.connect(api, name).await {
                Ok(again) => *heard = again,
                Err(error) if began.elapsed() > PATIENCE => {
                    return Err(self.link.lost(&call::words(&error)));
                }
                Err(_) => {}
            }
        }
    }

    /// Accompanies the program to its end.
    async fn program(&mut self) -> Last {
        let Self { inner, link, log, .. } = self;
        let (api, pods, name, wire) = (&inner.api, &inner.pods, link.name.clone(), Arc::clone(&link.wire));
        let grace = u32::try_from(self.grace.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1);
        let mut is_over_time = false;
        let last = {
            let mut following = Box::pin(follow(inner, link, log));
            let mut due = pin!(sleep(self.timeout));
            let mut tending = Box::pin(tend(api, &name));
            loop {
                let grace = tokio::select! {
                    biased;
                    last = &mut following => break last,
                    never = &mut tending => match never {},
                    () = wire.to_end.notified() => if wire.asked.at_once() { 0 } else { grace },
                    () = &mut due, if !is_over_time => {
                        is_over_time = true;
                        grace
                    }
                };
                // One that cannot be deleted is looked after by whoever waits for its end.
                if removal::delete_within(api, &name, grace).await.is_ok() && grace == 0 {
                    pods.note_gone(&name);
                }
            }
        };
        let (cause, message) = match last {
            Last::Lost(..) => return last,
            _ if wire.asked.to_end() => (Cause::Stopped, String::new()),
            _ if is_over_time => (Cause::TimedOut, String::new()),
            Last::Fate(Fate::Ended(code, message)) => (Cause::Exited(code), message),
            last => return last,
        };
        Last::Record(Box::new(EndRecord { cause, message, ..self.log.record() }))
    }
}

/// Says in the pod again and again that its runner is there; where nobody says it, the cluster ends the program.
async fn tend(api: &Api<Pod>, name: &str) -> Infallible {
    let tend = ["tend".to_owned()];
    loop {
        sleep(TENDED).await;
        // The next one comes soon.
        let _ = timeout(TENDED, probe::ask(api, name, &tend, None)).await;
    }
}

/// Passes the program's log on, to its end.
async fn follow(inner: &Inner, link: &mut Link, log: &mut Log) -> Last {
    let name = link.name.clone();
    if let Err(error) = inner.begun(&name).await {
        return Last::Fate(match inner.pods.state(&name) {
            State::Over(fate) => fate,
            _ => Fate::CouldNotStart(error.message),
        });
    }
    let (mut tries, mut tries_at_end, mut is_whole) = (0, 0, false);
    // A server that was just started refuses for a while what it gave before, however long nothing was printed.
    let (mut was_given, mut refused) = (false, call::Refused::default());
    link.heard = Instant::now();
    loop {
        let had_ended = inner.pods.has_ended(&name);
        let params = LogParams {
            container: Some(CONTAINER.to_owned()),
            follow: true,
            timestamps: true,
            since_time: log.resume(),
            ..LogParams::default()
        };
        is_whole = match call::once(inner.api.log_stream(&name, &params)).await {
            Ok(stream) => {
                (tries, was_given) = (0, true);
                link.reached().await;
                read(link, log, stream).await
            }
            Err(error)
                if !refused.may_pass(&error)
                    && call::answer(&error).is_some_and(|status| status.code == 403)
                    && !(was_given && call::is_forbidden(&error)) =>
            {
                let why = call::words(&error);
                return Last::Fate(Fate::CouldNotStart(format!("its log cannot be read: {why}")));
            }
            Err(error) if !had_ended && link.heard.elapsed() > PATIENCE => {
                return link.lost(&call::words(&error));
            }
            // Of a pod that is gone the stream before it was all that there is, and no answer changes nothing.
            Err(error) => is_whole && (call::answer(&error).is_none() || call::is_not_found(&error)),
        };
        let asked = link.ask().await;
        // A server that is away has not said that there is no more.
        tries_at_end += u32::from(had_ended && matches!(asked, Ok(true)));
        if had_ended && (is_whole || tries_at_end == TRIES) || link.wire.asked.at_once() {
            if !is_whole && !link.wire.asked.to_end() {
                link.say(Sign::Warned("the end of its log is not to be had".to_owned())).await;
            }
            let patience = if link.wire.asked.to_end() { Duration::ZERO } else { SETTLED };
            if let Some(fate) = inner.pods.fate(&name, patience).await {
                return Last::Fate(fate);
            }
        }
        if let Err(lost) = asked {
            return lost;
        }
        sleep(call::pause(tries)).await;
        tries += 1;
    }
}

/// Reads one stream; whether it was to its end.
async fn read(link: &mut Link, log: &mut Log, stream: impl AsyncRead) -> bool {
    let mut stream = pin!(stream);
    let mut buffer = vec![0; 64 << 10];
    let (pods, name) = (link.pods.clone(), link.name.clone());
    let mut ended: BoxFuture<'static, ()> = async move { pods.ended(&name).await }.boxed();
    let mut too_late: BoxFuture<'static, ()> = std::future::pending().boxed();
    let mut has_ended = false;
    loop {
        tokio::select! {
            biased;
            more = timeout(if has_ended { LAST } else { SILENCE }, stream.read(&mut buffer)) => match more {
                Ok(Ok(0)) => return !log.was_torn(),
                Ok(Ok(count)) => {
                    link.heard = Instant::now();
                    let fresh = log.take(buffer.get(..count).unwrap_or_default());
                    if let Some(lost) = log.lost() {
                        link.say(Sign::Warned(lost.to_owned())).await;
                    }
                    if !fresh.is_empty() {
                        link.say(Sign::Output(Stream::Stdout, Bytes::from(fresh))).await;
                    }
                }
                Ok(Err(_)) | Err(_) => return false,
            },
            // The kubelet ends the stream behind the last line, however long it takes to get there.
            () = &mut ended, if !has_ended => {
                has_ended = true;
                if link.wire.asked.at_once() {
                    too_late = sleep(AT_ONCE).boxed();
                }
            }
            () = &mut too_late => return false,
        }
    }
}
