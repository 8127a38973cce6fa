//! The stream between us and a helper in a pod: attached through the API server, and again whenever that is cut.
//!
//! What was asked of the container is kept here, and said again after each cut; the helper does what it has done
//! already once only.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{AttachParams, AttachedProcess};
use kube::{Api, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, SimplexStream, WriteHalf};
use tokio::sync::{Mutex, Notify};
use ulid::Ulid;

use super::call;
use super::manifest::CONTAINER;
use crate::backend::Hosts;
use crate::base::awake::timeout;
use crate::helper::protocol::{Command, Frames, Go, Token};

/// How long a helper may take to answer whoever listens; a node that starts many pods at once is slow to pass it on.
const ANSWER: Duration = Duration::from_secs(15);
/// How long a frame may take to be accepted: a slow reader of the output must not hold up whoever wants the end.
const ACCEPTED: Duration = Duration::from_secs(5);
const BUFFER: usize = 256 << 10;

/// Our ends of the streams of one container.
pub(super) struct Wire {
    input: Mutex<Option<WriteHalf<SimplexStream>>>,
    /// What the helper is told, but for names.
    told: Go,
    /// The same as it was said.
    go: OnceLock<Vec<u8>>,
    pub(super) asked: Asked,
    pub(super) went: Notify,
    pub(super) stopped: Notify,
    pub(super) killed: Notify,
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
        self.stop.load(Ordering::Relaxed) || self.kill.load(Ordering::Relaxed)
    }
}

/// What the helper says, from where the stream was taken up.
pub(super) struct Heard {
    output: ReadHalf<SimplexStream>,
    /// What came already.
    pub(super) frames: Frames,
    /// Holds the connection.
    _process: AttachedProcess,
}

impl Heard {
    /// Reads more; whether there was any.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
    pub(super) async fn more(&mut self, buffer: &mut [u8]) -> bool {
        match self.output.read(buffer).await {
            Ok(count) if count > 0 => {
                self.frames.push(buffer.get(..count).unwrap_or_default());
                true
            }
            _ => false,
        }
    }
}

impl Wire {
    pub(super) fn new(told: Go) -> Self {
        Self {
            input: Mutex::default(),
            told,
            go: OnceLock::new(),
            asked: Asked::default(),
            went: Notify::new(),
            stopped: Notify::new(),
            killed: Notify::new(),
        }
    }

    /// Attaches to the container and waits until its helper answers; what was asked of it before is said again.
    ///
    /// # Errors
    /// When it cannot be attached to, or nobody answers there.
    pub(super) async fn connect(&self, api: &Api<Pod>, pod: &str) -> Result<Heard, Error> {
        let params = AttachParams::default()
            .container(CONTAINER)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .max_stdin_buf_size(BUFFER)
            .max_stdout_buf_size(BUFFER);
        let mut process = call::once(api.attach(pod, &params)).await?;
        let (Some(mut input), Some(output)) = (process.stdin(), process.stdout()) else {
            return Err(broken("it gave no streams"));
        };
        // The helper prints nothing to it but what keeps it from being a helper.
        let mut said = process.stderr();
        let token: Token = Ulid::generate().to_bytes();
        let mut heard = Heard { output, frames: Frames::default(), _process: process };
        input.write_all(&Command::Listen(token).encode()).await.map_err(|_| broken("it does not listen"))?;
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
                let mut words = String::new();
                if let Some(said) = &mut said {
                    let _ = timeout(ANSWER, said.read_to_string(&mut words)).await;
                }
                return Err(broken(if words.is_empty() { "the stream was closed" } else { words.trim() }));
            }
            Err(_) => return Err(broken("the helper does not answer")),
        }
        *self.input.lock().await = Some(input);
        if let Some(go) = self.go.get() {
            self.tell(go).await;
        }
        for (asked, frame) in
            [(&self.asked.stop, Command::Stop.encode()), (&self.asked.kill, Command::Kill.encode())]
        {
            if asked.load(Ordering::Relaxed) {
                self.tell(&frame).await;
            }
        }
        Ok(heard)
    }

    /// A helper that does not listen any more is no error here: its end says why.
    pub(super) async fn tell(&self, frame: &[u8]) {
        let told = async {
            let mut input = self.input.lock().await;
            if let Some(open) = input.as_mut()
                && open.write_all(frame).await.is_err()
            {
                *input = None;
            }
        };
        // What was cut off in the middle is said again to the next connection, and only there.
        if timeout(ACCEPTED, told).await.is_err() {
            *self.input.lock().await = None;
        }
    }

    pub(super) async fn go(&self, hosts: Hosts) {
        let hosts = hosts.into_iter().map(|(name, address)| (name, address.to_string())).collect();
        let frame = Command::Go(Box::new(Go { hosts, ..self.told.clone() })).encode();
        if self.go.set(frame.clone()).is_ok() {
            self.tell(&frame).await;
            self.went.notify_one();
        }
    }

    pub(super) async fn stop(&self) {
        self.asked.stop.store(true, Ordering::Relaxed);
        self.stopped.notify_one();
        self.tell(&Command::Stop.encode()).await;
    }

    pub(super) async fn kill(&self) {
        self.asked.kill.store(true, Ordering::Relaxed);
        self.killed.notify_one();
        self.tell(&Command::Kill.encode()).await;
    }
}

fn broken(why: &str) -> Error {
    Error::Service(why.to_owned().into())
}
