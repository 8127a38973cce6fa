//! The backend that runs steps on a Docker engine, or on Podman's Docker API, through bollard.
//!
//! A step is a fresh container whose PID 1 is the helper. Everything is said over the attached
//! streams, so nothing but the helper's executable and the workspace comes from this machine; an engine
//! that does not see its files is sent both.

mod call;
mod container;
mod convert;
mod credentials;
mod dial;
mod endpoint;
mod error;
mod image;
mod images;
mod keeper;
mod lane;
mod layer;
mod link;
mod load;
mod network;
mod parcel;
mod probe;
mod reach;
mod removal;
mod session;
mod start;
mod tether;
mod upload;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::ClientVersion;
use bollard::errors::Error;
use bollard::models::{SystemVersion, VolumeCreateRequest};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use super::helped::keeper::View;
use super::lacks::{Lack, NO_HOST};
use super::{Backend, BackendError, FoundObject, RunSpec, Session};
use crate::base::awake::timeout;
use crate::base::{InstanceId, RunId, hex, with_causes};
use crate::helper;
use crate::ledger::{Object, ObjectKind, RunLedger};
use convert::{Common, INSTANCE_LABEL, RUN_LABEL};
use endpoint::Endpoint;
use reach::Reach;
use session::DockerSession;

/// Seconds that a call which is no stream may take.
const CALL: u64 = 120;
/// How long an engine that is there may take to say who it is.
const VERSION: Duration = Duration::from_secs(20);
/// Where helpers are, in a state directory.
const HELPERS: &str = "helper";
/// The oldest API with all that is used here (Engine 19.03).
const OLDEST_API: ClientVersion = ClientVersion { major_version: 1, minor_version: 40 };

/// A Docker engine that answered.
pub struct Docker {
    api: bollard::Docker,
    description: String,
    instance: InstanceId,
    helper: PathBuf,
    reach: Reach,
    podman: bool,
    /// Held while something is created: a creation that nobody waits for any more takes effect all the
    /// same, and must not do so behind the back of a removal.
    creating: Arc<tokio::sync::RwLock<()>>,
}

/// Finds an engine that answers: the endpoint asked for, or `DOCKER_HOST`, or the current docker
/// context, or the first known socket that does.
///
/// `state` is a directory of ours that containers can mount the helper from.
///
/// # Errors
/// When none answers; the error lists what was tried and what to do.
pub async fn connect(
    endpoint: Option<&str>,
    instance: &InstanceId,
    state: &Path,
) -> Result<Docker, BackendError> {
    let mut tried = Vec::new();
    for candidate in endpoint::candidates(endpoint) {
        match answer(&candidate).await {
            Ok((api, version)) => {
                let helper = lend_helper(state)?;
                let beside = helper.parent().unwrap_or(state);
                let reach = reach::of(&api, &version, candidate.socket(), beside).await;
                let engine = version.version.as_deref().unwrap_or_default();
                let podman = version.components.iter().flatten().any(|part| part.name.contains("Podman"));
                let kind = if podman { "podman" } else { "docker" };
                return Ok(Docker {
                    api,
                    description: format!("{kind} {engine} ({})", candidate.address),
                    instance: instance.clone(),
                    helper,
                    reach,
                    podman,
                    creating: Arc::default(),
                });
            }
            Err(why) => tried.push((candidate, why)),
        }
    }
    Err(unreachable(&tried))
}

async fn answer(endpoint: &Endpoint) -> Result<(bollard::Docker, SystemVersion), String> {
    let api = endpoint.open()?;
    let said = |error: Error| match error::words(&error) {
        // What Go's server says to a client that speaks no TLS.
        why if why.contains("to an HTTPS server") => endpoint::NO_CERTIFICATES.to_owned(),
        why => why,
    };
    let unheard = |_| "it does not answer".to_owned();
    // For its version an engine starts programs, which takes a busy machine seconds; that it is there it says at once.
    timeout(endpoint.patience, call::repeat(|| api.ping())).await.map_err(unheard)?.map_err(said)?;
    let version = timeout(VERSION, call::repeat(|| api.version())).await.map_err(unheard)?.map_err(said)?;
    let said = version.api_version.as_deref().unwrap_or_default();
    let theirs = api_version(said).ok_or_else(|| format!("its API is `{said}`, which is no version"))?;
    if theirs < OLDEST_API {
        return Err(format!("its API is {theirs}, and {OLDEST_API} is the oldest that will do"));
    }
    runs_helper(&version)?;
    // Nothing is agreed on: our calls name no version, so that the engine's own is spoken.
    Ok((api, version))
}

