//! One run on a cluster.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use tokio::sync::{OnceCell, OwnedMutexGuard, mpsc, watch};
use tokio::task::JoinSet;

use super::container::{Handle, Supervisor};
use super::go;
use super::inner::{Inner, lock};
use super::link::Link;
use super::manifest::{self, Common, LEASE, RUN_LABEL, Workspace};
use super::pods::Pods;
use super::probe::Prober;
use super::removal::Kind;
use super::state::{self, State};
use super::upload;
use super::{Kubernetes, call};
use crate::backend::policy::Policy;
use crate::backend::{
    BackendError, ContainerImage, ContainerSpec, Progress, PullProgress, RunSpec, Session, StartError,
    Started,
};
use crate::base::awake::{sleep, timeout};
use crate::base::{Reason, Tree};
use crate::helper::protocol::Command;
use crate::ledger::{ObjectKind, RunLedger};
use crate::plan::Network;

/// How long removing everything may take.
const CLOSE: Duration = Duration::from_secs(30);
/// How long a helper may take to end once it was told that its record has come.
const LEAVE: Duration = Duration::from_secs(2);
/// Pieces of output that wait for a slow consumer before the program is made to wait.
const BACKLOG: usize = 4;

/// One run on a cluster.
pub(super) struct KubernetesSession {
    inner: Arc<Inner>,
    policy: Arc<Policy>,
    images: Mutex<HashMap<String, Arc<OnceCell<()>>>>,
    /// One lock per pod name, held until the pod is gone: a name may be used again.
    names: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    tree: Option<Tree>,
    workspace: OnceCell<Workspace>,
    /// Dropped when the session is closed, which ends every container that still runs.
    open: Mutex<Option<watch::Sender<()>>>,
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
    ) -> Result<Self, BackendError> {
        let (client, namespace) = (cluster.client.clone(), cluster.namespace.clone());
        let (instance, gid) = (cluster.instance.clone(), run.workspace_gid);
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
        let parts =
            manifest::helper(&inner.common).into_iter().map(|part| inner.create(Kind::ConfigMap, part));
        for made in join_all(parts).await {
            made.map_err(|error| failed(&inner, error))?;
        }
        let mut always = JoinSet::new();
        let selector = format!("{RUN_LABEL}={}", inner.common.run);
        always.spawn(inner.pods.clone().watch(inner.api.clone(), selector));
        let leases = Api::namespaced(inner.client.clone(), &inner.namespace);
        always.spawn(renew(leases, manifest::run_name(&inner.common.run)));
        Ok(Self {
            inner: Arc::new(inner),
            policy: run.policy,
            images: Mutex::default(),
            names: Mutex::default(),
            tree: run.workspace,
            workspace: OnceCell::new(),
            open: Mutex::new(Some(watch::Sender::new(()))),
            always: Mutex::new(always),
        })
    }

    /// Waits until a pod of this name, if there was one, is gone.
    async fn name(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(lock(&self.names).entry(name.to_owned()).or_default());
        lock.lock_owned().await
    }

    /// Has the cluster fetch an image, by a pod that does nothing.
    async fn fetch(&self, image: &str) -> Result<(), StartError> {
        let inner = &self.inner;
        let (name, what) = manifest::fetching(&inner.common.run, image);
        let _taken = self.name(&name).await;
        let pod = manifest::task(&inner.common, &inner.options, &name, image, &what, None);
        let fetched = async {
            inner.create_pod(pod).await?;
            inner.running(&name).await
        };
        let fetched = fetched.await;
        // Nobody waits for its end.
        let (background, object) = (Arc::clone(inner), inner.object(Kind::Pod, &name));
        inner.spawn(async move { drop(background.remove(&object).await) });
        fetched
    }

    async fn start_container(&self, spec: ContainerSpec) -> Result<Started, StartError> {
        self.policy.check(&spec)?;
        supported(&spec)?;
        let inner = &self.inner;
        let go = go::go(&inner.common, &spec)?;
        let image = spec.image.to_string();
        let workspace = match &self.tree {
            Some(tree) if spec.workspace => {
                let filled = || upload::fill(inner, &image, tree);
                Some(self.workspace.get_or_try_init(filled).await?)
            }
            _ => None,
        };
        let pod = manifest::step(&inner.common, &inner.options, &spec, workspace);
        let name = pod.name_any();
        let taken = self.name(&name).await;
        let attached = inner.start_to_the_end(pod, go.clone()).await?;
        let address = inner.pods.last(&name).as_ref().and_then(state::address);
        let address = address.filter(|_| spec.service.is_some());
        let api = inner.api.clone();
        let prober = address.map(|address| Prober { api: api.clone(), name: name.clone(), address, go });
        let handle = Arc::new(Handle { wire: Arc::clone(&attached.wire), prober });
        let (to, from) = mpsc::channel::<Progress>(BACKLOG);
        let (sign, signs) = mpsc::channel(1);
        let link = Link::new(api.clone(), inner.pods.clone(), name.clone(), Arc::clone(&attached.wire), sign);
        let session = lock(&self.open).as_ref().map(watch::Sender::subscribe);
        let supervisor = Supervisor {
            api,
            pods: inner.pods.clone(),
            name: name.clone(),
            wire: Arc::clone(&attached.wire),
            to,
            resources: spec.resources,
            timeout: spec.timeout,
            grace: spec.grace,
            // Closed already: it sees that at once.
            session: session.unwrap_or_else(|| watch::channel(()).1),
        };
        let background = Arc::clone(inner);
        inner.spawn(async move {
            let _taken = taken;
            let mut reading = JoinSet::new();
            reading.spawn(link.run(attached.heard));
            if supervisor.run(signs).await {
                attached.wire.tell(&Command::Taken.encode()).await;
                // It ends by itself, so that nothing of it runs on when its pod is not there any more.
                let is_over = |state: &State| matches!(state, State::Over(_));
                let _ = timeout(LEAVE, background.pods.until(&name, is_over)).await;
            }
            // A pod that cannot be removed now stays in the ledger, and `close` tries again.
            let _ = background.remove(&background.object(Kind::Pod, &name)).await;
        });
        let progress = futures_util::stream::unfold(from, |mut from| async move {
            from.recv().await.map(|progress| (progress, from))
        });
        Ok(Started { control: handle, progress: progress.boxed(), address })
    }
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
    if spec.substitution.is_some() {
        let what = "`substitute` is not built for clusters yet";
        return Err(go::refused(spec, what, "run it on Docker, or have the step write the values itself"));
    }
    let options = &spec.privileges.security_options;
    if let Some(option) = options.iter().find(|option| *option != manifest::UNCONFINED) {
        let what = format!("a pod cannot have the security option `{option}`");
        return Err(go::refused(spec, &what, "run it on Docker"));
    }
    Ok(())
}

/// Says again and again that the run lives.
async fn renew(leases: Api<Lease>, name: String) {
    loop {
        sleep(Duration::from_secs(LEASE / 3)).await;
        let now = k8s_openapi::jiff::Timestamp::now();
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime(now);
        let patch = Patch::Merge(serde_json::json!({"spec": {"renewTime": now}}));
        // The next one comes soon.
        let _ = call::once(leases.patch(&name, &PatchParams::default(), &patch)).await;
    }
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
        async move { cell.get_or_try_init(|| self.fetch(reference)).await.copied() }.boxed()
    }

    fn start(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Started, StartError>> {
        Box::pin(self.start_container(spec))
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
