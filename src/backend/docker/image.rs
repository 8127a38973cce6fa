//! Images: looked up, and pulled when they are missing, each once a run.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ImageInspect;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::Instant;

use super::{call, credentials, error};
use crate::backend::{PullProgress, StartError};
use crate::base::awake::{sleep, timeout};
use crate::base::{Outcome, Reason};
use crate::image::{Reference, platform};

/// How long a pull may go on without a word. The engine says something with every piece of a layer.
const SILENCE: Duration = Duration::from_mins(1);
/// A pull that has taken longer is not tried again.
const AGAIN_UNTIL: Duration = Duration::from_secs(30);
/// The pauses between tries to pull, before chance shortens them.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// What a step takes over from its image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageFacts {
    /// What the engine knows it by.
    pub(super) id: String,
    pub(super) env: Vec<(String, String)>,
    pub(super) entrypoint: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) user: String,
    pub(super) workdir: String,
    /// The command of its health check; empty without one.
    pub(super) health: Vec<String>,
    /// The TCP ports that it says it listens on.
    pub(super) ports: Vec<u16>,
}

impl From<ImageInspect> for ImageFacts {
    fn from(image: ImageInspect) -> Self {
        let config = image.config.unwrap_or_default();
        let pair = |entry: String| match entry.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (entry, String::new()),
        };
        let tests = config.healthcheck.and_then(|check| check.test).unwrap_or_default();
        let tcp = |port: &String| port.strip_suffix("/tcp").unwrap_or(port).parse().ok();
        Self {
            id: image.id.unwrap_or_default(),
            health: health(tests, config.shell),
            ports: config.exposed_ports.iter().flatten().filter_map(tcp).collect(),
            env: config.env.unwrap_or_default().into_iter().map(pair).collect(),
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            workdir: config.working_dir.unwrap_or_default(),
        }
    }
}

/// The command of a health check as images write it: `CMD` and its words, or `CMD-SHELL` and a line.
fn health(test: Vec<String>, shell: Option<Vec<String>>) -> Vec<String> {
    let mut words = test.into_iter();
    match words.next().as_deref() {
        Some("CMD") => words.collect(),
        Some("CMD-SHELL") => {
            let shell = shell.filter(|shell| !shell.is_empty());
            let shell = shell.unwrap_or_else(|| ["/bin/sh", "-c"].map(str::to_owned).to_vec());
            shell.into_iter().chain(words).collect()
        }
        _ => Vec::new(),
    }
}

/// Looks the image up, and pulls it when it is not there.
pub(super) async fn ensure(
    docker: &Docker,
    reference: &str,
    progress: &(dyn Fn(PullProgress) + Send + Sync),
) -> Result<ImageFacts, StartError> {
    let parsed = parsed(reference, Reason::ImageNotFound);
    match call::repeat(|| docker.inspect_image(reference)).await {
        Ok(image) => return usable(reference, image),
        Err(error) if parsed.is_ok() && !error::is_not_found(&error) => return Err(error::start(&error)),
        Err(_) => {}
    }
    let parsed = parsed?;
    let image = persist(|| async {
        pull(docker, reference, &parsed, progress).await?;
        match call::repeat(|| docker.inspect_image(reference)).await {
            // Somebody removed it, or the last other name of it while this one was being given.
            Err(error) if error::is_not_found(&error) => Err(StartError {
                reason: Reason::ImagePullFailed,
                message: format!("`{reference}` was pulled, and is gone: {}", error::words(&error)),
            }),
            image => image.map_err(|error| error::pull(reference, &error)),
        }
    });
    usable(reference, image.await?)
}

/// Looks whether the engine has an image, or its registry does, which the engine asks with the credentials that
/// a pull would use. Nothing is fetched.
pub(super) async fn look(docker: &Docker, reference: &str) -> Result<(), StartError> {
    match call::repeat(|| docker.inspect_image(reference)).await {
        Ok(_) => return Ok(()),
        Err(error) if error::is_not_found(&error) => {}
        Err(error) => return Err(error::start(&error)),
    }
    let parsed = parsed(reference, Reason::CouldNotStart)?;
    let known = credentials::find(&credentials::directory(), &parsed).await;
    match call::once(docker.inspect_registry_image(reference, known.credentials)).await {
        Ok(_) => Ok(()),
        // It is the registry that is silent: the engine has just answered.
        Err(Error::RequestTimeoutError) => Err(StartError {
            reason: Reason::ImagePullFailed,
            message: format!("nothing was heard of the registry of `{reference}`"),
        }),
        Err(error) => Err(StartError { message: error::words(&error), ..error::pull(reference, &error) }),
    }
}

