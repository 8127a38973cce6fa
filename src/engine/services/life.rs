//! The life of one service, from its image to its end, in a task of its own.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use tokio::sync::{oneshot, watch};

use super::beside::Beside;
use super::journal::Journal;
use crate::backend::{ContainerSpec, Ended, How, Progress, StartError, Started};
use crate::base::units::show_duration;
use crate::base::{Reason, awake};
use crate::engine::images;
use crate::engine::message::ImageReady;
use crate::engine::verdict;
use crate::engine::world::World;
use crate::event::EventKind;
use crate::plan::{OnExit, Probe, Ready};

/// How far a service is.
#[derive(Clone, Debug)]
pub(super) enum Status {
    /// It has no address yet.
    Coming,
    /// It runs, and is not ready.
    Up(IpAddr),
    /// It is ready.
    Ready(IpAddr),
    /// It ended, which is as good as ready.
    Over(IpAddr),
    /// It fails those that it is beside.
    Failed(StartError),
}

impl Status {
    /// Where it is, or was.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Status::Up(address) | Status::Ready(address) | Status::Over(address) => Some(*address),
            Status::Coming | Status::Failed(_) => None,
        }
    }
}

/// What is to be started.
pub(super) struct Life {
    pub(super) name: String,
    pub(super) spec: ContainerSpec,
    pub(super) image: ImageReady,
    pub(super) ready: Option<Ready>,
    pub(super) on_exit: OnExit,
    /// What it reaches by name, itself among them: they were started before, or are started with it.
    pub(super) neighbours: Beside,
}

/// How it ended before anybody wanted that.
struct Early {
    reason: Reason,
    message: String,
    last_lines: Vec<String>,
    /// Where it was, if it may end early.
    forgiven: Option<IpAddr>,
}

impl Life {
    /// Runs the service until `end` is dropped or it ends by itself, and says how it is in `status`.
    pub(super) async fn live(
        self,
        world: Arc<World>,
        status: watch::Sender<Status>,
        end: oneshot::Receiver<()>,
    ) {
        let lived = AssertUnwindSafe(self.serve(&world, &status, end)).catch_unwind().await;
        let early = match lived {
            Ok(None) => return,
            Ok(Some(early)) => early,
            Err(panic) => {
                let end = verdict::of_panic(panic.as_ref());
                let message = end.message.unwrap_or_default();
                Early { reason: Reason::RunnerLost, message, last_lines: Vec::new(), forgiven: None }
            }
        };
        let Early { reason, message, last_lines, forgiven } = early;
        // Said before anybody can end because of it.
        self.say(&world, |step, attempt, service| EventKind::ServiceEnded {
            step,
            attempt,
            service,
            failed: forgiven.is_none(),
            message: message.clone(),
            last_lines,
        })
        .await;
        let message = format!("service `{}` {message}", self.name);
        status.send_replace(match forgiven {
            Some(address) => Status::Over(address),
            None => Status::Failed(StartError { reason, message }),
        });
    }

    async fn serve(
        &self,
        world: &World,
        status: &watch::Sender<Status>,
        mut end: oneshot::Receiver<()>,
    ) -> Option<Early> {
        let start = async {
            images::wait(self.image.clone()).await?;
            world.session.start(self.spec.clone()).await
        };
        let mut started = tokio::select! { biased;
            // Nothing is ever sent, so this is the other end's end.
            _ = &mut end => return None,
            started = start => match started {
                Ok(started) => started,
                Err(error) => return Some(unstarted(error)),
            },
        };
        let Some(address) = started.address else {
            let message = "the backend gave it no address".to_owned();
            return Some(unstarted(StartError { reason: Reason::CouldNotStart, message }));
        };
        status.send_replace(Status::Up(address));
        let control = Arc::clone(&started.control);
        let go = async {
            // One that never comes fails the steps, not us.
            let _ = self.neighbours.placed().await;
            control.go(self.neighbours.hosts()).await;
        };
        tokio::select! { biased;
            _ = &mut end => {
                control.kill().await;
                while started.progress.next().await.is_some() {}
                return None;
            }
            () = go => {}
        }
        self.say(world, |step, attempt, service| EventKind::ServiceStarted { step, attempt, service }).await;
        self.accompany(world, status, end, (&mut started, address)).await
    }

