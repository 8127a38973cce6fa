//! What stands between a run and its API server: a port that passes everything on until it is told otherwise.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A port that passes on.
#[must_use]
pub struct Between {
    pub address: SocketAddr,
    gate: Arc<Gate>,
    _task: JoinSet<()>,
}

/// What becomes of the connections.
struct Gate {
    /// Whether it is open. Each word on it cuts every connection there is.
    open: watch::Sender<bool>,
    /// Bytes from the server until it cuts by itself, for each time that it is to.
    left: Mutex<VecDeque<u64>>,
    /// How often it has cut by itself.
    cuts: AtomicUsize,
    /// How much a connection may send to the server.
    room: AtomicU64,
    /// Whether one had no more of it.
    holds: AtomicBool,
}

impl Gate {
    fn new() -> Self {
        Self {
            open: watch::Sender::new(true),
            left: Mutex::default(),
            cuts: AtomicUsize::new(0),
            room: AtomicU64::new(u64::MAX),
            holds: AtomicBool::new(false),
        }
    }

    fn cut(&self) {
        self.room.store(u64::MAX, Ordering::SeqCst);
        self.open.send_modify(|_| ());
    }

    /// Whether a connection may send more than this.
    fn has_room(&self, sent: u64) -> bool {
        let has_room = sent <= self.room.load(Ordering::SeqCst);
        if !has_room {
            self.holds.store(true, Ordering::SeqCst);
        }
        has_room
    }

    /// Counts what came from the server, and cuts if it is time; whether it is not.
    fn goes_on(&self, came: u64) -> bool {
        let mut left = self.left.lock().unwrap();
        let Some(next) = left.front_mut() else { return true };
        *next = next.saturating_sub(came);
        if *next > 0 {
            return true;
        }
        left.pop_front();
        self.cut();
        self.cuts.fetch_add(1, Ordering::SeqCst);
        false
    }
}

impl Between {
    /// In front of this address.
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        let gate = Arc::new(Gate::new());
        let passing = Arc::clone(&gate);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let mut word = passing.open.subscribe();
                if !*word.borrow_and_update() {
                    continue;
                }
                let (server, gate) = (server.clone(), Arc::clone(&passing));
                connections.spawn(async move {
                    let Ok(mut upstream) = TcpStream::connect(server).await else { return };
                    let (from_client, to_client) = client.split();
                    let (from_server, to_server) = upstream.split();
                    let mut sent = 0;
                    let may_send = |length: u64| {
                        sent += length;
                        gate.has_room(sent)
                    };
                    let both = async {
                        tokio::join!(
                            pass(from_client, to_server, may_send),
                            pass(from_server, to_client, |length| gate.goes_on(length))
                        )
                    };
                    tokio::select! {
                        _ = word.changed() => {}
                        _ = both => {}
                    }
                });
            }
        });
        Self { address, gate, _task: task }
    }

    /// Cuts every connection, and takes no other.
    pub fn close(&self) {
        self.gate.open.send_replace(false);
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.gate.open.send_replace(true);
    }

    /// Cuts every connection there is.
    pub fn cut(&self) {
        self.gate.cut();
    }

    /// Cuts every connection once so many bytes more have come from the server. It may be asked to several times: what
    /// comes after one cut counts for the next.
    pub fn cut_after(&self, bytes: u64) {
        self.gate.left.lock().unwrap().push_back(bytes);
    }

    /// How often it has cut by itself.
    pub fn cuts(&self) -> usize {
        self.gate.cuts.load(Ordering::SeqCst)
    }

    /// Holds each connection that has sent more than so many bytes to the server: it stays open, and no more of it is
    /// sent until the next cut.
    pub fn hold_after(&self, bytes: u64) {
        self.gate.room.store(bytes, Ordering::SeqCst);
    }

    /// Whether it has held a connection.
    pub fn holds(&self) -> bool {
        self.gate.holds.load(Ordering::SeqCst)
    }
}

/// Passes on what comes, to its end, as long as it goes on after what has come.
async fn pass(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut goes_on: impl FnMut(u64) -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    while let length @ 1.. = from.read(&mut buffer).await? {
        to.write_all(&buffer[..length]).await?;
        if !goes_on(length as u64) {
            // A cut ends it.
            std::future::pending::<()>().await;
        }
    }
    to.shutdown().await
}
