//! From a description to a container that runs, with our ends of its streams; whatever is lost on the way,
//! there is one container or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::container::AttachInput;
use super::convert::{self, Common};
use super::link::AttachOutput;
use super::tether::{Anchor, Tether};
use super::{call, error};
use crate::backend::StartError;
use crate::base::Reason;
use crate::base::awake::sleep;

/// How often it is begun anew when attaching failed: the streams of that container may be closed.
const TRIES: u32 = 3;
/// The pause before the engine is asked again to wait for an end.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an engine may have given a name away without a container of that name, from the first try to create it.
const UNFINISHED: Duration = Duration::from_secs(45);

/// A container that runs, and our ends of its streams.
pub(super) struct Attached {
    pub(super) output: AttachOutput,
    pub(super) input: AttachInput,
    /// Cut when the container has ended.
    pub(super) exit: Tether,
    /// Whoever waits for that.
    pub(super) waiter: JoinSet<()>,
    /// How often the engine left whoever waits without an answer.
    pub(super) departures: Arc<AtomicU32>,
}

/// A container that could not be started.
pub(super) struct Failed {
    pub(super) error: StartError,
    /// Whether a container of that name may be ours, so that it is to be removed.
    pub(super) is_ours: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error: error::start(&error), is_ours: true }
    }
}

/// Creates, attaches to and starts a container, in this order, so that not a byte is missed.
pub(super) async fn attached(
    docker: &Docker,
    common: &Common,
    name: &str,
    body: &ContainerCreateBody,
) -> Result<Attached, Failed> {
    let options =
        AttachContainerOptionsBuilder::new().stdin(true).stdout(true).stderr(true).stream(true).build();
    let mut tries = 0;
    let attached = loop {
        Box::pin(create(docker, common, name, body)).await?;
        match call::once(docker.attach_container(name, Some(options.clone()))).await {
            Ok(attached) => break attached,
            Err(error) if error::may_pass(&error) && tries + 1 < TRIES => {
                tries += 1;
                let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                match call::repeat(|| docker.remove_container(name, Some(options.clone()))).await {
                    Err(error) if !error::is_not_found(&error) => return Err(error.into()),
                    _ => sleep(call::shortened(PAUSE)).await,
                }
            }
            Err(error) => return Err(error.into()),
        }
    };
    let (anchor, exit) = tokio::sync::watch::channel(());
    let (mut waiter, departures) = (JoinSet::new(), Arc::new(AtomicU32::new(0)));
    waiter.spawn(until_ended(docker.clone(), name.to_owned(), anchor, Arc::clone(&departures)));
    // One that was started by a call whose answer was lost is no error.
    call::repeat(|| docker.start_container(name, None)).await?;
    Ok(Attached { output: attached.output, input: attached.input, exit, waiter, departures })
}

/// Creates the container, or takes over the one that a call made whose answer was lost.
pub(super) async fn create(
    docker: &Docker,
    common: &Common,
    name: &str,
    body: &ContainerCreateBody,
) -> Result<(), Failed> {
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    let began = Instant::now();
    let found = loop {
        let created = call::repeat(|| docker.create_container(Some(options.clone()), body.clone())).await;
        match created {
            Err(error) if error::status(&error) == Some(409) => {}
            created => return created.map(drop).map_err(Failed::from),
        }
        match call::repeat(|| docker.inspect_container(name, None)).await {
            // A call without an answer has given the name away, and its container is not there yet.
            Err(error) if error::is_not_found(&error) && began.elapsed() < UNFINISHED => {
                sleep(call::shortened(PAUSE)).await;
            }
            Err(error) if error::is_not_found(&error) => {
                let message = format!("the engine has begun to create `{name}`, and does not come to an end");
                return Err(Failed {
                    error: StartError { reason: Reason::DaemonLost, message },
                    is_ours: true,
                });
            }
            found => break found?,
        }
    };
    let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
    let ours = convert::labels(&common.instance, &common.run);
    if ours.iter().all(|(key, value)| labels.get(key) == Some(value)) {
        return Ok(());
    }
    let message = format!("`{name}` is the name of a container that is not ours");
    Err(Failed { error: StartError { reason: Reason::CouldNotStart, message }, is_ours: false })
}

/// Holds the anchor until the engine says that the container has ended. An engine that cannot say is asked
/// again. One that is killed and back at once is seen away here alone: nothing else is without an answer for that long.
async fn until_ended(docker: Docker, name: String, _anchor: Anchor, departures: Arc<AtomicU32>) {
    let options = WaitContainerOptionsBuilder::new().condition("next-exit").build();
    loop {
        match docker.wait_container(&name, Some(options.clone())).next().await {
            // An exit code other than 0 is an error in bollard.
            Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => return,
            Some(Err(error)) if error::is_not_found(&error) => return,
            Some(Err(Error::RequestTimeoutError)) => {}
            broken => {
                let answered = matches!(&broken, Some(Err(error)) if error::status(error).is_some());
                departures.fetch_add(u32::from(!answered), Ordering::Relaxed);
                sleep(call::shortened(PAUSE)).await;
            }
        }
    }
}
