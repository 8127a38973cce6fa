//! What stands between a run and its API server: a port that passes everything on until it is told otherwise.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A port that passes on.
#[must_use]
pub struct Between {
    pub address: SocketAddr,
    /// Whether it is open. Each word on it cuts every connection there is.
    open: Arc<watch::Sender<bool>>,
    /// Bytes on their way to the server.
    sent: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl Between {
    /// In front of this address.
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(watch::Sender::new(true));
        let mut task = JoinSet::new();
        let sent = Arc::new(AtomicU64::new(0));
        let (gate, count) = (Arc::clone(&open), Arc::clone(&sent));
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let mut word = gate.subscribe();
                if !*word.borrow_and_update() {
                    continue;
                }
                let (server, count) = (server.clone(), Arc::clone(&count));
                connections.spawn(async move {
                    let Ok(mut upstream) = TcpStream::connect(server).await else { return };
                    let (from_client, to_client) = client.split();
                    let (from_server, to_server) = upstream.split();
                    let nobody = AtomicU64::new(0);
                    let both = async {
                        tokio::join!(
                            pass(from_client, to_server, &count),
                            pass(from_server, to_client, &nobody)
                        )
                    };
                    tokio::select! {
                        _ = word.changed() => {}
                        _ = both => {}
                    }
                });
            }
        });
        Self { address, open, sent, _task: task }
    }

    /// How many bytes were sent to the server.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Cuts every connection, and takes no other.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Cuts every connection there is.
    pub fn cut(&self) {
        self.open.send_replace(true);
    }
}

/// Passes on what comes, to its end, and counts it.
async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, count: &AtomicU64) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    while let length @ 1.. = from.read(&mut buffer).await? {
        count.fetch_add(length as u64, Ordering::Relaxed);
        to.write_all(&buffer[..length]).await?;
    }
    to.shutdown().await
}
