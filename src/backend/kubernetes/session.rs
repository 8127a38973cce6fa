//! One run on a cluster.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Resource, ResourceExt};
use tokio::sync::{OnceCell, OwnedMutexGuard, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::Kubernetes;
use super::container::{Handle, Supervisor};
use super::go;
use super::inner::{Inner, given_up, lock};
use super::layer::{self, Maker};
use super::lease;
use super::link::Link;
use super::manifest::{self, CONTAINER, Common, GATE, RUN_LABEL, Volume};
use super::own::Own;
use super::pods::Pods;
use super::probe::Prober;
use super::removal::Kind;
use super::state::{self, Fate, State};
use super::upload;
use super::wire::Wire;
use crate::backend::helped::{
    self,
    keeper::{self, View},
};
use crate::backend::policy::Policy;
use crate::backend::{
    BackendError, ContainerImage, ContainerSpec, Fetched, Progress, PullProgress, RunSpec, Session,
    StartError, Started, WorkspaceError,
};
use crate::base::archive::Limits;
use crate::base::awake::timeout;
use crate::base::{Reason, StepId};
use crate::helper::protocol::Command;
use crate::ledger::{ObjectKind, RunLedger};
use crate::plan::Network;

/// How long removing everything may take.
const CLOSE: Duration = Duration::from_mins(1);
/// How long a helper may take to end once it was told that its record has come.
const LEAVE: Duration = Duration::from_secs(2);
/// How long a helper may take to say who its image's own user is: a busy node is slow to tell of an end.
const ANSWER: Duration = Duration::from_secs(30);
/// Pieces of output that wait for a slow consumer before the program is made to wait.
const BACKLOG: usize = 4;

/// Whether an image's own user is root, once that is known.
type IsRoot = watch::Receiver<Option<bool>>;

/// One run on a cluster.
pub(super) struct KubernetesSession {
    me: Weak<Self>,
    pub(super) inner: Arc<Inner>,
    pub(super) policy: Arc<Policy>,
    images: Mutex<HashMap<String, Arc<OnceCell<IsRoot>>>>,
    /// One lock per pod name, held until the pod is gone: a name may be used again.
    names: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    pub(super) view: View,
    pub(super) volume: OnceCell<Volume>,
    /// The workspace is in the pod of the only container that sees it.
    once: bool,
    /// That container's attempt.
    visitor: OnceLock<(StepId, u32)>,
    /// Dropped when the session is closed, which ends every container that still runs.
    pub(super) open: Mutex<Option<watch::Sender<()>>>,
    /// What goes on as long as the session is open: the watch and the lease.
    always: Mutex<JoinSet<()>>,
}

impl KubernetesSession {
    /// Makes what all pods of the run need, and watches over them from now on.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses.
    pub(super) async fn open(
        cluster: &Kubernetes,
        run: RunSpec,
        ledger: Arc<RunLedger>,
    ) -> Result<Arc<Self>, BackendError> {
        let (client, namespace) = (cluster.client.clone(), cluster.namespace.clone());
        let (instance, gid) = (cluster.instance.clone(), run.workspace_gid);
        let once = cluster.options.keeps_in_pod(run.workspace_once);
        let mut inner = Inner {
            api: Api::namespaced(client.clone(), &namespace),
            client,
            namespace,
            options: Arc::clone(&cluster.options),
            common: Common { instance, run: run.run, owner: None, gid },
            ledger,
            pods: Pods::new(),
            background: Mutex::default(),
        };
        let failed = |inner: &Inner, error: StartError| {
            let help = "see that the namespace is there and that you may create leases, configmaps, pods and \
                        persistentvolumeclaims in it (docs/kubernetes/rbac.yaml allows it)";
            BackendError::new(format!(
                "cannot begin a run in namespace {}: {}",
                inner.namespace, error.message
            ))
            .with_help(help)
        };
        let lease = inner.create(Kind::Lease, manifest::lease(&inner.common)).await;
        let lease = lease.map_err(|error| failed(&inner, error))?;
        inner.common.owner = lease.owner_ref(&());
        let parts = manifest::helper(&inner.common, &inner.options)
            .into_iter()
            .map(|part| inner.create(Kind::ConfigMap, part));
        for made in join_all(parts).await {
            made.map_err(|error| failed(&inner, error))?;
        }
        let mut always = JoinSet::new();
        let selector = format!("{RUN_LABEL}={}", inner.common.run);
        always.spawn(inner.pods.clone().watch(inner.api.clone(), selector));
        let leases: Api<Lease> = Api::namespaced(inner.client.clone(), &inner.namespace);
        always.spawn(lease::renew(leases, manifest::run_name(&inner.common.run), lease::ahead(&lease)));
        Ok(Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            inner: Arc::new(inner),
            policy: run.policy,
            images: Mutex::default(),
            names: Mutex::default(),
            view: View::new(run.workspace, false),
            volume: OnceCell::new(),
            once,
            visitor: OnceLock::new(),
            open: Mutex::new(Some(watch::Sender::new(()))),
            always: Mutex::new(always),
        }))
    }

    /// Waits until a pod of this name, if there was one, is gone.
    async fn name(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(lock(&self.names).entry(name.to_owned()).or_default());
        lock.lock_owned().await
    }

    /// Has the cluster fetch an image, by a pod that does next to nothing; once, or as long as that may come about.
    async fn fetch(&self, image: &str, once: bool) -> Result<IsRoot, StartError> {
        let inner = Arc::clone(&self.inner);
        let (name, what) = manifest::fetching(&inner.common.run, image);
        let taken = self.name(&name).await;
        let pod = manifest::task(&inner.common, &inner.options, &name, image, &what, None);
        let (mut tell, told) = oneshot::channel();
        let (say, is_root) = watch::channel(None);
        let session = lock(&self.open).as_ref().map(watch::Sender::subscribe);
        self.inner.spawn(async move {
            let _taken = taken;
            let fetched = async {
                inner.create_pod(pod).await?;
                if once { inner.pulled_at_once(&name).await } else { inner.running(&name).await }
            };
            let is_there = tokio::select! {
                fetched = fetched => {
                    let is_there = fetched.is_ok();
                    tell.send(fetched).is_ok() && is_there
                }
                () = tell.closed() => false,
            };
            // Its end is waited for by who wants to know what it says, and not longer than the session is open. Where it says
            // nothing, what is right for any user is right.
            if let Some(mut session) = session.filter(|_| is_there) {
                let is_over = |state: &State| matches!(state, State::Over(_));
                let over = tokio::select! {
                    over = timeout(ANSWER, inner.pods.until(&name, is_over)) => over.ok(),
                    // Nothing is ever sent, so the only change is the end.
                    _ = session.changed() => None,
                };
                say.send_replace(Some(matches!(over, Some(State::Over(Fate::Ended(0, _))))));
            }
            let _ = inner.remove(&inner.object(Kind::Pod, &name)).await;
        });
        told.await.unwrap_or_else(|_| Err(given_up())).map(|()| is_root)
    }

    /// Whether the helper that begins in such a container may not write `/etc/hosts` there, and has to.
    async fn wants_names(&self, spec: &ContainerSpec) -> bool {
        if !spec.among_services || !self.inner.options.restricted && spec.user.is_some() {
            return false;
        }
        let known = lock(&self.images).get(&spec.image.to_string()).and_then(|cell| cell.get().cloned());
        let Some(mut is_root) = known.filter(|_| !self.inner.options.restricted) else {
            return self.inner.options.restricted;
        };
        is_root.wait_for(Option::is_some).await.map_or(true, |is_root| *is_root != Some(true))
    }

    async fn start_container(&self, spec: ContainerSpec) -> Result<Started, StartError> {
        self.policy.check(&spec)?;
        supported(&spec)?;
        let inner = &self.inner;
        let image = spec.image.to_string();
        let volume = match self.view.tree() {
            Some(_) if spec.workspace && self.once => {
                // It may be started again as long as it was not let go: its workspace is then filled anew.
                let visitor = (spec.step.clone(), spec.attempt);
                if *self.visitor.get_or_init(|| visitor.clone()) != visitor {
                    return Err(workspace_gone());
                }
                let of_pod = async || Volume::of_pod(inner.options.workspace_size.clone());
                Some(self.volume.get_or_init(of_pod).await)
            }
            Some(tree) if spec.workspace => {
                let filled = || upload::fill(inner, &image, tree);
                Some(self.volume.get_or_try_init(filled).await?)
            }
            _ => None,
        };
        let Some((substitution, volume)) = spec.substitution.as_ref().zip(volume) else {
            return self.start_with(spec, volume, None).await;
        };
        let maker = layer::maker(&inner.common, &inner.options, &spec, substitution, volume);
        let Maker { spec: maker, volume: beneath, layer } = maker;
        self.policy.check(&maker)?;
        let made = helped::layer::made(self.start_with(maker, Some(&beneath), None).await?).await?;
        let volume = volume.with_layer(&layer, &made.files);
        self.start_with(spec, Some(&volume), made.warning).await
    }

    /// Starts a pod that sees this of the volume, with what a person should know of that.
    pub(super) async fn start_with(
        &self,
        spec: ContainerSpec,
        volume: Option<&Volume>,
        warning: Option<String>,
    ) -> Result<Started, StartError> {
        let inner = &self.inner;
        let is_own = go::is_own(&spec);
        let go = if is_own { go::beside() } else { go::go(&inner.common, &spec)? };
        let (given, pod, wire) = if is_own {
            let (common, options) = (&inner.common, &inner.options);
            let pod = manifest::own(common, options, &spec);
            (manifest::given(common, &spec), pod, Wire::new(GATE, go::gate()))
        } else {
            let names = self.wants_names(&spec).await;
            let pod = manifest::step(&inner.common, &inner.options, &spec, volume, names);
            (None, pod, Wire::new(CONTAINER, go::program(go.clone())))
        };
        let name = pod.name_any();
        let taken = self.name(&name).await;
        let tree = self.view.tree().filter(|_| volume.is_some_and(Volume::is_of_pod)).cloned();
        let attached = inner.start_to_the_end((given, tree), pod, wire).await?;
        let address = inner.pods.last(&name).as_ref().and_then(state::address);
        let address = address.filter(|_| spec.service.is_some());
        let api = inner.api.clone();
        let prober = address.map(|address| Prober { api: api.clone(), name: name.clone(), address, go });
        let begins = is_own.then(|| (inner.pods.clone(), name.clone()));
        let handle = Arc::new(Handle { wire: Arc::clone(&attached.wire), prober, begins });
        let (to, from) = mpsc::channel::<Progress>(BACKLOG);
        if let Some(warning) = warning {
            // There is room, as nothing was said before.
            let _ = to.try_send(Progress::Warned(warning));
        }
        let (sign, signs) = mpsc::channel(1);
        let link = Link::new(api.clone(), inner.pods.clone(), name.clone(), Arc::clone(&attached.wire), sign);
        let session = lock(&self.open).as_ref().map(watch::Sender::subscribe);
        let supervisor = Supervisor {
            api,
            pods: inner.pods.clone(),
            name: name.clone(),
            wire: Arc::clone(&attached.wire),
            to,
            resources: spec.resources.clone(),
            timeout: spec.timeout,
            grace: spec.grace,
            // Closed already: it sees that at once.
            session: session.unwrap_or_else(|| watch::channel(()).1),
        };
        let background = Arc::clone(inner);
        inner.spawn(async move {
            let _taken = taken;
            // Holds the connection until all is said.
            let mut reading = JoinSet::new();
            if is_own {
                reading.spawn(Own::new(Arc::clone(&background), link, &spec).run(attached.heard));
            } else {
                reading.spawn(link.run(attached.heard));
            }
            if supervisor.run(signs).await {
                attached.wire.tell(&Command::Taken.encode());
                // It ends by itself, so that nothing of it runs on when its pod is not there any more.
                let is_over = |state: &State| matches!(state, State::Over(_));
                let _ = timeout(LEAVE, background.pods.until(&name, is_over)).await;
            }
            background.remove_container(&name).await;
        });
        let progress = futures_util::stream::unfold(from, |mut from| async move {
            from.recv().await.map(|progress| (progress, from))
        });
        Ok(Started { control: handle, progress: progress.boxed(), address })
    }
}