fn api_version(said: &str) -> Option<ClientVersion> {
    let (major, minor) = said.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

/// Whether our helper, which is for this machine, is a program for the engine's too.
fn runs_helper(version: &SystemVersion) -> Result<(), String> {
    let ours = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let (os, arch) = (version.os.as_deref().unwrap_or("linux"), version.arch.as_deref().unwrap_or(ours));
    if (os, arch) == ("linux", ours) {
        return Ok(());
    }
    Err(format!("it runs on {os}/{arch}, and this windlass runs steps on linux/{ours} only"))
}

fn unreachable(tried: &[(Endpoint, String)]) -> BackendError {
    let mut message = "no Docker engine answers; tried:".to_owned();
    for (endpoint, why) in tried {
        // Writing into a string cannot fail.
        let _ = write!(message, "\n  {} ({}): {why}", endpoint.address, endpoint.origin);
    }
    let denied = tried.iter().any(|(_, why)| why.contains("permission denied"));
    let help = if denied {
        "join the group that owns the socket (`sudo usermod -aG docker $USER`, then log in again), or run as root"
    } else {
        "start the engine (`sudo systemctl start docker`), or say where it listens with DOCKER_HOST"
    };
    BackendError::new(message).with_help(help)
}

/// Puts the helper where containers can mount it, so that a state directory in which that cannot be done is
/// known early.
///
/// # Errors
/// When it cannot be written there.
pub fn lend_helper(state: &Path) -> Result<PathBuf, BackendError> {
    install_helper(state).map_err(|error| BackendError {
        is_state: true,
        ..BackendError::new(format!("cannot write the helper below {}: {error}", state.display()))
            .with_help("free some space there, or set WINDLASS_HOME to another directory")
    })
}

/// Removes from a state directory what processes left there that were killed while they looked for an engine.
pub fn remove_unfinished(state: &Path) {
    reach::remove_markers(&state.join(HELPERS));
}

/// Puts the helper where containers can mount it; once per version, safe with several at once.
fn install_helper(state: &Path) -> io::Result<PathBuf> {
    let digest = hex(&Sha256::digest(helper::EXECUTABLE));
    let directory = state.join(HELPERS);
    let path = directory.join(&digest[..16]);
    let installed = || fs::metadata(&path).is_ok_and(|found| found.len() == helper::EXECUTABLE.len() as u64);
    if installed() {
        return Ok(path);
    }
    fs::create_dir_all(&directory)?;
    // One at a time; whoever is killed meanwhile leaves a draft, which the next one writes anew.
    let lock = fs::File::open(&directory)?;
    lock.lock()?;
    if installed() {
        return Ok(path);
    }
    let draft = directory.join(".draft");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&draft)?;
    let written = file.write_all(helper::EXECUTABLE).and_then(|()| file.sync_all());
    // Nobody can execute what somebody still has open for writing.
    drop(file);
    written.and_then(|()| fs::rename(&draft, &path)).inspect_err(|_| drop(fs::remove_file(&draft)))?;
    Ok(path)
}

