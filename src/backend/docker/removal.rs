//! Taking away what was made, until it is gone.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListImagesOptions, ListNetworksOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions,
};
use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Docker, call, convert, error, upload};
use crate::base::RunId;
use crate::base::awake::{sleep, timeout};
use crate::helper;
use crate::ledger::{Object, ObjectKind};

/// Where the directory above the one to remove is mounted.
const PARENT: &str = "/windlass-parent";

/// How long one try may take.
const TRY: Duration = Duration::from_secs(15);
/// How long the engine is asked again to remove what is still in use.
const BUSY: Duration = Duration::from_secs(20);
/// The longest pause between two requests.
const PAUSE: Duration = Duration::from_secs(1);

/// Removes an object of the engine; one that is gone already is a success.
///
/// What is in use, or being removed by an earlier call whose answer was lost, is asked for again, to a bound.
pub(super) async fn remove(docker: &bollard::Docker, object: &Object) -> Result<(), Error> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(100);
    loop {
        let asked = timeout(TRY, ask(docker, object)).await;
        let error = match asked.unwrap_or(Err(Error::RequestTimeoutError)) {
            Err(error) if !error::is_not_found(&error) => error,
            _ => return Ok(()),
        };
        let may_pass = error::may_pass(&error) || is_in_use(object, &error);
        if !may_pass || began.elapsed() >= BUSY {
            return Err(explained(docker, object, error).await);
        }
        sleep(call::shortened(pause)).await;
        pause = (pause * 2).min(PAUSE);
    }
}

/// Containers that come and go at once can leave an engine (20.10) with a wrong count of them for their network, which no call
/// mends: that is said with its words.
async fn explained(docker: &bollard::Docker, object: &Object, error: Error) -> Error {
    let (words, status) = (error::words(&error), error::status(&error));
    let Some(status_code) = status.filter(|_| words.contains("has active endpoints")) else { return error };
    let network = timeout(TRY, docker.inspect_network(&object.name, None)).await;
    let is_empty =
        matches!(network, Ok(Ok(network)) if network.containers.as_ref().is_none_or(HashMap::is_empty));
    if !is_empty {
        return error;
    }
    let message =
        format!("the engine counts containers in it that it does not have, until it is restarted: {words}");
    Error::DockerResponseServerError { status_code, message }
}

/// Engines refuse a network that a container is just leaving with 403, and everything else in use with 409.
fn is_in_use(object: &Object, error: &Error) -> bool {
    let status = error::status(error);
    status == Some(409) || object.kind == ObjectKind::Network && status == Some(403)
}

async fn ask(docker: &bollard::Docker, object: &Object) -> Result<(), Error> {
    match object.kind {
        ObjectKind::Container => {
            // With the volumes that its image declares.
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            docker.remove_container(&object.name, Some(options)).await
        }
        ObjectKind::Volume => docker.remove_volume(&object.name, None::<RemoveVolumeOptions>).await,
        ObjectKind::Network => match docker.remove_network(&object.name).await {
            Err(error) if error::words(&error).contains("is ambiguous") => {
                namesakes(docker, &object.name).await
            }
            removed => removed,
        },
        ObjectKind::Directory | ObjectKind::Resource => Ok(()),
    }
}

/// Removes all networks of a name: an engine gives it twice when it is asked again before it has done what it was asked.
async fn namesakes(docker: &bollard::Docker, name: &str) -> Result<(), Error> {
    let filters = HashMap::from([("name", vec![name])]);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let mut removed = Ok(());
    for network in docker.list_networks(Some(options)).await? {
        if network.name.as_deref() == Some(name) {
            match docker.remove_network(&network.id.unwrap_or_default()).await {
                Err(error) if !error::is_not_found(&error) => removed = removed.and(Err(error)),
                _ => {}
            }
        }
    }
    removed
}

/// Removes a directory of this machine as root, for a user who may not remove what a step's root made:
/// the helper does it, in a container of whatever image is there.
pub(super) async fn directory(docker: &Docker, path: &Path) -> Result<(), String> {
    let said = |error: Error| error::words(&error);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err("it is no directory below another one".to_owned());
    };
    if !docker.reach.files {
        return Err("the engine does not see this machine's files".to_owned());
    }
    let images = call::repeat(|| docker.api.list_images(None::<ListImagesOptions>)).await.map_err(said)?;
    let bind = |source: &Path, target: &str, read_only| Mount {
        target: Some(target.to_owned()),
        source: Some(source.display().to_string()),
        typ: Some(MountType::BIND),
        read_only: Some(read_only),
        ..Mount::default()
    };
    let run = RunId::generate();
    let mut mounts = vec![bind(parent, PARENT, false)];
    let entrypoint = if docker.reach.helper {
        mounts.push(bind(&docker.helper, helper::PATH, true));
        helper::PATH.to_owned()
    } else {
        convert::sent_path()
    };
    let body = |image: String| ContainerCreateBody {
        image: Some(image),
        user: Some("0:0".to_owned()),
        entrypoint: Some(vec![entrypoint.clone()]),
        cmd: Some(vec!["remove".to_owned(), format!("{PARENT}/{}", name.to_string_lossy())]),
        working_dir: Some("/".to_owned()),
        network_disabled: Some(true),
        // A label is enough for it to be found, should it outlive us.
        labels: Some(convert::labels(&docker.instance, &run)),
        host_config: Some(HostConfig {
            mounts: Some(mounts.clone()),
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let object = Object { kind: ObjectKind::Container, name: format!("windlass-{run}-remove") };
    let options = CreateContainerOptionsBuilder::new().name(&object.name).build();
    let mut created = Err("there is no image to run the helper in".to_owned());
    for image in images {
        let create = docker.api.create_container(Some(options.clone()), body(image.id));
        match call::once(create).await {
            // Somebody has removed it meanwhile.
            Err(error) if error::is_not_found(&error) => created = Err(said(error)),
            other => {
                created = other.map(drop).map_err(said);
                break;
            }
        }
    }
    created?;
    let ran = async {
        if !docker.reach.helper {
            upload::helper(&docker.api, &object.name).await?;
        }
        call::repeat(|| docker.api.start_container(&object.name, None)).await.map_err(said)?;
        let mut wait = docker.api.wait_container(&object.name, None);
        match wait.next().await {
            Some(Err(error)) => Err(said(error)),
            _ => Ok(()),
        }
    };
    let ran = ran.await;
    remove(&docker.api, &object).await.map_err(said)?;
    ran
}