    /// Stays with it to its end.
    async fn accompany(
        &self,
        world: &World,
        status: &watch::Sender<Status>,
        mut end: oneshot::Receiver<()>,
        (started, address): (&mut Started, IpAddr),
    ) -> Option<Early> {
        let probe = self.ready.as_ref().map(|ready| &ready.probe);
        let line = match probe {
            Some(Probe::Log(line)) => Some(line.clone()),
            _ => None,
        };
        let (mut journal, warning) = Journal::open(world, &self.spec, line);
        if let Some(message) = warning {
            let step = Some(self.spec.step.clone());
            world.tell(EventKind::Warned { step, message }).await;
        }
        let control = Arc::clone(&started.control);
        let mut asked = pin!(async {
            match probe {
                None => {}
                Some(Probe::Log(_)) => std::future::pending().await,
                Some(probe) => control.ready(probe).await,
            }
        });
        let mut deadline = pin!(async {
            match &self.ready {
                Some(ready) => awake::sleep(ready.timeout).await,
                None => std::future::pending().await,
            }
        });
        let mut is_ready = false;
        let ended = loop {
            let ready_now = tokio::select! { biased;
                _ = &mut end => {
                    started.control.kill().await;
                    drain(started, &mut journal).await;
                    return None;
                }
                progress = started.progress.next() => match progress {
                    Some(Progress::Output(stream, bytes)) => journal.take(stream, &bytes),
                    Some(Progress::Warned(message)) => {
                        let message = format!("service `{}`: {message}", self.name);
                        let step = Some(self.spec.step.clone());
                        world.tell(EventKind::Warned { step, message }).await;
                        false
                    }
                    Some(Progress::Ended(ended)) => break ended,
                    None => break Ended {
                        how: How::Lost(Reason::RunnerLost),
                        message: None,
                        usage: None,
                        output: Vec::new(),
                    },
                },
                () = &mut asked, if !is_ready => true,
                () = &mut deadline, if !is_ready => {
                    started.control.kill().await;
                    drain(started, &mut journal).await;
                    let message = self.late();
                    let last_lines = journal.last_lines();
                    return Some(Early { reason: Reason::ServiceFailed, message, last_lines, forgiven: None });
                }
            };
            if ready_now && !is_ready {
                is_ready = true;
                self.say(world, |step, attempt, service| EventKind::ServiceReady { step, attempt, service })
                    .await;
                status.send_replace(Status::Ready(address));
            }
        };
        journal.finish();
        let (reason, message) = early(ended, is_ready);
        let forgiven = (self.on_exit == OnExit::Ignore).then_some(address);
        Some(Early { reason, message, last_lines: journal.last_lines(), forgiven })
    }

    /// That its time to get ready is over.
    fn late(&self) -> String {
        let Some(Ready { probe, timeout }) = &self.ready else { return String::new() };
        let waited_for = match probe {
            Probe::Image => "the image's own check or ports do not answer".to_owned(),
            Probe::Command(words) => format!("`{}` did not end with 0", words.join(" ")),
            Probe::Port(port) => format!("nothing accepts connections at port {port}"),
            Probe::Log(line) => format!("no line of its output has `{line}` in it"),
            Probe::Http { port, path } => {
                format!("GET http://localhost:{port}{path} is not answered with 2xx")
            }
        };
        format!("was not ready within {}: {waited_for}", show_duration(*timeout))
    }

    async fn say(&self, world: &World, event: impl FnOnce(crate::base::StepId, u32, String) -> EventKind) {
        world.tell(event(self.spec.step.clone(), self.spec.attempt, self.name.clone())).await;
    }
}

fn unstarted(error: StartError) -> Early {
    let message = format!("could not be started: {}", error.message);
    Early { reason: error.reason, message, last_lines: Vec::new(), forgiven: None }
}

/// Takes what it still says, to its end.
async fn drain(started: &mut Started, journal: &mut Journal<'_>) {
    while let Some(progress) = started.progress.next().await {
        match progress {
            Progress::Output(stream, bytes) => _ = journal.take(stream, &bytes),
            Progress::Warned(_) => {}
            Progress::Ended(_) => break,
        }
    }
    journal.finish();
}

/// Why it is over, and how that is said.
fn early(ended: Ended, was_ready: bool) -> (Reason, String) {
    let how = match ended.how {
        How::Lost(reason) => {
            let message = ended.message.unwrap_or_else(|| reason.to_string());
            return (reason, format!("was lost: {message}"));
        }
        How::CouldNotStart => {
            let message = ended.message.unwrap_or_else(|| "it cannot be executed".to_owned());
            return (Reason::CouldNotStart, format!("could not be started: {message}"));
        }
        How::Exited(code) => format!("exit code {code}"),
        How::Signalled(signal) => format!("signal {signal}"),
        How::OutOfMemory => "out of memory".to_owned(),
        How::TimedOut => "its time was over".to_owned(),
        How::Stopped => "it was stopped".to_owned(),
    };
    let when = if was_ready { "ended early" } else { "ended before it was ready" };
    let more = ended.message.map(|message| format!(", {message}")).unwrap_or_default();
    (Reason::ServiceFailed, format!("{when}: {how}{more}"))
}
