//! The connection to one container: its stream of reports, made again where it was cut, and what the engine
//! says about its end. It passes every byte on once and in order; it never decides that a container is to end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::ContainerState;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, KillContainerOptionsBuilder, LogsOptionsBuilder,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::tether::{Tether, cut};
use super::{call, error};
use crate::base::awake::{sleep, timeout};
use crate::event::Stream as Side;
use crate::helper::protocol::{EndRecord, Frames, Report, Token};

/// How long reports may still arrive once the engine says that the container has ended, and the other
/// way round.
pub(super) const DRAIN: Duration = Duration::from_secs(1);
/// How often an engine is asked whether it is there.
const PULSE: Duration = Duration::from_secs(3);
/// How long the answer may take.
const ANSWER: Duration = Duration::from_secs(4);
/// The same for a new stream. Until it is there nothing tells the helper that we live.
const ATTACH: Duration = Duration::from_secs(12);
/// How long an engine may be silent before it is said.
const SILENCE: Duration = Duration::from_secs(7);
/// How long it may be silent, or gone, before the step is lost. Less than the 30 s after which the helper ends its
/// program because nobody is there.
const PATIENCE: Duration = Duration::from_secs(25);
/// The pause before an engine is asked again.
const PAUSE: Duration = Duration::from_millis(300);

pub(super) type AttachOutput = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// What comes over a link.
pub(super) enum Sign {
    /// It printed something.
    Output(Side, Bytes),
    /// For people.
    Warned(String),
    /// It ended, or is out of reach. Nothing follows.
    Ended(Last),
}

/// The last that is known of a container.
pub(super) enum Last {
    /// The helper told how it ended.
    Record(Box<EndRecord>),
    /// The helper did not, and the engine says this; whether it was away meanwhile.
    State(Box<ContainerState>, bool),
    /// The engine does not know it.
    Gone,
    /// The engine is away, and why that is thought.
    Lost(String),
}

/// What the link and who else speaks to the container know together.
#[derive(Default)]
pub(super) struct Common {
    /// The helper's standard input has ended, so that only signals reach it.
    pub(super) detached: AtomicBool,
    /// The program was asked to end.
    pub(super) stopped: AtomicBool,
    /// How often it was noticed that the engine went away; each time may count more than once.
    pub(super) departures: Arc<AtomicU32>,
}

/// One container's connection.
pub(super) struct Link {
    docker: Docker,
    name: String,
    token: Token,
    common: Arc<Common>,
    /// Cut when the engine says that the container has ended.
    exit: Option<Tether>,
    to: mpsc::Sender<Sign>,
    /// How much output was passed on.
    passed: u64,
    /// Where the stream that is being read stands.
    position: u64,
    /// When the engine answered last.
    heard: Instant,
    /// Its departures before the stream that is being read was asked for.
    before: u32,
    /// Its departures before we last had the container's stream.
    known: u32,
    /// That it is silent was said.
    said: bool,
}

/// What one look at the stream's frames gave.
enum Taken {
    All,
    /// Output is missing before what follows.
    Gap,
    Record(Box<EndRecord>),
}

/// Why the stream is not read any more.
enum Over {
    Record(Box<EndRecord>),
    /// It was cut, or the container has ended.
    Cut,
    Lost,
}

/// What the engine says to a question about the container.
enum Found {
    Running,
    Last(Last),
    Unanswered(Error),
}

impl Link {
    pub(super) fn new(
        docker: Docker,
        name: String,
        token: Token,
        common: Arc<Common>,
        exit: Tether,
        to: mpsc::Sender<Sign>,
    ) -> Self {
        let heard = Instant::now();
        let (passed, position, before, known, said) = (0, 0, 0, 0, false);
        let exit = Some(exit);
        Self { docker, name, token, common, exit, to, passed, position, heard, before, known, said }
    }

