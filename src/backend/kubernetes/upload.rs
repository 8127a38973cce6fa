//! The workspace on its way into the run's volume: an archive that is never in memory as a whole, with its digest
//! behind it, which the helper in a pod of its own unpacks and compares.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kube::api::AttachParams;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::call;
use super::inner::Inner;
use super::manifest::{self, CONTAINER, WORKSPACE, Workspace};
use super::removal::Kind;
use super::state::{Fate, State};
use crate::backend::{StartError, archive};
use crate::base::awake::timeout;
use crate::base::{Reason, Tree};

/// How often it is begun anew when the connection was cut.
const TRIES: u32 = 3;
/// How long the cluster may take nothing of what it is sent, and say nothing once it has it all.
const STALLED: Duration = Duration::from_mins(2);
const PIECE: usize = 256 << 10;

/// Makes the run's volume and fills it, through a pod of this image.
///
/// # Errors
/// When there is no volume to be had, or it cannot be filled.
pub(super) async fn fill(inner: &Arc<Inner>, image: &str, tree: &Tree) -> Result<Workspace, StartError> {
    let claim = manifest::claim(&inner.common, &inner.options);
    let name = claim.metadata.name.clone().unwrap_or_default();
    inner.create(Kind::Claim, claim).await?;
    let workspace = Workspace { claim: name, node: None };
    let mut tries = 0;
    loop {
        match through_pod(inner, image, tree, &workspace).await {
            Ok(node) => {
                let node = node.filter(|_| !inner.options.shared_workspace);
                return Ok(Workspace { node, ..workspace });
            }
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
    workspace: &Workspace,
) -> Result<Option<String>, Failed> {
    let name = manifest::upload_name(&inner.common.run);
    let pod =
        manifest::task(&inner.common, &inner.options, &name, image, &["unpack", WORKSPACE], Some(workspace));
    let object = inner.object(Kind::Pod, &name);
    let sent = async {
        inner.create_pod(pod).await?;
        inner.running(&name).await?;
        send(inner, &name, tree).await.map_err(Failed::Cut)?;
        let is_over = |state: &State| matches!(state, State::Over(_));
        match timeout(STALLED, inner.pods.until(&name, is_over)).await {
            Ok(State::Over(Fate::Ended(0, _))) => {}
            Ok(State::Over(Fate::Ended(_, why) | Fate::Lost(_, why) | Fate::CouldNotStart(why))) => {
                return Err(Failed::Cut(why));
            }
            _ => return Err(Failed::Cut("nobody said that it arrived".to_owned())),
        }
        Ok(inner.pods.last(&name).and_then(|pod| pod.spec?.node_name))
    };
    let sent = sent.await;
    // What cannot be removed now stays in the ledger, and `close` tries again.
    let _ = inner.remove(&object).await;
    sent
}

async fn send(inner: &Inner, name: &str, tree: &Tree) -> Result<(), String> {
    let params =
        AttachParams::default().container(CONTAINER).stdin(true).stderr(false).max_stdin_buf_size(PIECE);
    let mut process =
        call::once(inner.api.attach(name, &params)).await.map_err(|error| call::words(&error))?;
    let mut input = process.stdin().ok_or("it gave no streams")?;
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
        match timeout(STALLED, input.write_all(&piece)).await {
            Ok(sent) => sent.map_err(|error| error.to_string())?,
            Err(_) => return Err(format!("the cluster has taken nothing for {} s", STALLED.as_secs())),
        }
    }
    let written = written.await.map_err(|_| "reading the tree broke down".to_owned())?;
    written.map_err(|error| error.to_string())?;
    // It is whole for the other side by its digest; the stream stays open until the pod has ended.
    input.flush().await.map_err(|error| error.to_string())?;
    let is_over = |state: &State| matches!(state, State::Over(_));
    let _ = timeout(STALLED, inner.pods.until(name, is_over)).await;
    Ok(())
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
