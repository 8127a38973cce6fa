//! The stream between us and a helper in a pod: attached through the API server, and again whenever that is cut.
//!
//! What was asked of the container is kept here, and said again after each cut; the helper does what it has done
//! already once only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use kube::{Api, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, SimplexStream, WriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use ulid::Ulid;

use super::call;
use super::go::Telling;
use super::inner::lock;
use crate::backend::Hosts;
use crate::base::awake::timeout;
use crate::helper::protocol::{Command, Frames, Token};

/// How long a helper may take to answer whoever listens; a node that starts many pods at once is slow to pass it on.
const ANSWER: Duration = Duration::from_secs(15);
const BUFFER: usize = 256 << 10;
/// What is said in one piece.
const PIECE: usize = 64 << 10;
/// So much of what is no helper's word is kept, to say why there is no helper.
const WORDS: usize = 1 << 10;

/// Our ends of the streams of one container.
pub(super) struct Wire {
    /// The container of the pod that the helper is in.
    container: &'static str,
    /// Takes what is to be said over the connection that there is.
    input: Mutex<Option<mpsc::UnboundedSender<Said>>>,
    /// What the helper is told once it may go.
    telling: Telling,
    /// The same as it was said.
    go: OnceLock<Vec<u8>>,
    pub(super) asked: Asked,
    /// *Go* was accepted, or was again.
    pub(super) went: Arc<Notify>,
    pub(super) stopped: Notify,
    pub(super) killed: Notify,
    /// The same for whoever ends what is not the helper's to end.
    pub(super) to_end: Notify,
    /// There is something to be told to people.
    pub(super) warned: Notify,
    warning: Mutex<Option<String>>,
}

/// What is said over a connection, in its order.
enum Said {
    Frame(Vec<u8>),
    /// All that came before this was *go*.
    Went,
}

/// What was asked of the container so far.
#[derive(Default)]
pub(super) struct Asked {
    stop: AtomicBool,
    kill: AtomicBool,
}

impl Asked {
    /// Whether we want its end.
    pub(super) fn to_end(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.at_once()
    }

    /// Whether we want it now.
    pub(super) fn at_once(&self) -> bool {
        self.kill.load(Ordering::Relaxed)
    }
}

/// What the helper says, from where the stream was taken up. The connection ends when this is dropped.
pub(super) struct Heard {
    output: ReadHalf<SimplexStream>,
    /// What came already.
    pub(super) frames: Frames,
    /// Holds the connection, and is done when that has ended.
    connection: BoxFuture<'static, String>,
    /// What it printed that is no helper's word, once it has ended.
    words: Option<String>,
    /// When a piece of something long was accepted last.
    accepted: Arc<Mutex<Instant>>,
    /// Writes what is told.
    telling: JoinSet<()>,
}

impl Heard {
    /// Reads more; whether there was any. None comes any more once there was none.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub(super) async fn more(&mut self, buffer: &mut [u8]) -> bool {
        if self.words.is_some() {
            return false;
        }
        tokio::select! {
            // What came before the end is read before it.
            biased;
            read = self.output.read(buffer) => match read {
                Ok(count) if count > 0 => {
                    self.frames.push(buffer.get(..count).unwrap_or_default());
                    return true;
                }
                // It is closed before it ends.
                _ => self.words = Some((&mut self.connection).await),
            },
            words = &mut self.connection => self.words = Some(words),
        }
        false
    }

    /// Ends the connection, as if this was dropped.
    pub(super) fn cut(&mut self) {
        self.telling.abort_all();
        self.connection = std::future::ready(String::new()).boxed();
        self.words = Some(String::new());
    }

    /// When there was a sign last that somebody takes what we say, however slowly.
    pub(super) fn accepted(&self) -> Instant {
        *lock(&self.accepted)
    }
}

impl Wire {
    pub(super) fn new(container: &'static str, telling: Telling) -> Self {
        Self {
            container,
            input: Mutex::default(),
            telling,
            go: OnceLock::new(),
            asked: Asked::default(),
            went: Arc::default(),
            stopped: Notify::new(),
            killed: Notify::new(),
            to_end: Notify::new(),
            warned: Notify::new(),
            warning: Mutex::default(),
        }
    }

    /// Attaches to the container and waits until its helper answers; what was asked of it before is said again.
    ///
    /// What was said over an earlier connection must have ended: its rest would tear what is said over this one.
    ///
    /// # Errors
    /// When it cannot be attached to, or nobody answers there.
    pub(super) async fn connect(&self, api: &Api<Pod>, pod: &str) -> Result<Heard, Error> {
        *lock(&self.input) = None;
        let params = AttachParams::default()
            .container(self.container)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .max_stdin_buf_size(BUFFER)
            .max_stdout_buf_size(BUFFER);
        let mut process = call::once(api.attach(pod, &params)).await?;
        let streams = (process.stdin(), process.stdout(), process.stderr(), process.take_status());
        let (Some(input), Some(output), Some(said), Some(status)) = streams else {
            return Err(broken("it gave no streams"));
        };
        let connection = async move {
            let _process = process;
            words(said, status.map(drop)).await
        };
        self.take_up(input, output, connection.boxed()).await
    }

