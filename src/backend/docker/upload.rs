//! What an engine is sent that cannot take it from this machine's files: the helper, and the workspace.
//!
//! Each goes into a volume of the run's own, by way of a container that is created, never started, and
//! removed again: a program that runs could put a link where we write.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, Mount};
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::interval;

use super::convert::{self, Common};
use super::error;
use super::parcel::{Content, Parcel};
use crate::helper;

/// How long an engine may take nothing of what it is sent, and say nothing once it has it all.
pub(super) const STALLED: Duration = Duration::from_mins(2);
/// Longer than any upload: what is watched is that it goes on.
pub(super) const NO_LIMIT: Duration = Duration::from_hours(24 * 365);
const PIECE: usize = 256 << 10;

/// The container that the volumes are filled through.
pub(super) fn container(common: &Common, image: &str, parcels: &[Parcel]) -> ContainerCreateBody {
    let mounts = parcels.iter().map(|parcel| Mount { read_only: Some(false), ..parcel.volume.clone() });
    ContainerCreateBody {
        image: Some(image.to_owned()),
        // Some engines want to be told one, and nobody starts it.
        entrypoint: Some(vec![helper::PATH.to_owned()]),
        cmd: Some(Vec::new()),
        labels: Some(convert::labels(&common.instance, &common.run)),
        host_config: Some(HostConfig {
            mounts: Some(mounts.collect()),
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Fills a volume through a container that was created and not started.
///
/// # Cancel safety
/// When dropped, what was sent so far is in the volume.
pub(super) async fn fill(
    docker: &bollard::Docker,
    container: &str,
    parcel: &Parcel,
    into_volumes: bool,
) -> Result<(), String> {
    let target = parcel.volume.target.clone().unwrap_or_default();
    // Docker leaves the root of what it unpacks as it is, and that is our volume's; Podman unpacks
    // beside a volume unless it is told of it.
    let (path, under) =
        if into_volumes { (target.as_str(), "") } else { ("/", target.trim_start_matches('/')) };
    let (content, under) = (parcel.content.clone(), under.to_owned());
    send(docker, container, path, move |to| content.write(to, Path::new(&under))).await
}

/// Puts the helper into a container that was created and not started; it is then at [`convert::SENT_PATH`].
pub(super) async fn helper(docker: &bollard::Docker, container: &str) -> Result<(), String> {
    let under = Path::new(helper::PATH.trim_start_matches('/'));
    send(docker, container, "/", move |to| Content::Helper.write(to, under)).await
}

/// Sends an archive while it is being written; it is never in memory as a whole.
async fn send(
    docker: &bollard::Docker,
    container: &str,
    path: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Result<(), String> {
    let Sending { body, written, count } = sending(write);
    let options = UploadToContainerOptionsBuilder::new().path(path).build();
    let docker = docker.clone().with_timeout(NO_LIMIT);
    let sent = docker.upload_to_container(container, Some(options), bollard::body_try_stream(body));
    let sent = tokio::select! {
        sent = sent => sent.map_err(|error| error::words(&error)),
        () = stalled(&count) => Err(format!("the engine has taken nothing for {} s", STALLED.as_secs())),
    };
    // The engine's refusal makes writing fail too, and says more.
    sent?;
    written.await.map_err(|_| "reading the tree broke down".to_owned())?.map_err(|error| error.to_string())
}

/// What is written on a thread while the engine takes it.
pub(super) struct Sending {
    pub(super) body: BoxStream<'static, io::Result<Bytes>>,
    /// What came of writing it. Its error is a broken pipe when the engine took no more.
    pub(super) written: JoinHandle<io::Result<()>>,
    /// Bytes that the engine has taken.
    pub(super) count: Arc<AtomicU64>,
}

/// Begins to write.
pub(super) fn sending(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Sending {
    let (to, from) = mpsc::channel(4);
    let count = Arc::new(AtomicU64::new(0));
    let pieces = Pieces { to, count: Arc::clone(&count) };
    let written = tokio::task::spawn_blocking(move || {
        let failed = pieces.to.clone();
        let mut to = BufWriter::with_capacity(PIECE, pieces);
        let written = write(&mut to).and_then(|()| to.flush());
        // Without it, the engine would take an archive that breaks off for a whole one.
        if let Err(error) = &written {
            let _ = failed.blocking_send(Err(io::Error::other(error.to_string())));
        }
        written
    });
    let body = stream::unfold(from, |mut from| async move { from.recv().await.map(|piece| (piece, from)) });
    Sending { body: body.boxed(), written, count }
}

/// Returns once nothing has moved for long.
pub(super) async fn stalled(count: &AtomicU64) {
    let mut looks = interval(STALLED);
    looks.tick().await;
    let mut before = count.load(Ordering::Relaxed);
    loop {
        looks.tick().await;
        let now = count.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

/// Hands on what is written, and waits when nobody takes it.
struct Pieces {
    to: mpsc::Sender<io::Result<Bytes>>,
    count: Arc<AtomicU64>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Ok(Bytes::copy_from_slice(bytes));
        self.to.blocking_send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
