//! Whether a service is ready: the helper asks, as a second process in the service's own container, so that the
//! image needs no tool for it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use kube::{Api, Error};
use tokio::io::AsyncWriteExt;

use super::call;
use super::manifest::{self, CONTAINER};
use crate::base::awake::sleep;
use crate::helper::protocol::{Command, Go};
use crate::plan::Probe;

/// The pause after a question that could not be put.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks one service.
pub(super) struct Prober {
    pub(super) api: Api<Pod>,
    /// The pod.
    pub(super) name: String,
    pub(super) address: IpAddr,
    /// What the service itself was told.
    pub(super) go: Go,
}

impl Prober {
    /// Waits until it is ready. What the image itself would be asked a cluster does not say: then there is nothing to ask.
    pub(super) async fn ready(&self, probe: &Probe) {
        let at = |port: u16| SocketAddr::new(self.address, port).to_string();
        let (arguments, told) = match probe {
            Probe::Log(_) => return std::future::pending().await,
            Probe::Image => return,
            Probe::Port(port) => (vec!["ports".to_owned(), at(*port)], None),
            Probe::Http { port, path } => (vec!["http".to_owned(), at(*port), path.clone()], None),
            Probe::Command(argv) => {
                let go = Go { argv: argv.clone(), script: None, ..self.go.clone() };
                (vec!["command".to_owned()], Some(Command::Go(Box::new(go)).encode()))
            }
        };
        // What could not be asked is asked again: the service may have ended, which its own end tells.
        while !self.ask(&arguments, told.as_deref()).await.unwrap_or(false) {
            sleep(PAUSE).await;
        }
    }

    /// Has the helper ask until it knows; false when something came in between.
    async fn ask(&self, arguments: &[String], told: Option<&[u8]>) -> Result<bool, Error> {
        let command = [manifest::boot(), "probe".to_owned()].into_iter().chain(arguments.iter().cloned());
        let params = AttachParams::default().container(CONTAINER).stdin(true).stderr(false);
        let mut process = call::once(self.api.exec(&self.name, command, &params)).await?;
        let (input, status) = (process.stdin(), process.take_status());
        let (Some(mut input), Some(status)) = (input, status) else { return Ok(false) };
        // One that does not listen has ended, and its code says why. It ends when our end does.
        let _ = input.write_all(told.unwrap_or_default()).await;
        let ended = status.await;
        drop(input);
        Ok(ended.and_then(|status| status.status).as_deref() == Some("Success"))
    }
}