/// The parts of a reference, or why there is none; only an output of a step can be one that the file was not
/// refused for.
fn parsed(reference: &str, reason: Reason) -> Result<Reference, StartError> {
    Reference::parse(reference)
        .map_err(|wrong| StartError { reason, message: format!("`{reference}` is not an image: {wrong}") })
}

/// An image for another processor would end in words that help nobody.
pub(super) fn usable(shown: &str, image: ImageInspect) -> Result<ImageFacts, StartError> {
    match image.architecture.as_deref() {
        Some(wanted) if platform::rank(wanted).is_none() => Err(StartError {
            reason: Reason::ImageWrongPlatform,
            message: format!(
                "`{shown}` is for {wanted}, this machine is {}, and no emulator for {wanted} is registered \
                 (binfmt_misc)",
                platform::machine()
            ),
        }),
        _ => Ok(image.into()),
    }
}

/// Fetches; what the engine or the registry cannot do now is tried again.
pub(super) async fn persist<F, T>(fetch: impl Fn() -> F) -> Result<T, StartError>
where
    F: Future<Output = Result<T, StartError>>,
{
    let began = Instant::now();
    let mut pauses = PAUSES.into_iter();
    loop {
        match (fetch().await, pauses.next()) {
            (Err(error), Some(pause))
                if error.reason.outcome() == Outcome::Lost && began.elapsed() < AGAIN_UNTIL =>
            {
                sleep(call::shortened(pause)).await;
            }
            (fetched, _) => return fetched,
        }
    }
}

async fn pull(
    docker: &Docker,
    reference: &str,
    parsed: &Reference,
    progress: &(dyn Fn(PullProgress) + Send + Sync),
) -> Result<(), StartError> {
    // The name goes as it was written, because the engine tags what it pulls with it.
    let name = parsed.repository();
    let from = if parsed.registry() == "docker.io" {
        name.strip_prefix("library/").unwrap_or(name).to_owned()
    } else {
        format!("{}/{name}", parsed.registry())
    };
    let options = CreateImageOptionsBuilder::new().from_image(&from).tag(parsed.version()).build();
    let mut layers = std::collections::BTreeMap::new();
    let known = credentials::find(&credentials::directory(), parsed).await;
    let failed = |error: &Error| {
        let mut failed = error::pull(reference, error);
        if let Some(problem) = &known.problem {
            failed.message = format!("{}; {problem}", failed.message);
        }
        failed
    };
    let mut answers = docker.create_image(Some(options), None, known.credentials);
    progress(PullProgress { current: 0, total: 0 });
    let silent = || StartError {
        reason: Reason::ImagePullFailed,
        message: format!("cannot pull `{reference}`: nothing was heard of it for {} s", SILENCE.as_secs()),
    };
    while let Some(answer) = timeout(SILENCE, answers.next()).await.map_err(|_| silent())? {
        let answer = answer.map_err(|error| failed(&error))?;
        if let Some(message) = answer.error_detail.and_then(|detail| detail.message) {
            let error = Error::DockerStreamError { error: message };
            return Err(failed(&error));
        }
        let (Some(layer), Some(detail)) = (answer.id, answer.progress_detail) else { continue };
        // Layers are downloaded and then unpacked, each with its own count; downloads are what takes time.
        if answer.status.as_deref() == Some("Downloading") {
            layers.insert(layer, (detail.current.unwrap_or(0), detail.total.unwrap_or(0)));
            let sum = |pick: fn(&(i64, i64)) -> i64| {
                layers.values().map(|layer| u64::try_from(pick(layer)).unwrap_or(0)).sum()
            };
            progress(PullProgress { current: sum(|layer| layer.0), total: sum(|layer| layer.1) });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_check_becomes_a_command() {
        let words = |text: &[&str]| text.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(health(words(&["CMD", "pg_isready", "-q"]), None), ["pg_isready", "-q"]);
        assert_eq!(health(words(&["CMD-SHELL", "a || b"]), None), ["/bin/sh", "-c", "a || b"]);
        assert_eq!(
            health(words(&["CMD-SHELL", "a"]), Some(words(&["/bin/bash", "-c"]))),
            ["/bin/bash", "-c", "a"]
        );
        assert_eq!(health(words(&["NONE"]), None), Vec::<String>::new());
    }
}