    /// Takes a connection up once its helper answers.
    async fn take_up(
        &self,
        input: WriteHalf<SimplexStream>,
        output: ReadHalf<SimplexStream>,
        connection: BoxFuture<'static, String>,
    ) -> Result<Heard, Error> {
        let (tell, told) = mpsc::unbounded_channel();
        let mut telling = JoinSet::new();
        let accepted = Arc::new(Mutex::new(Instant::now()));
        telling.spawn(write(input, told, Arc::clone(&self.went), Arc::clone(&accepted)));
        let (frames, words) = (Frames::default(), None);
        let mut heard = Heard { output, frames, connection, words, accepted, telling };
        let token: Token = Ulid::generate().to_bytes();
        // Whether it is heard is seen below.
        let _ = tell.send(Said::Frame(Command::Listen(token).encode()));
        let answered = timeout(ANSWER, async {
            let mut buffer = vec![0; BUFFER];
            loop {
                if heard.frames.skip_to_resumed(&token) {
                    return true;
                }
                if !heard.more(&mut buffer).await {
                    return false;
                }
            }
        });
        match answered.await {
            Ok(true) => {}
            Ok(false) => {
                let words = heard.words.take().unwrap_or_default();
                return Err(broken(if words.is_empty() { "the stream was closed" } else { words.trim() }));
            }
            Err(_) => return Err(broken("the helper does not answer")),
        }
        *lock(&self.input) = Some(tell);
        if let Some(go) = self.go.get() {
            self.tell_go(go);
        }
        for (asked, command) in [(&self.asked.stop, Command::Stop), (&self.asked.kill, Command::Kill)] {
            if asked.load(Ordering::Relaxed) {
                self.tell(&command.encode());
            }
        }
        Ok(heard)
    }

    /// Says it over the connection that there is, behind all that was said before and as fast as that takes it. A helper
    /// that does not listen any more is no error here: its end says why. What is cut off is said again to the next
    /// connection.
    pub(super) fn tell(&self, frame: &[u8]) {
        self.say(Said::Frame(frame.to_vec()));
    }

    fn tell_go(&self, go: &[u8]) {
        self.tell(go);
        self.say(Said::Went);
    }

    fn say(&self, said: Said) {
        if let Some(input) = lock(&self.input).as_ref() {
            let _ = input.send(said);
        }
    }

    /// Has whoever reads what the container says be told this.
    pub(super) fn warn(&self, words: String) {
        *lock(&self.warning) = Some(words);
        self.warned.notify_one();
    }

    /// What is to be told, once.
    pub(super) fn warning(&self) -> Option<String> {
        lock(&self.warning).take()
    }

    pub(super) fn go(&self, hosts: &Hosts) {
        let frame = Command::Go(Box::new((self.telling)(hosts))).encode();
        if self.go.set(frame.clone()).is_ok() {
            self.tell_go(&frame);
        }
    }

    pub(super) fn stop(&self) {
        self.asked.stop.store(true, Ordering::Relaxed);
        self.stopped.notify_one();
        self.to_end.notify_one();
        self.tell(&Command::Stop.encode());
    }

    pub(super) fn kill(&self) {
        self.asked.kill.store(true, Ordering::Relaxed);
        self.killed.notify_one();
        self.to_end.notify_one();
        self.tell(&Command::Kill.encode());
    }
}

/// Writes what is told until nobody tells any more, or nobody listens.
async fn write(
    mut input: WriteHalf<SimplexStream>,
    mut told: mpsc::UnboundedReceiver<Said>,
    went: Arc<Notify>,
    accepted: Arc<Mutex<Instant>>,
) {
    while let Some(said) = told.recv().await {
        let Said::Frame(frame) = said else {
            went.notify_one();
            continue;
        };
        for piece in frame.chunks(PIECE) {
            if input.write_all(piece).await.is_err() {
                return;
            }
            // What fits into any buffer is accepted by a connection that is dead, too.
            if frame.len() > PIECE {
                *lock(&accepted) = Instant::now();
            }
        }
    }
}

/// Reads away what is no helper's word until the connection has ended, so that nothing waits for that; its beginning.
async fn words(mut said: ReadHalf<SimplexStream>, ended: impl Future<Output = ()>) -> String {
    let mut words = Vec::new();
    let reading = async {
        let mut buffer = [0; WORDS];
        while let Ok(count @ 1..) = said.read(&mut buffer).await {
            let room = WORDS.saturating_sub(words.len());
            words.extend(buffer.iter().take(count.min(room)));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! { biased;
        () = reading => {}
        () = ended => {}
    }
    String::from_utf8_lossy(&words).into_owned()
}

fn broken(why: &str) -> Error {
    Error::Service(why.to_owned().into())
}

#[cfg(test)]
mod tests;
