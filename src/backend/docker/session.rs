//! One run on a Docker engine.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{OnceCell, OwnedMutexGuard, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use ulid::Ulid;

use super::container::{Handle, Shared, Supervisor};
use super::convert::{self, Common, Join};
use super::error;
use super::image;
use super::images::Images;
use super::lane::Lane;
use super::layer::{self, Layer};
use super::link::{DRAIN, Link};
use super::parcel::Parcel;
use super::probe::Prober;
use super::removal::remove;
use super::start::{self, Attached};
use super::tether::{Anchor, cut};
use super::{network, upload};
use crate::backend::helped::{
    self,
    keeper::{self, View},
};
use crate::backend::policy::Policy;
use crate::backend::{
    ContainerImage, ContainerSpec, Fetched, LocalImages, Progress, PullProgress, Session, StartError,
    Started, Substitution, WorkspaceError,
};
use crate::base::archive::Limits;
use crate::base::awake::timeout;
use crate::base::{Reason, with_causes};
use crate::helper::protocol::{Go, LAYER};
use crate::ledger::{Object, ObjectKind, RunLedger};

/// How long removing everything may take.
const CLOSE: Duration = Duration::from_mins(1);
/// Containers that the engine is asked to start at the same time: more make none of them start earlier,
/// and each call has its deadline.
const STARTS: usize = 16;
/// Pieces of output that wait for a slow consumer before the program is made to wait.
const BACKLOG: usize = 4;

/// One run on a Docker engine.
pub(super) struct DockerSession {
    me: Weak<Self>,
    pub(super) shared: Arc<Inner>,
    pub(super) policy: Arc<Policy>,
    pub(super) view: View,
    images: Images,
    /// One lock per container name, held until the container is gone: a name may be used again.
    names: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    lanes: BTreeMap<u32, Arc<Lane>>,
    /// What is sent before the first container starts.
    parcels: Arc<[Parcel]>,
    sent: OnceCell<()>,
    /// The network of the services is there.
    network: OnceCell<()>,
    /// Dropped when the session is closed, which ends every container that still runs.
    open: Mutex<Option<Anchor>>,
}

/// What background tasks of a run need as well.
pub(super) struct Inner {
    pub(super) docker: Docker,
    pub(super) common: Common,
    ledger: Arc<RunLedger>,
    background: Mutex<JoinSet<()>>,
    starts: Semaphore,
}

