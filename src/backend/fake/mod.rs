//! A backend in memory, for tests of everything above the backend: it keeps the contract, with tokio's
//! clock in place of time and a handful of shell words in place of programs.
//!
//! It passes the same [contract suite](super::contract) as the real ones, so that it cannot lie. It
//! touches no file system but through the ledger, and to read the capture.

mod container;
mod files;
mod meter;
mod script;
mod site;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{OnceCell, watch};
use tokio::time::{Instant, sleep};

use super::lacks::{Lack, NO_HOST};
use super::policy::{Policy, Trust};
use super::{
    Backend, BackendError, ContainerImage, ContainerSpec, Fetched, FoundObject, How, LocalImages,
    PullProgress, RunSpec, Session, StartError, Started, WorkspaceError, archive,
};
use crate::base::archive::Limits;
use crate::base::{Reason, StepId, Tree};
use crate::ledger::{Object, ObjectKind, RunLedger};

/// The fake. Clones share everything.
#[derive(Clone, Default)]
pub struct Fake(Arc<Inner>);

#[derive(Default)]
struct Inner {
    rules: Mutex<Rules>,
    calls: Mutex<Vec<(Duration, Call)>>,
    specs: Mutex<Vec<ContainerSpec>>,
    policies: Mutex<Vec<Arc<Policy>>>,
    began: std::sync::OnceLock<Instant>,
}

/// How the fake is to behave where it is not ordinary.
#[derive(Default)]
struct Rules {
    images: BTreeMap<String, FakeImage>,
    starts: BTreeMap<StepId, Vec<FakeStart>>,
    start_takes: Duration,
    close_takes: Duration,
    close_leaves: Vec<String>,
}

/// What is to become of a request for an image.
#[derive(Clone, Debug)]
pub enum FakeImage {
    /// It is there. So is every image without a rule.
    Present,
    /// It has to be fetched, which takes so long.
    Fetched(Duration),
    /// There is none until so long after the fake's first call; then it is there.
    Comes(Duration),
    /// It cannot be had.
    Fails(StartError),
    /// No answer ever comes.
    Never,
    /// The backend has a bug.
    Panics,
}

/// What is to become of one start of a step.
#[derive(Clone, Debug)]
pub enum FakeStart {
    /// It succeeds, as does every start without a rule.
    Succeeds,
    /// It fails.
    Fails(StartError),
    /// No answer ever comes.
    Never,
    /// The backend has a bug.
    Panics,
    /// The container goes away before its program was let go.
    Dies,
}

/// What the fake was asked to do, and what its programs did. A service is the step `STEP.SERVICE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// An image was asked for.
    Image(String),
    /// An image was fetched.
    Fetched(String),
    /// A container was started, and holds its program.
    Started(StepId, u32),
    /// A program began.
    Began(StepId, u32),
    /// A container ended.
    Ended(StepId, u32, How),
    /// A container ended because nobody listened to it.
    Dropped(StepId, u32),
    /// Two programs ran in one lane at the same time, which must never happen.
    Clashed(u32),
    /// The session was closed.
    Closed,
}

impl Fake {
    /// A fake that has every image and starts every container.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what becomes of requests for an image.
    #[must_use]
    pub fn image(self, reference: &str, rule: FakeImage) -> Self {
        self.rules().images.insert(reference.to_owned(), rule);
        self
    }

    /// Sets what becomes of the starts of a step: the first of these for the first start, and so on.
    #[must_use]
    pub fn starts<const N: usize>(self, step: &str, rules: [FakeStart; N]) -> Self {
        self.rules().starts.insert(StepId::new(step), rules.to_vec());
        self
    }

    /// Sets how long every start takes.
    #[must_use]
    pub fn start_takes(self, takes: Duration) -> Self {
        self.rules().start_takes = takes;
        self
    }

    /// Sets how long closing a session takes, and what it cannot remove.
    #[must_use]
    pub fn closes(self, takes: Duration, leaves: &[&str]) -> Self {
        self.rules().close_takes = takes;
        self.rules().close_leaves = leaves.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// What happened so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.timed_calls().into_iter().map(|(_, call)| call).collect()
    }

    /// What happened so far, with tokio's time since the first call.
    pub fn timed_calls(&self) -> Vec<(Duration, Call)> {
        lock(&self.0.calls).clone()
    }