    /// Passes everything on, until the container's end is known.
    pub(super) async fn run(mut self, mut attached: AttachOutput) {
        let mut synced = true;
        let last = loop {
            match self.listen(&mut attached, synced).await {
                Over::Record(record) => break Last::Record(record),
                Over::Lost => break self.lost(),
                Over::Cut => {}
            }
            // The engine tells the helper, whose standard input was on the same connection.
            self.common.detached.store(true, Ordering::Relaxed);
            match self.look().await {
                None => {}
                // What the engine that came back has of the log is not what was printed.
                Some(last @ (Last::State(_, false) | Last::Gone)) => {
                    break self.back_fill().await.map_or(last, Last::Record);
                }
                Some(last) => break last,
            }
            match self.attach_again().await {
                Ok(output) => (attached, synced) = (output, false),
                // Whatever is wrong, the next look finds it.
                Err(_) => sleep(call::shortened(PAUSE)).await,
            }
        };
        if let Last::Record(record) = &last {
            let lost = record.log_bytes.saturating_sub(record.dropped_bytes).saturating_sub(self.passed);
            if lost > 0 {
                self.warn(format!("{lost} bytes of its output were lost with the engine's connection")).await;
            }
        }
        self.say(Sign::Ended(last)).await;
    }

    fn lost(&self) -> Last {
        let seconds = self.heard.elapsed().as_secs();
        Last::Lost(format!("the engine has not answered for {seconds} s"))
    }

    /// Reads one stream to its end.
    async fn listen(&mut self, attached: &mut AttachOutput, mut synced: bool) -> Over {
        let mut frames = Frames::default();
        let mut exit = self.exit.clone();
        let mut pulse = self.pulse(synced);
        let mut drained: BoxFuture<'static, ()> = std::future::pending().boxed();
        loop {
            tokio::select! {
                biased;
                chunk = attached.next() => {
                    match chunk {
                        Some(Ok(LogOutput::StdOut { message })) => frames.push(&message),
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return Over::Cut,
                    }
                    self.heard = Instant::now();
                    synced = synced || frames.skip_to_resumed(&self.token);
                    if !synced {
                        continue;
                    }
                    self.known = self.before;
                    match self.take(&mut frames).await {
                        Taken::Record(record) => return Over::Record(record),
                        Taken::All => {}
                        Taken::Gap => if let Some(record) = self.back_fill().await {
                            return Over::Record(record);
                        }
                    }
                }
                () = cut(&mut exit) => {
                    exit = None;
                    drained = sleep(DRAIN).boxed();
                }
                () = &mut drained => return Over::Cut,
                found = &mut pulse => {
                    match found {
                        Found::Unanswered(error) => self.silent(&error).await,
                        Found::Running => self.answered().await,
                        Found::Last(_) => {
                            self.answered().await;
                            drained = sleep(DRAIN).boxed();
                        }
                    }
                    if self.heard.elapsed() >= PATIENCE {
                        return Over::Lost;
                    }
                    pulse = self.pulse(synced);
                }
            }
        }
    }