impl DockerSession {
    pub(super) fn new(
        docker: Docker,
        common: Common,
        ledger: Arc<RunLedger>,
        (policy, local): (Arc<Policy>, LocalImages),
        (lanes, parcels): (impl IntoIterator<Item = u32>, Vec<Parcel>),
        view: View,
    ) -> Arc<Self> {
        let background = Mutex::new(JoinSet::new());
        let images = Images::new(docker.clone(), local);
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            view,
            shared: Arc::new(Inner { docker, common, ledger, background, starts: Semaphore::new(STARTS) }),
            policy,
            images,
            names: Mutex::default(),
            lanes: lanes.into_iter().map(|lane| (lane, Arc::default())).collect(),
            parcels: parcels.into(),
            sent: OnceCell::new(),
            network: OnceCell::new(),
            open: Mutex::new(Some(Anchor::new(()))),
        })
    }

    pub(super) fn open(&self) -> MutexGuard<'_, Option<Anchor>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a container of this name, if there was one, is gone.
    pub(super) async fn name(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(names.entry(name.to_owned()).or_default())
        };
        lock.lock_owned().await
    }

    fn lane(&self, spec: &ContainerSpec) -> Option<&Arc<Lane>> {
        self.lanes.get(&spec.lane?)
    }

    /// Fills the volumes of the run through a container of this image. Given up, it ends soon.
    async fn send(&self, image: &str) -> Result<(), StartError> {
        if self.parcels.is_empty() {
            return Ok(());
        }
        let name = convert::upload_name(&self.shared.common.run);
        let taken = self.name(&name).await;
        let object = Object { kind: ObjectKind::Container, name };
        let (inner, parcels) = (Arc::clone(&self.shared), Arc::clone(&self.parcels));
        let body = upload::container(&inner.common, image, &parcels);
        let (mut tell, told) = oneshot::channel();
        self.shared.spawn(async move {
            let _taken = taken;
            let filled = async {
                inner.intend(&object).await?;
                let made = start::create(&inner.docker, &inner.common, &object.name, &body).await;
                made.map_err(|failed| failed.error)?;
                let sent = async {
                    for parcel in parcels.iter() {
                        upload::fill(&inner.docker, &object.name, parcel, inner.common.podman).await?;
                    }
                    Ok(())
                };
                tokio::select! {
                    sent = sent => sent.map_err(|message: String| StartError {
                        reason: Reason::CouldNotStart,
                        message: format!("cannot send the workspace to the engine: {message}"),
                    }),
                    () = tell.closed() => Err(given_up()),
                }
            };
            let filled = filled.await;
            // What cannot be removed now stays in the ledger, and `close` tries again.
            let _ = inner.remove(&object).await;
            let _ = tell.send(filled);
        });
        told.await.unwrap_or_else(|_| Err(given_up()))
    }

    /// Makes the network of the services. Given up, it is there all the same, and known.
    async fn connect(&self) -> Result<(), StartError> {
        let inner = Arc::clone(&self.shared);
        let object = Object { kind: ObjectKind::Network, name: network::name(&inner.common.run) };
        let (tell, told) = oneshot::channel();
        self.shared.spawn(async move {
            let made = async {
                inner.intend(&object).await?;
                network::create(&inner.docker, &inner.common).await
            };
            let _ = tell.send(made.await);
        });
        told.await.unwrap_or_else(|_| Err(given_up()))
    }

    async fn start_container(&self, spec: ContainerSpec) -> Result<Started, StartError> {
        self.policy.check(&spec)?;
        let name = convert::container_name(&self.shared.common.run, &spec);
        // A name may be used again, and so may that of what stands under it.
        let taken = self.name(&name).await;
        let layer = match &spec.substitution {
            None => Layer::default(),
            Some(substitution) => self.layer(&spec, substitution, &name).await?,
        };
        let volume = layer.volume.clone();
        let started = self.start_named(spec, (name, taken), layer).await;
        if started.is_err()
            && let Some(volume) = volume
        {
            // What cannot be removed now stays in the ledger, and `close` tries again.
            let _ = self.shared.remove(&volume).await;
        }
        started
    }

    /// Makes the files that a container sees in the place of the workspace's.
    async fn layer(
        &self,
        spec: &ContainerSpec,
        substitution: &Substitution,
        container: &str,
    ) -> Result<Layer, StartError> {
        let inner = &self.shared;
        let volume = Object { kind: ObjectKind::Volume, name: format!("{container}-layer") };
        inner.intend(&volume).await?;
        let made = async {
            let place = layer::volume(&inner.docker, &inner.common, &volume.name).await?;
            let maker =
                helped::layer::maker(spec, substitution, inner.common.entrypoint.clone(), LAYER.to_owned());
            self.policy.check(&maker)?;
            let name = format!("{container}-substitute");
            let taken = self.name(&name).await;
            let beneath = Layer { mounts: vec![layer::room(&volume.name)], ..Layer::default() };
            let started = self.start_named(maker, (name, taken), beneath).await?;
            Ok(layer::over(helped::layer::made(started).await?, &place))
        };
        let layer = match made.await {
            Ok(layer) if !layer.mounts.is_empty() => return Ok(Layer { volume: Some(volume), ..layer }),
            layer => layer,
        };
        // What cannot be removed now stays in the ledger, and `close` tries again.
        let _ = inner.remove(&volume).await;
        layer
    }

    pub(super) async fn start_named(
        &self,
        spec: ContainerSpec,
        (name, taken): (String, OwnedMutexGuard<()>),
        layer: Layer,
    ) -> Result<Started, StartError> {
        let facts = self.images.facts(&spec.image, &|_| {}).await?;
        let named = match &spec.image {
            ContainerImage::Reference(reference) => reference,
            ContainerImage::File(_) => &facts.id,
        };
        self.sent.get_or_try_init(|| self.send(named)).await?;
        if spec.among_services {
            self.network.get_or_try_init(|| self.connect()).await?;
        }
        let inner = &self.shared;
        let object = Object { kind: ObjectKind::Container, name: name.clone() };
        let lane = self.lane(&spec).cloned();
        let holder = lane.as_ref().and_then(|lane| lane.holder());
        let network = spec.among_services.then(|| network::name(&inner.common.run));
        let own = network.as_deref().map_or(Join::Own(spec.network), Join::Network);
        let join = holder.as_ref().map_or(own, |(name, _)| Join::Container(name));
        let mut body = convert::container(&inner.common, &spec, join);
        body.image = Some(named.to_owned());
        body.host_config.get_or_insert_default().mounts.get_or_insert_default().extend(layer.mounts);
        let lingers = lane.is_some() && holder.is_none();
        let token = Ulid::generate().to_bytes();
        let go = Go { token, ..convert::go(&inner.common, &spec, &facts, lingers) };

        let attached = match inner.start_to_the_end(object.clone(), body.clone()).await {
            // It was there a moment ago, and somebody removed it.
            Err(error) if error.reason == Reason::ImageNotFound => {
                self.images.forget(&spec.image, &facts);
                self.images.facts(&spec.image, &|_| {}).await?;
                inner.start_to_the_end(object.clone(), body).await
            }
            attached => attached,
        }?;
        let shared = Arc::new(Shared::of(Arc::clone(&attached.departures)));
        let address = match spec.service {
            None => None,
            Some(_) => match network::address(&inner.docker, &inner.common, &name).await {
                Ok(address) => Some(address),
                Err(error) => {
                    // What cannot be removed now stays in the ledger, and `close` tries again.
                    let _ = inner.remove(&object).await;
                    return Err(error);
                }
            },
        };
        let prober = address.map(|address| Prober {
            docker: inner.docker.clone(),
            name: name.clone(),
            helper: inner.common.entrypoint.clone(),
            address,
            facts: Arc::clone(&facts),
            go: go.clone(),
        });
        let handle = Arc::new(Handle::new(attached.input, go, Arc::clone(&shared), prober));
        let lane = lane.filter(|_| lingers);
        if let Some(lane) = &lane {
            lane.hold(&name, Arc::clone(&handle));
        }
        let (to, from) = mpsc::channel::<Progress>(BACKLOG);
        if let Some(warning) = layer.warning {
            // There is room, as nothing was said before.
            let _ = to.try_send(Progress::Warned(warning));
        }
        let (sign, signs) = mpsc::channel(1);
        let common = Arc::clone(&shared.common);
        let exit = attached.exit.clone();
        let link = Link::new(inner.docker.clone(), name.clone(), token, common, exit.clone(), sign);
        let supervisor = Supervisor {
            docker: inner.docker.clone(),
            name,
            shared,
            to,
            resources: spec.resources,
            timeout: spec.timeout,
            grace: spec.grace,
            session: self.open().as_ref().map(Anchor::subscribe),
            joined: holder.map(|(_, tether)| tether),
        };
        let (background, told_by) = (Arc::clone(inner), Arc::clone(&handle));
        let mut session = supervisor.session.clone();
        inner.spawn(async move {
            let _taken = taken;
            let _waiter = attached.waiter;
            // Ends with the task that it is in.
            let mut reading = JoinSet::new();
            reading.spawn(link.run(attached.output));
            let told = supervisor.run(signs).await;
            if told {
                let _ = timeout(DRAIN, told_by.taken()).await;
            }
            drop(told_by);
            let mut exit = Some(exit);
            if let Some(lane) = lane {
                if told {
                    // It goes on as the lane's namespace.
                    tokio::select! {
                        () = cut(&mut exit) => {}
                        () = cut(&mut session) => {}
                    }
                }
                lane.release(&object.name);
            }
            if told {
                // It ends by itself, which costs the engine less than ending it.
                let _ = timeout(DRAIN, cut(&mut exit)).await;
            }
            // A container that cannot be removed now stays in the ledger, and `close` tries again.
            let _ = background.remove(&object).await;
            if let Some(volume) = layer.volume {
                let _ = background.remove(&volume).await;
            }
        });
        let progress = futures_util::stream::unfold(from, |mut from| async move {
            from.recv().await.map(|progress| (progress, from))
        });
        Ok(Started { control: handle, progress: progress.boxed(), address })
    }
}

