//! The container through which a workspace is seen that the engine has: the helper is executed in it.

use std::sync::Arc;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::future::{self, BoxFuture};
use futures_util::{FutureExt, StreamExt};

use super::convert;
use super::layer::Layer;
use super::session::DockerSession;
use super::tether::{Anchor, cut};
use super::{call, error};
use crate::backend::helped::keeper::{Keeps, Said, View};
use crate::backend::{ContainerSpec, StartError, Started};
use crate::event::Stream;

impl Keeps for DockerSession {
    fn view(&self) -> &View {
        &self.view
    }

    fn hold(self: Arc<Self>, spec: ContainerSpec) -> BoxFuture<'static, Result<Started, StartError>> {
        Box::pin(async move {
            self.policy.check(&spec)?;
            let name = convert::container_name(&self.shared.common.run, &spec);
            let taken = self.name(&name).await;
            self.start_named(spec, (name, taken), Layer::default()).await
        })
    }

    fn execute<'a>(
        &'a self,
        keeper: &'a ContainerSpec,
        arguments: Vec<String>,
    ) -> BoxFuture<'a, Result<Said, String>> {
        Box::pin(async move {
            let inner = &self.shared;
            let name = convert::container_name(&inner.common.run, keeper);
            let command = std::iter::once(inner.common.entrypoint.clone()).chain(arguments);
            let config = CreateExecOptions {
                attach_stdout: Some(true),
                attach_stderr: Some(true),
                user: Some("0:0".to_owned()),
                working_dir: Some("/".to_owned()),
                cmd: Some(command.collect()),
                ..CreateExecOptions::default()
            };
            let words = |error| error::words(&error);
            let id = call::once(inner.docker.create_exec(&name, config)).await.map_err(words)?.id;
            let options = StartExecOptions { detach: false, ..StartExecOptions::default() };
            let started = call::once(inner.docker.start_exec(&id, Some(options))).await.map_err(words)?;
            let StartExecResults::Attached { output, input } = started else {
                return Err("it gave no streams".to_owned());
            };
            let said = output.take_while(|piece| future::ready(piece.is_ok())).filter_map(move |piece| {
                // It holds the connection.
                let _ = &input;
                future::ready(match piece {
                    Ok(LogOutput::StdOut { message }) => Some((Stream::Stdout, message)),
                    Ok(LogOutput::StdErr { message }) => Some((Stream::Stderr, message)),
                    _ => None,
                })
            });
            Ok(said.boxed())
        })
    }

    fn go_on(&self, task: BoxFuture<'static, ()>) {
        let mut session = self.open().as_ref().map(Anchor::subscribe);
        if session.is_some() {
            self.shared.spawn(async move {
                drop(future::select(task, cut(&mut session).boxed()).await);
            });
        }
    }
}