    /// After a pause: whether the engine is there and what it says. Tells the helper that we are, where nothing
    /// else does.
    fn pulse(&self, synced: bool) -> BoxFuture<'static, Found> {
        let (docker, name) = (self.docker.clone(), self.name.clone());
        let detached = self.common.detached.load(Ordering::Relaxed);
        async move {
            sleep(PULSE).await;
            if detached {
                // The next one comes soon. The first answer may have come before the engine passed anything on.
                let _ = signal(&docker, &name, if synced { "USR1" } else { "USR2" }).await;
            }
            inspect(&docker, &name).await
        }
        .boxed()
    }

    /// Finds out what became of a container whose stream has ended. None when it runs.
    async fn look(&mut self) -> Option<Last> {
        let mut unanswered = 0;
        loop {
            match inspect(&self.docker, &self.name).await {
                Found::Running => {
                    self.answered().await;
                    return None;
                }
                Found::Last(Last::State(state, _)) => {
                    return Some(Last::State(state, self.departures() > self.known));
                }
                Found::Last(last) => return Some(last),
                Found::Unanswered(error) => {
                    // One that answers with an error has not been away, and one call may fail by itself.
                    unanswered += u32::from(error::status(&error).is_none());
                    if error::is_absent(&error) || unanswered > 1 {
                        self.common.departures.fetch_add(1, Ordering::Relaxed);
                        self.tell_silence("the engine went away").await;
                    }
                }
            }
            if self.heard.elapsed() >= PATIENCE {
                return Some(self.lost());
            }
            sleep(call::shortened(PAUSE)).await;
        }
    }

    /// Listens to a container that runs, and has it say again what may not have come.
    async fn attach_again(&mut self) -> Result<AttachOutput, Error> {
        self.before = self.departures();
        let options = AttachContainerOptionsBuilder::new().stdout(true).stderr(true).stream(true).build();
        let attached = timeout(ATTACH, self.docker.attach_container(&self.name, Some(options)));
        let attached = attached.await.unwrap_or(Err(Error::RequestTimeoutError))?;
        signal(&self.docker, &self.name, "USR2").await?;
        if self.common.stopped.load(Ordering::Relaxed) {
            // It may have been said to a stream that was cut.
            signal(&self.docker, &self.name, "TERM").await?;
        }
        Ok(attached.output)
    }

    /// Passes on what is whole and was not passed on before.
    async fn take(&mut self, frames: &mut Frames) -> Taken {
        loop {
            let (side, mut bytes) = match frames.report() {
                Ok(Some(Report::Stdout(bytes))) => (Side::Stdout, Bytes::from(bytes)),
                Ok(Some(Report::Stderr(bytes))) => (Side::Stderr, Bytes::from(bytes)),
                Ok(Some(Report::Ended(record))) => return Taken::Record(record),
                Ok(Some(Report::Resumed(_, offset))) => {
                    self.position = offset;
                    if offset > self.passed {
                        return Taken::Gap;
                    }
                    continue;
                }
                Ok(Some(Report::Here)) => continue,
                Ok(None) | Err(_) => return Taken::All,
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

    /// Takes from the engine's own copy of the log what our stream did not bring.
    async fn back_fill(&mut self) -> Option<Box<EndRecord>> {
        let options = LogsOptionsBuilder::new().follow(false).stdout(true).stderr(false).build();
        let mut log = self.docker.logs(&self.name, Some(options));
        let mut frames = Frames::default();
        let position = std::mem::take(&mut self.position);
        // An engine that was away has holes in its copy; only what was said after the last is in one piece.
        let mut synced = self.departures() == 0;
        while let Ok(Some(Ok(chunk))) = timeout(ANSWER, log.next()).await {
            let LogOutput::StdOut { message } = chunk else { continue };
            frames.push(&message);
            synced = synced || frames.skip_to_resumed(&self.token);
            if synced && let Taken::Record(record) = self.take(&mut frames).await {
                return Some(record);
            }
        }
        self.position = position;
        None
    }

    fn departures(&self) -> u32 {
        self.common.departures.load(Ordering::Relaxed)
    }

    async fn silent(&mut self, error: &Error) {
        if error::status(error).is_some() {
            self.answered().await;
        } else if self.heard.elapsed() >= SILENCE {
            self.tell_silence("the engine does not answer").await;
        }
    }

    async fn tell_silence(&mut self, what: &str) {
        if !std::mem::replace(&mut self.said, true) {
            self.warn(format!("{what}; the step is lost if that lasts {} s", PATIENCE.as_secs())).await;
        }
    }

    async fn answered(&mut self) {
        self.heard = Instant::now();
        if std::mem::take(&mut self.said) {
            self.warn("the engine answers again".to_owned()).await;
        }
    }

    async fn warn(&self, message: String) {
        self.say(Sign::Warned(message)).await;
    }

    async fn say(&self, sign: Sign) {
        // Who does not listen any more does not want to know.
        let _ = self.to.send(sign).await;
    }
}

/// Sends a signal to the helper.
pub(super) async fn signal(docker: &Docker, name: &str, signal: &str) -> Result<(), Error> {
    let options = KillContainerOptionsBuilder::new().signal(signal).build();
    let sent = timeout(ANSWER, docker.kill_container(name, Some(options))).await;
    sent.unwrap_or(Err(Error::RequestTimeoutError))
}

async fn inspect(docker: &Docker, name: &str) -> Found {
    let answer = timeout(ANSWER, docker.inspect_container(name, None)).await;
    match answer.unwrap_or(Err(Error::RequestTimeoutError)) {
        Ok(container) => {
            let state = container.state.unwrap_or_default();
            match state.running {
                Some(true) => Found::Running,
                _ => Found::Last(Last::State(Box::new(state), false)),
            }
        }
        Err(error) if error::is_not_found(&error) => Found::Last(Last::Gone),
        Err(error) => Found::Unanswered(error),
    }
}
