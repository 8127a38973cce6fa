//! One container's output and end: read, acknowledged, and looked for anew when the stream is cut.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::call;
use super::pods::Pods;
use super::state::{Fate, State};
use super::wire::{Heard, Wire};
use crate::base::Reason;
use crate::base::awake::{sleep, timeout};
use crate::event::Stream;
use crate::helper::protocol::{Command, EndRecord, Malformed, Report};

/// How often the helper is told that we live, and asked whether it does.
const PULSE: Duration = Duration::from_secs(8);
/// How long a connection may be silent before another is made.
const SILENCE: Duration = Duration::from_secs(25);
/// How long reports may still arrive once the cluster says that the pod is over, of a node that is busy.
const DRAIN: Duration = Duration::from_secs(10);
/// How long the cluster may be out of reach before the step is lost. More than the two minutes after which the helper ends
/// its program because nobody is there, and its grace: another attempt must not find it running.
pub(super) const PATIENCE: Duration = Duration::from_secs(150);
/// How long it may be so before it is said.
const QUIET: Duration = Duration::from_secs(7);
/// So much output is taken in before the helper may forget it.
const ACKNOWLEDGE: u64 = 256 << 10;

/// What comes over a link.
pub(super) enum Sign {
    /// It printed something.
    Output(Stream, Bytes),
    /// For people.
    Warned(String),
    /// The helper lives, and has said all that there is; its end is not.
    Here,
    /// It ended, or is out of reach. Nothing follows.
    Ended(Last),
}

/// The last that is known of a container.
pub(super) enum Last {
    /// The helper told how it ended.
    Record(Box<EndRecord>),
    /// The helper did not, and the cluster says this.
    Fate(Fate),
    /// The cluster is out of reach, or the node alone, and why that is thought.
    Lost(Reason, String),
}

/// One container's connection.
pub(super) struct Link {
    pub(super) api: Api<Pod>,
    pub(super) pods: Pods,
    pub(super) name: String,
    pub(super) wire: Arc<Wire>,
    pub(super) to: mpsc::Sender<Sign>,
    /// How much output was passed on.
    passed: u64,
    /// How much of that the helper knows of.
    acknowledged: u64,
    /// Where the stream that is being read stands.
    position: u64,
    /// When something came last.
    pub(super) heard: Instant,
    /// That nothing comes was said.
    said: bool,
    /// The API server answered when it was asked last.
    answers: bool,
}

impl Link {
    pub(super) fn new(
        api: Api<Pod>,
        pods: Pods,
        name: String,
        wire: Arc<Wire>,
        to: mpsc::Sender<Sign>,
    ) -> Self {
        let (passed, acknowledged, position) = (0, 0, 0);
        let (heard, said, answers) = (Instant::now(), false, true);
        Self { api, pods, name, wire, to, passed, acknowledged, position, heard, said, answers }
    }

    /// Passes everything on, and says the container's end once it is known. Whoever drops what is returned cuts the
    /// connection.
    pub(super) async fn run(mut self, mut heard: Heard) -> Heard {
        let last = self.hear_out(&mut heard).await;
        self.say(Sign::Ended(last)).await;
        heard
    }

    /// Passes everything on until the container's end is known.
    pub(super) async fn hear_out(&mut self, heard: &mut Heard) -> Last {
        loop {
            if let Some(record) = self.listen(heard).await {
                return Last::Record(record);
            }
            // Should it only have been slow, its rest must not come between what is said over the next one.
            heard.cut();
            match self.connect().await {
                Ok(again) => *heard = again,
                Err(last) => return last,
            }
        }
    }

    /// Connects again, as often as it takes, until there is nothing to connect to.
    async fn connect(&mut self) -> Result<Heard, Last> {
        let mut tries = 0;
        let heard = loop {
            if let Some(last) = self.look().await {
                return Err(last);
            }
            match self.wire.connect(&self.api, &self.name).await {
                Ok(heard) => break heard,
                Err(error) if self.heard.elapsed() > PATIENCE => return Err(self.lost(&call::words(&error))),
                Err(_) => self.tell_silence().await,
            }
            sleep(call::pause(tries)).await;
            tries += 1;
        };
        self.reached().await;
        Ok(heard)
    }

    /// Takes in that the container was reached.
    pub(super) async fn reached(&mut self) {
        self.heard = Instant::now();
        if std::mem::take(&mut self.said) {
            self.say(Sign::Warned("the step is heard again".to_owned())).await;
        }
    }