    /// The containers that were asked for, in order.
    pub fn specs(&self) -> Vec<ContainerSpec> {
        lock(&self.0.specs).clone()
    }

    /// The policies that runs were opened with, in order.
    pub fn policies(&self) -> Vec<Arc<Policy>> {
        lock(&self.0.policies).clone()
    }

    /// Opens a session without a ledger, of a trusted source.
    pub fn session(&self) -> Arc<dyn Session> {
        let policy = Policy { trust: Trust::Trusted, ..Policy::default() };
        Arc::new(FakeSession::new(self.clone(), None, Arc::new(policy), Default::default()))
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        lock(&self.0.rules)
    }

    fn note(&self, call: Call) {
        let since = self.0.began.get_or_init(Instant::now).elapsed();
        lock(&self.0.calls).push((since, call));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Backend for Fake {
    fn description(&self) -> String {
        "fake (in memory)".to_owned()
    }

    fn lacks(&self) -> Vec<Lack> {
        vec![NO_HOST]
    }

    fn open(
        &self,
        run: RunSpec,
        ledger: Arc<RunLedger>,
    ) -> BoxFuture<'_, Result<Arc<dyn Session>, BackendError>> {
        lock(&self.0.policies).push(Arc::clone(&run.policy));
        let session: Arc<dyn Session> =
            Arc::new(FakeSession::new(self.clone(), Some(ledger), run.policy, (run.workspace, run.images)));
        async move { Ok(session) }.boxed()
    }

    fn objects(&self) -> BoxFuture<'_, Result<Vec<FoundObject>, BackendError>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn remove<'a>(&'a self, _object: &'a Object) -> BoxFuture<'a, Result<(), BackendError>> {
        async { Ok(()) }.boxed()
    }
}

/// What came of the request for an image, once that is known.
type Fetching = OnceCell<Result<(), StartError>>;

/// One run on the fake.
struct FakeSession {
    fake: Fake,
    ledger: Option<Arc<RunLedger>>,
    policy: Arc<Policy>,
    images: Mutex<BTreeMap<ContainerImage, Arc<Fetching>>>,
    local: LocalImages,
    place: Arc<Place>,
}

/// What the containers of a session share.
#[derive(Default)]
struct Place {
    names: Mutex<BTreeSet<(StepId, u32)>>,
    lanes: Mutex<BTreeSet<u32>>,
    /// Addresses that were given out.
    addresses: AtomicU32,
    /// Where something listens.
    ports: Mutex<BTreeSet<(IpAddr, u16)>>,
    workspace: Option<Tree>,
    closed: watch::Sender<bool>,
}

impl FakeSession {
    fn new(
        fake: Fake,
        ledger: Option<Arc<RunLedger>>,
        policy: Arc<Policy>,
        (workspace, local): (Option<Tree>, LocalImages),
    ) -> Self {
        let place = Arc::new(Place { workspace, ..Place::default() });
        Self { fake, ledger, policy, images: Mutex::default(), local, place }
    }