/// That a workspace is asked for which only one container was to see.
pub(super) fn workspace_gone() -> StartError {
    let message = "the workspace was in the pod of the only container that was to see it";
    StartError { reason: Reason::CouldNotStart, message: message.to_owned() }
}

/// Refuses what a pod cannot have or hold to.
fn supported(spec: &ContainerSpec) -> Result<(), StartError> {
    if spec.network == Network::None {
        let what = "`network: none` needs a network policy that the cluster may not enforce";
        return Err(go::refused(spec, what, "run it on Docker, or leave the network out"));
    }
    if let Some(device) = spec.privileges.devices.first() {
        let what = format!("a pod cannot have the device `{device}` alone");
        return Err(go::refused(spec, &what, "run it on Docker"));
    }
    if go::is_own(spec)
        && let Some(user) = spec.user.as_deref().filter(|user| !is_numbers(user))
    {
        let what =
            format!("the program of an image itself is started as a user with a number, and not as `{user}`");
        return Err(go::refused(spec, &what, "write `user: UID:GID`, or name the program"));
    }
    let options = &spec.privileges.security_options;
    if let Some(option) = options.iter().find(|option| *option != manifest::UNCONFINED) {
        let what = format!("a pod cannot have the security option `{option}`");
        return Err(go::refused(spec, &what, "run it on Docker"));
    }
    Ok(())
}

