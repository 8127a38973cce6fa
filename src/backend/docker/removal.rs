//! Taking away what was made, until it is gone.

use std::path::Path;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListImagesOptions, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
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
const TRY: Duration = Duration::from_secs(9);
/// How long the engine is asked again to remove what is still in use.
const BUSY: Duration = Duration::from_secs(10);
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
            return Err(error);
        }
        sleep(call::shortened(pause)).await;
        pause = (pause * 2).min(PAUSE);
    }
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
        ObjectKind::Network => docker.remove_network(&object.name).await,
        ObjectKind::Directory | ObjectKind::Resource => Ok(()),
    }
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
    let image = images.into_iter().next().ok_or("there is no image to run the helper in")?.id;
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
    let body = ContainerCreateBody {
        image: Some(image),
        user: Some("0:0".to_owned()),
        entrypoint: Some(vec![entrypoint]),
        cmd: Some(vec!["remove".to_owned(), format!("{PARENT}/{}", name.to_string_lossy())]),
        working_dir: Some("/".to_owned()),
        network_disabled: Some(true),
        // A label is enough for it to be found, should it outlive us.
        labels: Some(convert::labels(&docker.instance, &run)),
        host_config: Some(HostConfig {
            mounts: Some(mounts),
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let object = Object { kind: ObjectKind::Container, name: format!("windlass-{run}-remove") };
    let options = CreateContainerOptionsBuilder::new().name(&object.name).build();
    call::once(docker.api.create_container(Some(options), body)).await.map_err(said)?;
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
