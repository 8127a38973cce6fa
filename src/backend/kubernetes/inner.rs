//! What all that goes on for a run has in common: making objects that the ledger knows, waiting for pods, and
//! removing them.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Error, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::call;
use super::container::LATE;
use super::link;
use super::manifest::{Common, RUN_LABEL};
use super::options::Options;
use super::pods::Pods;
use super::removal::{self, Kind};
use super::state::{Fate, State};
use super::upload;
use super::wire::{Heard, Wire};
use crate::backend::StartError;
use crate::base::awake::{sleep, timeout};
use crate::base::{Reason, Tree, with_causes};
use crate::ledger::{Object, RunLedger};

/// How long a pod that runs may refuse to be attached to: as long as the cluster may be out of reach.
const ATTACH: Duration = link::PATIENCE;
/// How long an image may fail to be pulled before it is taken for what it is: a kubelet has tried three times then.
const PULLING: Duration = Duration::from_mins(1);

/// The pause before a namespace that has had no place for a pod is asked again.
const FULL: Duration = Duration::from_secs(1);

/// What an object of ours is to the client.
pub(super) trait Made:
    Resource<Scope = NamespaceResourceScope, DynamicType: Default>
    + Clone
    + Serialize
    + DeserializeOwned
    + Debug
    + Send
    + Sync
    + 'static
{
}

impl<K> Made for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType: Default>
        + Clone
        + Serialize
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// What background tasks of a run need as well.
pub(super) struct Inner {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) api: Api<Pod>,
    pub(super) options: Arc<Options>,
    pub(super) common: Common,
    pub(super) ledger: Arc<RunLedger>,
    pub(super) pods: Pods,
    pub(super) background: Mutex<JoinSet<()>>,
}

/// A pod that runs, and our ends of its streams.
pub(super) struct Attached {
    pub(super) wire: Arc<Wire>,
    pub(super) heard: Heard,
}

