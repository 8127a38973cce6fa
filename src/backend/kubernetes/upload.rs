//! The workspace on its way into the cluster: an archive that is never in memory as a whole, with its digest behind it,
//! which the helper unpacks and compares: in a pod of its own where the volume is the run's, else in the pod that has it.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::ResourceExt;
use kube::api::AttachParams;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::call;
use super::container::LATE;
use super::inner::{Inner, over};
use super::manifest::{self, CONTAINER, FILLER, Volume};
use super::removal::Kind;
use super::state::{self, Fate, State};
use crate::backend::{StartError, archive};
use crate::base::awake::timeout;
use crate::base::{Reason, Tree};

/// How often it is begun anew when the connection was cut.
const TRIES: u32 = 6;
/// How long the cluster may take nothing of what it is sent, and say nothing once it has it all or the container has ended.
const STALLED: Duration = Duration::from_mins(2);
/// How long after a cut the end of a container may become known that did not come of it.
const SOON: Duration = Duration::from_secs(10);
const CUT: &str = "the connection was cut";
const ENDED: &str = "its container ended";
const UNSAID: &str = "nobody said that it arrived";
const PIECE: usize = 256 << 10;

/// Makes the run's volume and fills it, through a pod of this image.
///
/// # Errors
/// When there is no volume to be had, or it cannot be filled.
pub(super) async fn fill(inner: &Arc<Inner>, image: &str, tree: &Tree) -> Result<Volume, StartError> {
    let claim = manifest::claim(&inner.common, &inner.options);
    let name = claim.metadata.name.clone().unwrap_or_default();
    inner.create(Kind::Claim, claim).await?;
    let volume = Volume::of(name);
    let node = again(|| through_pod(inner, image, tree, &volume)).await?;
    Ok(volume.on(node.filter(|_| !inner.options.shared_workspace)))
}

/// Makes a pod that has the workspace to itself, and fills it before its program's container begins.
///
/// # Errors
/// When there is no such pod to be had, or it cannot be filled.
pub(super) async fn create_filled(inner: &Inner, pod: &Pod, tree: &Tree) -> Result<(), StartError> {
    again(|| into_pod(inner, pod.clone(), tree)).await
}

/// Sends it, and begins anew where the connection is cut.
async fn again<T, F>(send: impl Fn() -> F) -> Result<T, StartError>
where
    F: Future<Output = Result<T, Failed>>,
{
    let mut tries = 0;
    loop {
        match send().await {
            Ok(sent) => return Ok(sent),
            Err(Failed::Start(error)) => return Err(error),
            Err(Failed::Cut(why)) => {
                tries += 1;
                if tries == TRIES {
                    let message = format!("cannot send the workspace to the cluster: {why}");
                    return Err(StartError { reason: Reason::CouldNotStart, message });
                }
            }
        }
    }
}

enum Failed {
    Start(StartError),
    Cut(String),
}