impl Docker {
    async fn open_run(&self, run: RunSpec, ledger: Arc<RunLedger>) -> Result<Arc<dyn Session>, BackendError> {
        let provision =
            convert::provide(&self.instance, &run.run, self.reach, &self.helper, run.workspace.as_ref());
        for request in provision.volumes {
            self.create_volume(request, &ledger).await.map_err(BackendError::new)?;
        }
        let common = Common {
            instance: self.instance.clone(),
            run: run.run,
            helper: provision.helper,
            entrypoint: provision.entrypoint,
            workspace: provision.workspace,
            gid: run.workspace_gid,
            log_driver: if self.podman { "k8s-file" } else { "local" },
            podman: self.podman,
        };
        let lanes = run.lanes.into_keys();
        let (api, parcels) = (self.api.clone(), provision.parcels);
        let view = View::new(run.workspace, self.reach.files);
        Ok(DockerSession::new(api, common, ledger, (run.policy, run.images), (lanes, parcels), view))
    }

    async fn create_volume(&self, request: VolumeCreateRequest, ledger: &RunLedger) -> Result<(), String> {
        let name = request.name.clone().unwrap_or_default();
        let object = Object { kind: ObjectKind::Volume, name: name.clone() };
        ledger.intend(&[object]).map_err(|error| with_causes(&error))?;
        let guard = Arc::clone(&self.creating).read_owned().await;
        let api = self.api.clone();
        let created = tokio::spawn(async move {
            let created = call::repeat(|| api.create_volume(request.clone())).await;
            drop(guard);
            created
        });
        let created = created.await.map_err(|error| error.to_string())?;
        created
            .map(drop)
            .map_err(|error| format!("cannot create the volume {name}: {}", error::words(&error)))
    }

    async fn labelled(&self) -> Result<Vec<FoundObject>, bollard::errors::Error> {
        let ours = format!("{INSTANCE_LABEL}={}", self.instance);
        let filters = std::collections::HashMap::from([("label".to_owned(), vec![ours])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers = call::repeat(|| self.api.list_containers(Some(options.clone()))).await?;
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let volumes = call::repeat(|| self.api.list_volumes(Some(options.clone()))).await?;
        let volumes = volumes.volumes.unwrap_or_default();
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let networks = call::repeat(|| self.api.list_networks(Some(options.clone()))).await?;
        let containers = containers.into_iter().filter_map(|container| {
            let run = container.labels?.remove(RUN_LABEL)?;
            let name = container.names?.first()?.trim_start_matches('/').to_owned();
            Some(FoundObject { run: RunId::new(run), object: Object { kind: ObjectKind::Container, name } })
        });
        let volumes = volumes.into_iter().filter_map(|mut volume| {
            let run = volume.labels.remove(RUN_LABEL)?;
            let object = Object { kind: ObjectKind::Volume, name: volume.name };
            Some(FoundObject { run: RunId::new(run), object })
        });
        let networks = networks.into_iter().filter_map(|network| {
            let run = network.labels?.remove(RUN_LABEL)?;
            let object = Object { kind: ObjectKind::Network, name: network.name? };
            Some(FoundObject { run: RunId::new(run), object })
        });
        Ok(containers.chain(networks).chain(volumes).collect())
    }
}

impl Backend for Docker {
    fn description(&self) -> String {
        self.description.clone()
    }

    fn sees_files(&self) -> bool {
        self.reach.files
    }

    fn lacks(&self) -> Vec<Lack> {
        vec![NO_HOST]
    }

    fn open(
        &self,
        run: RunSpec,
        ledger: Arc<RunLedger>,
    ) -> BoxFuture<'_, Result<Arc<dyn Session>, BackendError>> {
        Box::pin(self.open_run(run, ledger))
    }

    fn objects(&self) -> BoxFuture<'_, Result<Vec<FoundObject>, BackendError>> {
        Box::pin(async { self.labelled().await.map_err(|error| BackendError::new(error::words(&error))) })
    }

    fn remove<'a>(&'a self, object: &'a Object) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async move {
            let _created = self.creating.write().await;
            let removed = match object.kind {
                ObjectKind::Directory => removal::directory(self, Path::new(&object.name)).await,
                ObjectKind::Resource => {
                    Err("it is on a cluster; `windlass clean --backend kubernetes` removes it".to_owned())
                }
                _ => removal::remove(&self.api, object).await.map_err(|error| error::words(&error)),
            };
            removed.map_err(|why| BackendError::new(format!("cannot remove {}: {why}", object.name)))
        })
    }
}