fn given_up() -> StartError {
    StartError { reason: Reason::RunnerLost, message: "the start was given up".to_owned() }
}

impl Inner {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.background.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// Starts a container in a task of its own: a call that is dropped half-way takes effect all the
    /// same, maybe after somebody has looked for what is to be removed.
    async fn start_to_the_end(
        self: &Arc<Self>,
        object: Object,
        body: ContainerCreateBody,
    ) -> Result<Attached, StartError> {
        let (tell, told) = oneshot::channel();
        let inner = Arc::clone(self);
        self.spawn(async move {
            let turn = inner.starts.acquire().await;
            if tell.is_closed() {
                return;
            }
            let started = inner.start_held(&object, body).await;
            drop(turn);
            if let Err(Ok(_unwanted)) = tell.send(started) {
                let _ = inner.remove(&object).await;
            }
        });
        told.await.unwrap_or_else(|_| Err(given_up()))
    }

    async fn start_held(&self, object: &Object, body: ContainerCreateBody) -> Result<Attached, StartError> {
        self.intend(object).await?;
        let failed = match start::attached(&self.docker, &self.common, &object.name, &body).await {
            Ok(attached) => return Ok(attached),
            Err(failed) => failed,
        };
        if failed.is_ours {
            // What cannot be removed now stays in the ledger, and `close` tries again.
            let _ = self.remove(object).await;
        } else {
            let _ = self.ledger.gone(std::slice::from_ref(object));
        }
        Err(failed.error)
    }