/// Whether it is `uid` or `uid:gid`.
fn is_numbers(user: &str) -> bool {
    user.splitn(2, ':').all(|part| part.parse::<u32>().is_ok())
}

impl Session for KubernetesSession {
    fn image<'a>(
        &'a self,
        image: &'a ContainerImage,
        _progress: &'a (dyn Fn(PullProgress) + Send + Sync),
    ) -> BoxFuture<'a, Result<(), StartError>> {
        let ContainerImage::Reference(reference) = image else {
            let message =
                format!("the nodes of a cluster cannot fetch {image}, which is a file of the source");
            return Box::pin(async { Err(StartError { reason: Reason::ImageNotFound, message }) });
        };
        let cell = Arc::clone(lock(&self.images).entry(reference.clone()).or_default());
        async move { cell.get_or_try_init(|| self.fetch(reference, false)).await.map(drop) }.boxed()
    }

    /// Whoever can say that is the node that fetches it.
    fn has_image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<(), StartError>> {
        Box::pin(async { self.fetch(reference, true).await.map(drop) })
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
            let inner = &self.inner;
            drop(lock(&self.open).take());
            let mut background = std::mem::take(&mut *lock(&inner.background));
            let removed = async {
                while background.join_next().await.is_some() {}
                let open = inner.ledger.open_objects().into_iter();
                let removals =
                    open.filter(|object| object.kind == ObjectKind::Resource).map(|object| async move {
                        inner.remove(&object).await.err().map(|why| format!("{}: {why}", object.name))
                    });
                join_all(removals).await.into_iter().flatten().collect()
            };
            let left = timeout(CLOSE, removed).await.unwrap_or_else(|_| {
                let open = inner.ledger.open_objects().into_iter();
                let open = open.filter(|object| object.kind == ObjectKind::Resource);
                open.map(|object| format!("{}: the cluster did not answer in time", object.name)).collect()
            });
            lock(&self.always).abort_all();
            left
        })
    }
}
