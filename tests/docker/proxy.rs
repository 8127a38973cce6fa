//! A proxy in front of the engine's socket that does something at the n-th call which changes
//! anything there.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::bed::docker_host;

/// When the action is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the engine sees the call.
    Before,
    /// After the engine has got it.
    After,
}

/// A listening proxy. It lives as long as the test's process.
pub struct Proxy {
    path: PathBuf,
    changes: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens in `directory` and calls `action` at the `nth` changing call, counted from 1.
    pub fn start(
        directory: &Path,
        nth: usize,
        moment: Moment,
        action: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let path = directory.join("proxy.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let changes = Arc::new(AtomicUsize::new(0));
        let (count, action) = (Arc::clone(&changes), Arc::new(action));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (count, action) = (Arc::clone(&count), Arc::clone(&action));
                thread::spawn(move || serve(client, nth, moment, &count, &*action));
            }
        });
        Self { path, changes }
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// How many changing calls there were.
    pub fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }
}

fn serve(client: UnixStream, nth: usize, moment: Moment, count: &AtomicUsize, action: &dyn Fn()) {
    let host = docker_host();
    let engine = UnixStream::connect(host.strip_prefix("unix://").unwrap()).unwrap();
    let (mut from_engine, mut to_client) = (engine.try_clone().unwrap(), client.try_clone().unwrap());
    let back = thread::spawn(move || {
        let _ = std::io::copy(&mut from_engine, &mut to_client);
        let _ = to_client.shutdown(std::net::Shutdown::Both);
    });
    let (mut from_client, mut to_engine) = (client, engine);
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from_client.read(&mut buffer) {
        let changing = is_change(&buffer[..length]) && count.fetch_add(1, Ordering::SeqCst) + 1 == nth;
        if changing && moment == Moment::Before {
            action();
        }
        if to_engine.write_all(&buffer[..length]).is_err() {
            break;
        }
        if changing && moment == Moment::After {
            action();
        }
    }
    let _ = to_engine.shutdown(std::net::Shutdown::Write);
    let _ = back.join();
}

/// A request's head always begins a piece of its own; what follows an upgrade begins with no method.
fn is_change(piece: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&piece[..piece.len().min(200)]);
    let line = head.lines().next().unwrap_or_default();
    let changing_post = ["/create", "/start"].iter().any(|end| line.contains(end));
    line.starts_with("DELETE /") || (line.starts_with("POST /") && changing_post)
}