    async fn intend(&self, object: &Object) -> Result<(), StartError> {
        let (ledger, object) = (Arc::clone(&self.ledger), object.clone());
        let written = tokio::task::spawn_blocking(move || ledger.intend(&[object])).await;
        written
            .map_err(|error| error.to_string())
            .and_then(|result| result.map_err(|error| with_causes(&error)))
            .map_err(|message| StartError { reason: Reason::CouldNotStart, message })
    }

    async fn remove(&self, object: &Object) -> Result<(), bollard::errors::Error> {
        remove(&self.docker, object).await?;
        // A row that cannot be written costs one vain removal later.
        let _ = self.ledger.gone(std::slice::from_ref(object));
        Ok(())
    }
}

impl Session for DockerSession {
    fn image<'a>(
        &'a self,
        image: &'a ContainerImage,
        progress: &'a (dyn Fn(PullProgress) + Send + Sync),
    ) -> BoxFuture<'a, Result<(), StartError>> {
        Box::pin(async move { self.images.facts(image, progress).await.map(|_| ()) })
    }

    fn has_image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<(), StartError>> {
        Box::pin(image::look(&self.shared.docker, reference))
    }

    fn has_file<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<bool, WorkspaceError>> {
        Box::pin(keeper::has_file(&self.me, path))
    }

    fn fetch<'a>(
        &'a self,
        patterns: &'a [String],
        into: &'a Path,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<Fetched, WorkspaceError>> {
        Box::pin(keeper::fetch(&self.me, patterns, into, limits))
    }

    fn start(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Started, StartError>> {
        Box::pin(async move {
            let image = spec.workspace.then(|| spec.image.clone());
            let started = self.start_container(spec).await?;
            self.view.used_with(image);
            Ok(started)
        })
    }

    fn close(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move {
            let inner = &self.shared;
            drop(self.open().take());
            for lane in self.lanes.values() {
                drop(lane.lock().take());
            }
            let mut background =
                std::mem::take(&mut *inner.background.lock().unwrap_or_else(PoisonError::into_inner));
            let removed = async {
                while background.join_next().await.is_some() {}
                let mut left = Vec::new();
                // In the order of removal: what is left of the containers, then what stands under them.
                for kind in [ObjectKind::Container, ObjectKind::Network, ObjectKind::Volume] {
                    let objects =
                        inner.ledger.open_objects().into_iter().filter(|object| object.kind == kind);
                    let removals = objects.map(|object| async move {
                        let removed = inner.remove(&object).await;
                        removed.err().map(|error| format!("{}: {}", object.name, error::words(&error)))
                    });
                    left.extend(join_all(removals).await.into_iter().flatten());
                }
                left
            };
            timeout(CLOSE, removed).await.unwrap_or_else(|_| {
                let open = inner.ledger.open_objects().into_iter();
                let open = open.filter(|object| object.kind != ObjectKind::Directory);
                open.map(|object| format!("{}: the engine did not answer in time", object.name)).collect()
            })
        })
    }
}
