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
use crate::base::awake::{sleep, timeout};
use crate::helper::protocol::{Command, Go};
use crate::plan::Probe;

/// How long the helper may ask, and a program that it runs for that.
const QUESTION: Duration = Duration::from_secs(25);
const COMMAND: Duration = Duration::from_mins(2);
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
    /// That it is not allowed to ask is told to whoever waits, once.
    pub(super) async fn ready(&self, probe: &Probe, tell: impl FnOnce(String)) {
        let at = |port: u16| SocketAddr::new(self.address, port).to_string();
        let (arguments, told) = match probe {
            Probe::Log(_) => return std::future::pending().await,
            Probe::Image => return,
            Probe::Port(port) => (vec!["probe".to_owned(), "ports".to_owned(), at(*port)], None),
            Probe::Http { port, path } => {
                (vec!["probe".to_owned(), "http".to_owned(), at(*port), path.clone()], None)
            }
            Probe::Command(argv) => {
                let go = Go { argv: argv.clone(), script: None, ..self.go.clone() };
                (vec!["probe".to_owned(), "command".to_owned()], Some(Command::Go(Box::new(go)).encode()))
            }
        };
        // What could not be asked is asked again: the service may have ended, which its own end tells.
        let (limit, mut tell) = (if told.is_some() { COMMAND } else { QUESTION }, Some(tell));
        loop {
            // One over a connection that is silent is put again over another.
            match timeout(limit, Box::pin(ask(&self.api, &self.name, &arguments, told.as_deref()))).await {
                Ok(Ok(true)) => return,
                Ok(Err(error)) if call::answer(&error).is_some_and(|status| status.code == 403) => {
                    if let Some(tell) = tell.take() {
                        tell(format!(
                            "the cluster does not let anybody ask whether it is ready: {}",
                            call::words(&error)
                        ));
                    }
                }
                _ => {}
            }
            sleep(PAUSE).await;
        }
    }
}

/// Has the helper do something as a second process in a pod's container, and tells it something if it is to know more;
/// whether it could. False when something came in between.
pub(super) async fn ask(
    api: &Api<Pod>,
    name: &str,
    arguments: &[String],
    told: Option<&[u8]>,
) -> Result<bool, Error> {
    let command = std::iter::once(manifest::boot()).chain(arguments.iter().cloned());
    let params = AttachParams::default().container(CONTAINER).stdin(true).stderr(false);
    let mut process = call::once(api.exec(name, command, &params)).await?;
    let (input, status) = (process.stdin(), process.take_status());
    let (Some(mut input), Some(status)) = (input, status) else { return Ok(false) };
    // One that does not listen has ended, and its code says why. It ends when our end does.
    let _ = input.write_all(told.unwrap_or_default()).await;
    let ended = status.await;
    drop(input);
    Ok(ended.and_then(|status| status.status).as_deref() == Some("Success"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::scripted::{Answer, client};
    use super::*;

    /// Asks whether a service is ready for so long; what was told.
    async fn told(time: Duration, answer: impl Fn() -> Answer + Send + Sync + 'static) -> Vec<String> {
        let api = Api::namespaced(client(move |_| answer()), "n");
        let address = IpAddr::from([127, 0, 0, 1]);
        let prober = Prober { api, name: "p".to_owned(), address, go: Go::default() };
        let mut told = Vec::new();
        let ready = Box::pin(prober.ready(&Probe::Port(80), |words| told.push(words)));
        assert!(timeout(time, ready).await.is_err(), "it is never ready");
        told
    }

    #[tokio::test(start_paused = true)]
    async fn that_nobody_may_ask_is_said_once() {
        let told = told(Duration::from_mins(1), || Answer::refused(403)).await;
        assert_eq!(told, ["the cluster does not let anybody ask whether it is ready: as scripted"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_nobody_answers_is_put_again() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let silent = || {
            ASKED.fetch_add(1, Ordering::Relaxed);
            Answer::Silence
        };
        assert_eq!(told(Duration::from_mins(2), silent).await, Vec::<String>::new());
        assert!(ASKED.load(Ordering::Relaxed) > 3);
    }
}
