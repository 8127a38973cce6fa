//! Whether a service is ready: the helper asks, as a second process in the service's own container, so
//! that the engine may be anywhere and the image needs no tool for it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

use super::call;
use super::image::ImageFacts;
use crate::base::awake::sleep;
use crate::helper::protocol::{Command, Go};
use crate::plan::Probe;

/// The pause after a question that could not be put.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks one service.
pub(super) struct Prober {
    pub(super) docker: Docker,
    /// The container.
    pub(super) name: String,
    /// The helper in it.
    pub(super) helper: String,
    pub(super) address: IpAddr,
    pub(super) facts: Arc<ImageFacts>,
    /// What the service itself was told.
    pub(super) go: Go,
}

/// What the helper is asked to find out.
#[derive(Debug, PartialEq, Eq)]
enum Question {
    /// There is nothing to ask.
    Nothing,
    /// Nobody here can know.
    Unknown,
    /// Arguments of the helper.
    Arguments(Vec<String>),
    /// A command of the image's.
    Command(Vec<String>),
}

impl Prober {
    /// Waits until it is ready.
    pub(super) async fn ready(&self, probe: &Probe) {
        let arguments = match question(probe, &self.facts, self.address) {
            Question::Nothing => return,
            Question::Unknown => return std::future::pending().await,
            Question::Arguments(arguments) => (arguments, None),
            Question::Command(argv) => {
                let go = Go { argv, script: None, ..self.go.clone() };
                (vec!["command".to_owned()], Some(Command::Go(Box::new(go)).encode()))
            }
        };
        let (arguments, told) = arguments;
        // What could not be asked is asked again: the service may have ended, which its own end tells.
        while !self.ask(&arguments, told.as_deref()).await.unwrap_or(false) {
            sleep(call::shortened(PAUSE)).await;
        }
    }

    /// Has the helper ask until it knows; false when something came in between.
    async fn ask(&self, arguments: &[String], told: Option<&[u8]>) -> Result<bool, Error> {
        let cmd = [self.helper.clone(), "probe".to_owned()].into_iter().chain(arguments.iter().cloned());
        let config = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            user: Some("0:0".to_owned()),
            working_dir: Some("/".to_owned()),
            cmd: Some(cmd.collect()),
            ..CreateExecOptions::default()
        };
        let id = call::once(self.docker.create_exec(&self.name, config)).await?.id;
        let options = StartExecOptions { detach: false, ..StartExecOptions::default() };
        let StartExecResults::Attached { mut output, mut input } =
            call::once(self.docker.start_exec(&id, Some(options))).await?
        else {
            return Ok(false);
        };
        // One that does not listen has ended, and its code says why.
        let _ = input.write_all(told.unwrap_or_default()).await;
        let _ = input.flush().await;
        // It ends when our end does.
        while output.next().await.is_some() {}
        Ok(call::repeat(|| self.docker.inspect_exec(&id)).await?.exit_code == Some(0))
    }
}

fn question(probe: &Probe, facts: &ImageFacts, address: IpAddr) -> Question {
    let at = |port: u16| SocketAddr::new(address, port).to_string();
    let ports = |ports: &[u16]| {
        let words = std::iter::once("ports".to_owned()).chain(ports.iter().map(|port| at(*port)));
        Question::Arguments(words.collect())
    };
    match probe {
        Probe::Log(_) => Question::Unknown,
        Probe::Command(argv) => Question::Command(argv.clone()),
        Probe::Port(port) => ports(&[*port]),
        Probe::Http { port, path } => Question::Arguments(vec!["http".to_owned(), at(*port), path.clone()]),
        Probe::Image if !facts.health.is_empty() => Question::Command(facts.health.clone()),
        Probe::Image if !facts.ports.is_empty() => ports(&facts.ports),
        Probe::Image => Question::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_asked_by_its_check_else_by_its_ports() {
        let ask = |health: &[&str], ports: &[u16]| {
            let health = health.iter().map(|&word| word.to_owned()).collect();
            let facts = ImageFacts { health, ports: ports.to_vec(), ..ImageFacts::default() };
            question(&Probe::Image, &facts, IpAddr::from([10, 0, 0, 2]))
        };
        assert_eq!(ask(&["check", "it"], &[80]), Question::Command(vec!["check".into(), "it".into()]));
        let ports = ["ports", "10.0.0.2:80", "10.0.0.2:443"].map(str::to_owned).to_vec();
        assert_eq!(ask(&[], &[80, 443]), Question::Arguments(ports));
        assert_eq!(ask(&[], &[]), Question::Nothing);
    }
}