impl Inner {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        lock(&self.background).spawn(task);
    }

    /// What the ledger calls an object.
    pub(super) fn object(&self, kind: Kind, name: &str) -> Object {
        removal::object(&self.namespace, kind, name)
    }

    /// Creates an object that is in the ledger before, or takes over the one that a call made whose answer was lost.
    pub(super) fn create<K: Made>(&self, kind: Kind, object: K) -> BoxFuture<'_, Result<K, StartError>> {
        // A pod is large.
        Box::pin(self.create_inline(kind, object))
    }

    async fn create_inline<K: Made>(&self, kind: Kind, object: K) -> Result<K, StartError> {
        let name = object.name_any();
        self.intend(self.object(kind, &name)).await?;
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = PostParams::default();
        let create = || api.create(&params, &object);
        // The lease was created, so we are let do things here.
        let created = match self.common.owner {
            Some(_) => call::repeat_allowed(create).await,
            None => call::repeat(create).await,
        };
        let made = match created {
            Err(error) if call::is_taken(&error) => match call::repeat(|| api.get(&name)).await {
                Ok(found) if found.labels().get(RUN_LABEL) == Some(&self.common.run.to_string()) => Ok(found),
                Ok(_) => {
                    let _ = self.ledger.gone(&[self.object(kind, &name)]);
                    let message = format!("`{name}` is the name of an object that is not ours");
                    return Err(StartError { reason: Reason::CouldNotStart, message });
                }
                Err(error) => Err(error),
            },
            created => created,
        };
        made.map_err(|error| {
            if !call::may_pass(&error) {
                // It was refused, so there is none.
                let _ = self.ledger.gone(&[self.object(kind, &name)]);
            }
            not_created(&error)
        })
    }

    /// Makes a pod. A namespace that may have no more of them is waited for.
    pub(super) async fn create_pod(&self, pod: Pod) -> Result<(), StartError> {
        self.pods.forget(&pod.name_any());
        let began = Instant::now();
        loop {
            match self.create(Kind::Pod, pod.clone()).await {
                Ok(pod) => {
                    self.pods.note_new(pod);
                    return Ok(());
                }
                // Pods that count now end; some of them may be our own.
                Err(error) if error.reason == Reason::Quota && began.elapsed() < self.options.patience => {
                    sleep(FULL).await;
                }
                Err(error) if error.reason == Reason::Quota => return Err(waited(error, began)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until a pod's container runs, or did, or the gate before it does.
    ///
    /// # Errors
    /// The one reason why it does not: at once when waiting changes nothing, else after a while.
    pub(super) async fn running(&self, name: &str) -> Result<(), StartError> {
        self.to_run(name, true).await
    }

    /// Waits until the program's own container runs, or did.
    ///
    /// # Errors
    /// As of [`running`](Self::running).
    pub(super) async fn begun(&self, name: &str) -> Result<(), StartError> {
        self.to_run(name, false).await
    }

    async fn to_run(&self, name: &str, held_is_enough: bool) -> Result<(), StartError> {
        let began = Instant::now();
        let (mut kept_by, mut since) = (None, began);
        loop {
            let now = self.pods.state(name);
            let (limit, error) = match &now {
                State::Running | State::Over(Fate::Ended(..)) => return Ok(()),
                State::Over(fate) => return Err(over(fate)),
                State::Waiting(Some(trouble)) => {
                    let error = StartError { reason: trouble.reason, message: trouble.message.clone() };
                    if trouble.is_permanent {
                        return Err(error);
                    }
                    let pulls = trouble.reason == Reason::ImagePullFailed;
                    let limit = self.options.patience;
                    (if pulls { limit.min(PULLING) } else { limit }, error)
                }
                State::Held if held_is_enough => return Ok(()),
                State::Waiting(None) | State::Held => {
                    let message = "the cluster says nothing of why it does not start".to_owned();
                    (4 * self.options.patience, StartError { reason: Reason::CouldNotStart, message })
                }
            };
            // Each trouble has its own time, and all of them together have one.
            if kept_by.replace(error.reason) != Some(error.reason) {
                since = Instant::now();
            }
            let all = (4 * self.options.patience).saturating_sub(began.elapsed());
            let left = limit.saturating_sub(since.elapsed()).min(all);
            let changed = self.pods.until(name, |state| *state != now);
            if timeout(left, changed).await.is_err() {
                let said = match now {
                    State::Waiting(None) | State::Held => self.last_event(name).await,
                    _ => None,
                };
                let error = StartError { message: said.unwrap_or(error.message), ..error };
                return Err(waited(error, since));
            }
        }
    }

    /// Waits until it is known whether a pod's image could be pulled, once.
    ///
    /// # Errors
    /// The reason why not.
    pub(super) async fn pulled_at_once(&self, name: &str) -> Result<(), StartError> {
        let is_known = |state: &State| match state {
            State::Waiting(trouble) => trouble
                .as_ref()
                .is_some_and(|trouble| trouble.is_permanent || trouble.reason == Reason::ImagePullFailed),
            State::Held | State::Running | State::Over(_) => true,
        };
        match self.pods.until(name, is_known).await {
            State::Held | State::Running | State::Over(Fate::Ended(..)) => Ok(()),
            State::Over(fate) => Err(over(&fate)),
            State::Waiting(Some(trouble)) => {
                Err(StartError { reason: trouble.reason, message: trouble.message })
            }
            State::Waiting(None) => Err(given_up()),
        }
    }

    /// What the cluster has said of a pod last that was no good news.
    async fn last_event(&self, pod: &str) -> Option<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let of_pod = ListParams::default().fields(&format!("involvedObject.name={pod},type=Warning"));
        let mut found = call::once(events.list(&of_pod)).await.ok()?.items;
        found.sort_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
        let event = found.pop()?;
        let words = [event.reason, event.message].into_iter().flatten().collect::<Vec<_>>();
        Some(words.join(": "))
    }

    /// Starts a pod in a task of its own, and makes before it what it is given in an object, or fills the workspace that is its
    /// own (`tree`): a call that is dropped half-way takes effect all the same, maybe after somebody has looked for what is to
    /// be removed.
    pub(super) async fn start_to_the_end(
        self: &Arc<Self>,
        (given, tree): (Option<Secret>, Option<Tree>),
        pod: Pod,
        wire: Wire,
    ) -> Result<Attached, StartError> {
        let (mut tell, told) = oneshot::channel();
        let inner = Arc::clone(self);
        self.spawn(async move {
            let name = pod.name_any();
            let started = tokio::select! {
                started = inner.start_held((given, tree), pod, wire) => started,
                () = tell.closed() => Err(given_up()),
            };
            let is_wanted = started.is_ok() && !tell.is_closed();
            if !is_wanted {
                inner.remove_container(&name).await;
            }
            if let Err(Ok(_unwanted)) = tell.send(started) {
                inner.remove_container(&name).await;
            }
        });
        told.await.unwrap_or_else(|_| Err(given_up()))
    }

    async fn start_held(
        &self,
        (given, tree): (Option<Secret>, Option<Tree>),
        pod: Pod,
        wire: Wire,
    ) -> Result<Attached, StartError> {
        let (name, wire) = (pod.name_any(), Arc::new(wire));
        if let Some(given) = given {
            self.create(Kind::Secret, given).await?;
        }
        match tree {
            Some(tree) => upload::create_filled(self, &pod, &tree).await?,
            None => self.create_pod(pod).await?,
        }
        let (began, mut refused) = (Instant::now(), call::Refused::default());
        loop {
            self.running(&name).await?;
            if let Some(fate) = self.pods.fate(&name, LATE).await {
                return Err(over(&fate));
            }
            match wire.connect(&self.api, &name).await {
                Ok(heard) => return Ok(Attached { wire, heard }),
                Err(error) if began.elapsed() > ATTACH || !refused.may_pass(&error) => {
                    let message = format!("cannot attach to its pod: {}", call::words(&error));
                    return Err(StartError { reason: not_created(&error).reason, message });
                }
                Err(_) => sleep(call::pause(1)).await,
            }
        }
    }

    /// Removes a pod and what it was given. What cannot be removed now stays in the ledger, and `close` tries again.
    pub(super) async fn remove_container(&self, name: &str) {
        for kind in [Kind::Pod, Kind::Secret] {
            let _ = self.remove(&self.object(kind, name)).await;
        }
    }

    async fn intend(&self, object: Object) -> Result<(), StartError> {
        let ledger = Arc::clone(&self.ledger);
        let written = tokio::task::spawn_blocking(move || ledger.intend(&[object])).await;
        written
            .map_err(|error| error.to_string())
            .and_then(|result| result.map_err(|error| with_causes(&error)))
            .map_err(|message| StartError { reason: Reason::CouldNotStart, message })
    }

    pub(super) async fn remove(&self, object: &Object) -> Result<(), String> {
        if !self.ledger.open_objects().contains(object) {
            return Ok(());
        }
        removal::remove(&self.client, object).await?;
        if let Some(name) = object.name.rsplit('/').next() {
            self.pods.note_gone(name);
        }
        // A row that cannot be written costs one vain removal later.
        let _ = self.ledger.gone(std::slice::from_ref(object));
        Ok(())
    }
}

/// What was waited for to no avail.
fn waited(error: StartError, began: Instant) -> StartError {
    let message = format!("{} (for {} s)", error.message, began.elapsed().as_secs());
    StartError { message, ..error }
}

pub(super) fn given_up() -> StartError {
    StartError { reason: Reason::RunnerLost, message: "the start was given up".to_owned() }
}

/// Why a pod ended before its program was let go.
pub(super) fn over(fate: &Fate) -> StartError {
    let (reason, message) = match fate {
        Fate::Lost(reason, message) => (*reason, message.clone()),
        Fate::OutOfMemory => (Reason::OutOfMemory, "the kernel ended it before its program began".to_owned()),
        Fate::CouldNotStart(message) => (Reason::CouldNotStart, message.clone()),
        Fate::Ended(code, message) => {
            (Reason::CouldNotStart, format!("the helper ended with code {code}: {message}"))
        }
    };
    StartError { reason, message }
}

/// Why the cluster did not take an object.
fn not_created(error: &Error) -> StartError {
    let message = call::words(error);
    let reason = match call::answer(error).map(|status| status.code) {
        Some(403) if message.contains("failed quota") && message.contains("must specify") => {
            let help = "give it `resources`, or the namespace a LimitRange with defaults";
            return StartError { reason: Reason::CouldNotStart, message: format!("{message}; {help}") };
        }
        Some(403)
            if ["exceeded quota", "failed quota", "status unknown for quota"]
                .iter()
                .any(|words| message.contains(words)) =>
        {
            Reason::Quota
        }
        _ if call::may_pass(error) => Reason::DaemonLost,
        _ => Reason::CouldNotStart,
    };
    StartError { reason, message }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