impl From<StartError> for Failed {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

/// Sends it once; the node that the volume is on then.
async fn through_pod(
    inner: &Arc<Inner>,
    image: &str,
    tree: &Tree,
    volume: &Volume,
) -> Result<Option<String>, Failed> {
    let (name, whole, what) = manifest::filling(&inner.common.run, volume);
    let pod = manifest::task(&inner.common, &inner.options, &name, image, &what, Some(&whole));
    let object = inner.object(Kind::Pod, &name);
    let sent = async {
        inner.create_pod(pod).await?;
        inner.running(&name).await?;
        match send(inner, (&name, CONTAINER), tree, is_over).await {
            (_, State::Over(Fate::Ended(0, _))) => {}
            (_, State::Over(fate @ Fate::OutOfMemory)) => return Err(over(&fate).into()),
            (_, State::Over(Fate::Ended(_, why) | Fate::Lost(_, why) | Fate::CouldNotStart(why)))
                if !why.is_empty() =>
            {
                return Err(Failed::Cut(why));
            }
            (Err(why), _) => return Err(Failed::Cut(why)),
            (Ok(()), _) => return Err(Failed::Cut(UNSAID.to_owned())),
        }
        Ok(inner.pods.last(&name).and_then(|pod| pod.spec?.node_name))
    };
    let sent = sent.await;
    // What cannot be removed now stays in the ledger, and `close` tries again.
    let _ = inner.remove(&object).await;
    sent
}

/// Sends it once into a new pod, whose program may begin then.
async fn into_pod(inner: &Inner, pod: Pod, tree: &Tree) -> Result<(), Failed> {
    let name = pod.name_any();
    inner.create_pod(pod).await?;
    inner.running(&name).await?;
    let has_it = |state: &State| *state != State::Held;
    let (sent, _) = send(inner, (&name, FILLER), tree, has_it).await;
    match inner.pods.last(&name).as_ref().and_then(state::filled) {
        // Whatever became of the connection: it was whole for the other side.
        Some(0) => return Ok(()),
        // Why not is said with the pod's last phase.
        Some(_) => drop(timeout(LATE, inner.pods.settled(&name)).await),
        None => {}
    }
    let failed = match (sent, inner.pods.state(&name)) {
        (_, State::Over(Fate::CouldNotStart(why))) => Failed::Cut(why),
        (_, State::Over(fate)) => Failed::Start(over(&fate)),
        (Ok(()), State::Held) => Failed::Cut(UNSAID.to_owned()),
        (Ok(()), _) => return Ok(()),
        (Err(why), _) => Failed::Cut(why),
    };
    // The next one is called the same.
    let _ = inner.remove(&inner.object(Kind::Pod, &name)).await;
    Err(failed)
}

fn is_over(state: &State) -> bool {
    matches!(state, State::Over(_))
}

/// Sends it to the helper in a container, which is `done` with it by the state of its pod; that state comes with what became
/// of the sending.
async fn send(
    inner: &Inner,
    at: (&str, &str),
    tree: &Tree,
    done: fn(&State) -> bool,
) -> (Result<(), String>, State) {
    let sent = send_once(inner, at, tree, done).await;
    if let Err(why) = &sent {
        // A helper that gave up says why, a while after its stream has ended.
        let patience = if why == ENDED { STALLED } else { SOON };
        let _ = timeout(patience, inner.pods.until(at.0, done)).await;
    }
    (sent, inner.pods.state(at.0))
}

async fn send_once(
    inner: &Inner,
    (name, container): (&str, &str),
    tree: &Tree,
    done: fn(&State) -> bool,
) -> Result<(), String> {
    let params =
        AttachParams::default().container(container).stdin(true).stderr(false).max_stdin_buf_size(PIECE);
    let attached = call::repeat_allowed(|| inner.api.attach(name, &params));
    let mut process = tokio::select! {
        attached = attached => attached.map_err(|error| call::words(&error))?,
        _ = inner.pods.until(name, done) => return Err(ENDED.to_owned()),
    };
    let mut input = process.stdin().ok_or("it gave no streams")?;
    // Nothing else tells of a connection that breaks. With a status it has not: then the container has ended.
    let why = |status: Option<Status>| if status.is_some() { ENDED } else { CUT };
    let over = process.take_status().ok_or("it gave no status")?.map(why).shared();
    let (to, mut from) = mpsc::channel::<Bytes>(4);
    let tree = tree.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut to = BufWriter::with_capacity(PIECE, Pieces { to, digest: Sha256::new() });
        archive::tree(&mut to, &tree, Path::new(""))?;
        let mut pieces = to.into_inner().map_err(io::IntoInnerError::into_error)?;
        let digest = pieces.digest.finalize_reset();
        pieces.write_all(&digest)
    });
    while let Some(piece) = from.recv().await {
        tokio::select! {
            sent = timeout(STALLED, input.write_all(&piece)) => match sent {
                Ok(sent) => sent.map_err(|error| error.to_string())?,
                Err(_) => return Err(format!("the cluster has taken nothing for {} s", STALLED.as_secs())),
            },
            why = over.clone() => return Err(why.to_owned()),
        }
    }
    let written = written.await.map_err(|_| "reading the tree broke down".to_owned())?;
    written.map_err(|error| error.to_string())?;
    // It is whole for the other side by its digest; the stream stays open until that has ended.
    input.flush().await.map_err(|error| error.to_string())?;
    let cut = async {
        // An end that is as it should be is ahead of the cluster's word of it.
        if over.await == ENDED {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! { biased;
        _ = timeout(STALLED, inner.pods.until(name, done)) => Ok(()),
        () = cut => Err(CUT.to_owned()),
    }
}

/// Hands on what is written, digests it, and waits when nobody takes it.
struct Pieces {
    to: mpsc::Sender<Bytes>,
    digest: Sha256,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.digest.update(bytes);
        let piece = Bytes::copy_from_slice(bytes);
        self.to.blocking_send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