    /// Reads one stream until its end, or that of what comes over it.
    async fn listen(&mut self, heard: &mut Heard) -> Option<Box<EndRecord>> {
        let mut buffer = vec![0; 64 << 10];
        let (pods, name) = (self.pods.clone(), self.name.clone());
        // One that is to go may have a grace, and is heard until its end.
        let mut ended: BoxFuture<'static, ()> = async move { pods.ended(&name).await }.boxed();
        let mut drained: BoxFuture<'static, ()> = std::future::pending().boxed();
        let mut pulse = interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.take(heard).await {
                Ok(None) => {}
                Ok(record) => return record,
                // Somebody else has written there. What was torn is said again to whoever listens anew.
                Err(Malformed(_)) => return None,
            }
            if self.passed >= self.acknowledged + ACKNOWLEDGE {
                self.acknowledge();
            }
            tokio::select! {
                biased;
                more = heard.more(&mut buffer) => {
                    if !more {
                        return None;
                    }
                    self.heard = Instant::now();
                }
                _ = pulse.tick() => {
                    if self.heard.max(heard.accepted()).elapsed() > SILENCE {
                        return None;
                    }
                    self.acknowledge();
                }
                () = &mut ended => {
                    ended = std::future::pending().boxed();
                    drained = sleep(DRAIN).boxed();
                }
                () = &mut drained => return None,
            }
        }
    }

    fn acknowledge(&mut self) {
        self.acknowledged = self.passed;
        self.wire.tell(&Command::Has(self.passed).encode());
    }

    /// Passes on what is whole and was not passed on before.
    async fn take(&mut self, heard: &mut Heard) -> Result<Option<Box<EndRecord>>, Malformed> {
        loop {
            let (side, mut bytes) = match heard.frames.report()? {
                Some(Report::Stdout(bytes)) => (Stream::Stdout, Bytes::from(bytes)),
                Some(Report::Stderr(bytes)) => (Stream::Stderr, Bytes::from(bytes)),
                Some(Report::Ended(record)) => return Ok(Some(record)),
                Some(Report::Resumed(_, offset)) => {
                    self.position = offset;
                    continue;
                }
                Some(Report::Here) => {
                    self.say(Sign::Here).await;
                    continue;
                }
                None => return Ok(None),
            };
            let seen = self.passed.saturating_sub(self.position).min(bytes.len() as u64);
            self.position += bytes.len() as u64;
            let fresh = bytes.split_off(usize::try_from(seen).unwrap_or(usize::MAX));
            self.passed += fresh.len() as u64;
            if !fresh.is_empty() {
                self.say(Sign::Output(side, fresh)).await;
            }
        }
    }

    /// Asks the cluster for the pod; whether it answered.
    ///
    /// # Errors
    /// That it is lost, when nobody has answered for too long.
    pub(super) async fn ask(&mut self) -> Result<bool, Last> {
        let found = call::once(self.api.get_opt(&self.name)).await;
        self.answers = found.is_ok();
        match found {
            Ok(Some(pod)) => self.pods.note(pod),
            Ok(None) => self.pods.note_gone(&self.name),
            // A server that was just started does not know for a moment what we may do.
            Err(error)
                if !call::may_pass(&error) && !call::is_forbidden(&error)
                    || self.heard.elapsed() > PATIENCE =>
            {
                return Err(self.lost(&call::words(&error)));
            }
            Err(_) => self.tell_silence().await,
        }
        Ok(self.answers)
    }

    /// Finds out what became of a pod whose stream has ended. None when it runs, or nobody answers.
    async fn look(&mut self) -> Option<Last> {
        match self.ask().await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(last) => return Some(last),
        }
        match self.pods.state(&self.name) {
            // One that ended by itself tells more a moment later, if it was not alone in that.
            State::Over(Fate::Ended(..)) => self.pods.fate(&self.name, PATIENCE).await.map(Last::Fate),
            // It is not over for its program yet, which may be heard again.
            State::Over(_) if !self.pods.has_ended(&self.name) && self.heard.elapsed() <= SILENCE => None,
            State::Over(fate) => Some(Last::Fate(fate)),
            State::Waiting(_) | State::Held | State::Running => None,
        }
    }

    /// Whoever answers in the node's place knows the pod, so that it is the node that does not.
    fn out_of_reach(&self) -> (Reason, &'static str) {
        if self.answers { (Reason::NodeLost, "its node") } else { (Reason::DaemonLost, "the cluster") }
    }

    pub(super) fn lost(&self, why: &str) -> Last {
        let (reason, what) = self.out_of_reach();
        let seconds = self.heard.elapsed().as_secs();
        Last::Lost(reason, format!("{what} has been out of reach for {seconds} s: {why}"))
    }

    async fn tell_silence(&mut self) {
        if self.heard.elapsed() >= QUIET && !std::mem::replace(&mut self.said, true) {
            let ((_, what), seconds) = (self.out_of_reach(), PATIENCE.as_secs());
            let message = format!("{what} is out of reach; the step is lost if that lasts {seconds} s");
            self.say(Sign::Warned(message)).await;
        }
    }

    pub(super) async fn say(&self, sign: Sign) {
        // Who does not listen any more does not want to know.
        let _ = self.to.send(sign).await;
    }
}

/// What became of a container that was ended by somebody who is not us.
pub(super) async fn by_whom(api: &Api<Pod>, pods: &Pods, name: &str, patience: Duration) -> (Reason, String) {
    if timeout(patience, pods.settled(name)).await.is_err() {
        match call::once(api.get_opt(name)).await {
            Ok(Some(pod)) => pods.note(pod),
            Ok(None) => pods.note_gone(name),
            Err(_) => {}
        }
    }
    match pods.state(name) {
        State::Over(Fate::Lost(reason, message)) => (reason, message),
        _ => (Reason::Deleted, "the container was ended by somebody else".to_owned()),
    }
}

#[cfg(test)]
mod tests;
