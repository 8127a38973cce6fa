//! The pod through which the run's volume is looked into: it mounts the workspace to be read, and the helper is executed in
//! it.

use std::sync::Arc;

use futures_util::future::{self, BoxFuture};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

use super::inner::lock;
use super::manifest::{self, CONTAINER, Volume};
use super::options::Options;
use super::session::{KubernetesSession, workspace_gone};
use super::{call, manifest::boot};
use crate::backend::helped::keeper::{Keeps, Said, View};
use crate::backend::{ContainerSpec, StartError, Started};
use crate::event::Stream;

/// Bytes that are taken at once.
const PIECE: usize = 256 << 10;

/// The container that is held, as this cluster may have it.
pub(super) fn for_cluster(options: &Options, spec: ContainerSpec) -> ContainerSpec {
    // Where nobody is root, whoever steps are by default is in the group of the files.
    let user = spec.user.filter(|_| !options.restricted);
    ContainerSpec { user, ..spec }
}

impl Keeps for KubernetesSession {
    fn view(&self) -> &View {
        &self.view
    }

    fn hold(self: Arc<Self>, spec: ContainerSpec) -> BoxFuture<'static, Result<Started, StartError>> {
        Box::pin(async move {
            self.policy.check(&spec)?;
            let volume = self.volume.get().map(Volume::to_be_read);
            if volume.as_ref().is_some_and(Volume::is_of_pod) {
                return Err(workspace_gone());
            }
            self.start_with(for_cluster(&self.inner.options, spec), volume.as_ref(), None).await
        })
    }

    fn execute<'a>(
        &'a self,
        keeper: &'a ContainerSpec,
        arguments: Vec<String>,
    ) -> BoxFuture<'a, Result<Said, String>> {
        Box::pin(async move {
            let name = manifest::of_container(&self.inner.common.run, keeper);
            let params = AttachParams::default()
                .container(CONTAINER)
                .stdin(false)
                .stdout(true)
                .stderr(true)
                .max_stdout_buf_size(PIECE);
            let command = std::iter::once(boot()).chain(arguments);
            let executed = call::once(self.inner.api.exec(&name, command, &params)).await;
            let mut process = executed.map_err(|error| call::words(&error))?;
            let (Some(out), Some(err)) = (process.stdout(), process.stderr()) else {
                return Err("it gave no streams".to_owned());
            };
            let said = stream::select(pieces(Stream::Stdout, out), pieces(Stream::Stderr, err));
            // It holds the connection. When that breaks, the client leaves its streams without an end; and it takes a status that
            // nobody wants for such a break.
            let status = process.take_status();
            let broken = async move {
                if process.join().await.is_ok() {
                    future::pending::<()>().await;
                }
                drop(status);
            };
            Ok(said.take_until(broken.boxed()).boxed())
        })
    }

    fn go_on(&self, task: BoxFuture<'static, ()>) {
        let Some(mut session) = lock(&self.open).as_ref().map(watch::Sender::subscribe) else { return };
        self.inner.spawn(async move {
            // Nothing is ever sent, so the only change is the end.
            let closed = async move { while session.changed().await.is_ok() {} };
            drop(future::select(task, closed.boxed()).await);
        });
    }
}

/// What comes of one stream until it ends.
fn pieces(
    which: Stream,
    from: impl AsyncRead + Send + Unpin + 'static,
) -> BoxStream<'static, (Stream, bytes::Bytes)> {
    let pieces = stream::unfold((from, vec![0; PIECE]), move |(mut from, mut buffer)| async move {
        match from.read(&mut buffer).await {
            Ok(count) if count > 0 => {
                let piece = bytes::Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
                Some(((which, piece), (from, buffer)))
            }
            _ => None,
        }
    });
    pieces.boxed()
}