    async fn fetch(
        &self,
        image: &ContainerImage,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<(), StartError> {
        if let ContainerImage::File(file) = image
            && let Some(Err(error)) = self.local.get(file)
        {
            return Err(error.clone());
        }
        let reference = image.to_string();
        let reference = reference.as_str();
        self.fake.note(Call::Image(reference.to_owned()));
        let rule = self.fake.rules().images.get(reference).cloned();
        match rule {
            None | Some(FakeImage::Present) => Ok(()),
            Some(FakeImage::Comes(after)) => self.has_come(reference, after),
            Some(FakeImage::Fails(error)) => Err(error),
            Some(FakeImage::Never) => std::future::pending().await,
            Some(FakeImage::Panics) => panic!("the fake was told to panic"),
            Some(FakeImage::Fetched(takes)) => {
                for current in 0..2 {
                    progress(PullProgress { current, total: 2 });
                    sleep(takes / 2).await;
                }
                self.fake.note(Call::Fetched(reference.to_owned()));
                Ok(())
            }
        }
    }

    fn has_come(&self, reference: &str, after: Duration) -> Result<(), StartError> {
        if self.fake.0.began.get_or_init(Instant::now).elapsed() >= after {
            return Ok(());
        }
        let message = format!("there is no image `{reference}`");
        Err(StartError { reason: Reason::ImageNotFound, message })
    }

    async fn start_container(&self, spec: ContainerSpec) -> Result<Started, StartError> {
        self.policy.check(&spec)?;
        self.image(&spec.image, &|_| {}).await?;
        let name = container::name(&spec);
        let (takes, rule) = {
            let mut rules = self.fake.rules();
            let starts = rules.starts.get_mut(&name.0).filter(|starts| !starts.is_empty());
            let rule = starts.map_or(FakeStart::Succeeds, |starts| starts.remove(0));
            (rules.start_takes, rule)
        };
        sleep(takes).await;
        let refuse = |message: String| StartError { reason: Reason::CouldNotStart, message };
        let dies = match rule {
            FakeStart::Succeeds => false,
            FakeStart::Dies => true,
            FakeStart::Fails(error) => return Err(error),
            FakeStart::Never => std::future::pending().await,
            FakeStart::Panics => panic!("the fake was told to panic"),
        };
        if *self.place.closed.borrow() {
            return Err(refuse("the session is closed".to_owned()));
        }
        if !lock(&self.place.names).insert(name.clone()) {
            return Err(refuse(format!("a container `{}` is there already", name.0)));
        }
        let object = Object { kind: ObjectKind::Container, name: format!("fake-{}-{}", name.0, name.1) };
        if let Some(ledger) = &self.ledger {
            ledger.intend(std::slice::from_ref(&object)).map_err(|error| refuse(error.to_string()))?;
        }
        lock(&self.fake.0.specs).push(spec.clone());
        self.fake.note(Call::Started(name.0, name.1));
        let gone = self.ledger.clone().map(|ledger| (ledger, object));
        Ok(container::start(spec, self.fake.clone(), Arc::clone(&self.place), gone, dies))
    }
}

impl Session for FakeSession {
    fn image<'a>(
        &'a self,
        image: &'a ContainerImage,
        progress: &'a (dyn Fn(PullProgress) + Send + Sync),
    ) -> BoxFuture<'a, Result<(), StartError>> {
        async move {
            let cell = Arc::clone(lock(&self.images).entry(image.clone()).or_default());
            let fetched = cell.get_or_init(|| self.fetch(image, progress)).await.clone();
            if fetched.is_err() {
                // Asked for once more, it is fetched once more.
                lock(&self.images).remove(image);
            }
            fetched
        }
        .boxed()
    }

    fn has_image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<(), StartError>> {
        async move {
            let rule = self.fake.rules().images.get(reference).cloned();
            match rule {
                None | Some(FakeImage::Present | FakeImage::Fetched(_)) => Ok(()),
                Some(FakeImage::Comes(after)) => self.has_come(reference, after),
                Some(FakeImage::Fails(error)) => Err(error),
                Some(FakeImage::Never) => std::future::pending().await,
                Some(FakeImage::Panics) => panic!("the fake was told to panic"),
            }
        }
        .boxed()
    }

    fn has_file<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<bool, WorkspaceError>> {
        async move {
            let tree = self.place.workspace.as_ref().ok_or(WorkspaceError::None)?;
            tree.has(Path::new(path)).map_err(|error| WorkspaceError::Look(error.to_string()))
        }
        .boxed()
    }

    fn fetch<'a>(
        &'a self,
        patterns: &'a [String],
        into: &'a Path,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<Fetched, WorkspaceError>> {
        async move {
            let tree = self.place.workspace.as_ref().ok_or(WorkspaceError::None)?;
            archive::from_tree(tree, patterns, into, limits).await.map_err(WorkspaceError::Fetch)
        }
        .boxed()
    }

    fn start(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Started, StartError>> {
        self.start_container(spec).boxed()
    }

    fn close(&self) -> BoxFuture<'_, Vec<String>> {
        async move {
            self.place.closed.send_replace(true);
            let (takes, leaves) = {
                let rules = self.fake.rules();
                (rules.close_takes, rules.close_leaves.clone())
            };
            sleep(takes).await;
            while !lock(&self.place.names).is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
            self.fake.note(Call::Closed);
            leaves
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
