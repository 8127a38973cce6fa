//! What stands between a run and its API server: a port that passes everything on until it is told otherwise.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A port that passes on.
#[must_use]
pub struct Between {
    pub address: SocketAddr,
    /// Whether it is open. Each word on it cuts every connection there is.
    open: Arc<watch::Sender<bool>>,
    _task: JoinSet<()>,
}

impl Between {
    /// In front of this address.
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(watch::Sender::new(true));
        let mut task = JoinSet::new();
        let gate = Arc::clone(&open);
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let mut word = gate.subscribe();
                if !*word.borrow_and_update() {
                    continue;
                }
                let server = server.clone();
                connections.spawn(async move {
                    let Ok(mut upstream) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        _ = word.changed() => {}
                        _ = copy_bidirectional(&mut client, &mut upstream) => {}
                    }
                });
            }
        });
        Self { address, open, _task: task }
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
