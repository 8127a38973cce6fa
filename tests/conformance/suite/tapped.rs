//! A backend with somebody in between: sees what programs print as soon as it is there, to ask for the end
//! at a word of theirs, and can be told to lie, so that the suite can be shown to notice.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use windlass::backend::lacks::Lack;
use windlass::backend::{
    Backend, BackendError, ContainerImage, ContainerSpec, Control, Fetched, FoundObject, Hosts, Progress,
    PullProgress, RunSpec, Session, StartError, Started, WorkspaceError,
};
use windlass::base::archive::Limits;
use windlass::base::{Reason, StepId};
use windlass::engine::CancelHandle;
use windlass::event::{CancelLevel, Event};
use windlass::ledger::{Object, RunLedger};
use windlass::plan::Probe;
use windlass::runner::Request;

/// What is asked of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Go,
    Stop,
    Kill,
}

/// What goes wrong on the way; nothing, unless a test of the suite itself asks for it.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// Changes what is started.
    pub spec: Option<fn(&mut ContainerSpec)>,
    /// Changes what comes back.
    pub progress: Option<fn(&ContainerSpec, Progress) -> Vec<Progress>>,
    /// Whether this is not passed on.
    pub deaf: Option<fn(Ask) -> bool>,
    /// Changes what is told.
    pub event: Option<fn(Event) -> Vec<Event>>,
    /// Changes what is asked for.
    pub request: Option<fn(&mut Request)>,
    /// Changes how urgently the end is asked for.
    pub level: Option<fn(CancelLevel) -> CancelLevel>,
}

/// A backend behind the tap.
pub struct Tapped {
    pub inner: Arc<dyn Backend>,
    pub tap: Tap,
}

/// What sits in between.
#[derive(Clone)]
pub struct Tap {
    pub faults: Faults,
    /// Asks for the end once a step has printed this.
    pub cancel: Vec<(CancelLevel, String)>,
    pub handle: CancelHandle,
    printed: Arc<Mutex<BTreeMap<StepId, Vec<u8>>>>,
}

impl Tap {
    pub fn new(faults: Faults, cancel: Vec<(CancelLevel, String)>, handle: CancelHandle) -> Self {
        Self { faults, cancel, handle, printed: Arc::default() }
    }

    fn progress(&self, spec: &ContainerSpec, progress: Progress) -> Vec<Progress> {
        if let Progress::Output(_, bytes) = &progress {
            let mut printed = self.printed.lock().unwrap();
            let log = printed.entry(spec.step.clone()).or_default();
            log.extend_from_slice(bytes);
            let log = String::from_utf8_lossy(log);
            for (level, text) in &self.cancel {
                if log.contains(text) {
                    let level = self.faults.level.map_or(*level, |change| change(*level));
                    self.handle.request(level, Reason::CancelledByUser);
                }
            }
        }
        self.faults.progress.map_or_else(|| vec![progress.clone()], |change| change(spec, progress.clone()))
    }
}

impl Backend for Tapped {
    fn description(&self) -> String {
        self.inner.description()
    }

    fn sees_files(&self) -> bool {
        self.inner.sees_files()
    }

    fn lacks(&self) -> Vec<Lack> {
        self.inner.lacks()
    }

    fn open(
        &self,
        run: RunSpec,
        ledger: Arc<RunLedger>,
    ) -> BoxFuture<'_, Result<Arc<dyn Session>, BackendError>> {
        async move {
            let inner = self.inner.open(run, ledger).await?;
            let session: Arc<dyn Session> = Arc::new(TappedSession { inner, tap: self.tap.clone() });
            Ok(session)
        }
        .boxed()
    }

    fn objects(&self) -> BoxFuture<'_, Result<Vec<FoundObject>, BackendError>> {
        self.inner.objects()
    }

    fn remove<'a>(&'a self, object: &'a Object) -> BoxFuture<'a, Result<(), BackendError>> {
        self.inner.remove(object)
    }
}

struct TappedSession {
    inner: Arc<dyn Session>,
    tap: Tap,
}

impl Session for TappedSession {
    fn image<'a>(
        &'a self,
        image: &'a ContainerImage,
        progress: &'a (dyn Fn(PullProgress) + Send + Sync),
    ) -> BoxFuture<'a, Result<(), StartError>> {
        self.inner.image(image, progress)
    }

    fn has_image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<(), StartError>> {
        self.inner.has_image(reference)
    }

    fn has_file<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<bool, WorkspaceError>> {
        self.inner.has_file(path)
    }

    fn fetch<'a>(
        &'a self,
        patterns: &'a [String],
        into: &'a Path,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<Fetched, WorkspaceError>> {
        self.inner.fetch(patterns, into, limits)
    }

    fn start(&self, mut spec: ContainerSpec) -> BoxFuture<'_, Result<Started, StartError>> {
        async move {
            if let Some(change) = self.tap.faults.spec {
                change(&mut spec);
            }
            let Started { control, progress, address } = self.inner.start(spec.clone()).await?;
            let tap = self.tap.clone();
            let progress =
                progress.flat_map(move |progress| stream::iter(tap.progress(&spec, progress))).boxed();
            let control = Arc::new(TappedControl { inner: control, deaf: self.tap.faults.deaf });
            Ok(Started { control, progress, address })
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, Vec<String>> {
        self.inner.close()
    }
}

struct TappedControl {
    inner: Arc<dyn Control>,
    deaf: Option<fn(Ask) -> bool>,
}

impl TappedControl {
    fn pass<'a>(&self, ask: Ask, on: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
        if self.deaf.is_some_and(|deaf| deaf(ask)) { async {}.boxed() } else { on }
    }
}

impl Control for TappedControl {
    fn go(&self, hosts: Hosts) -> BoxFuture<'_, ()> {
        self.pass(Ask::Go, self.inner.go(hosts))
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.pass(Ask::Stop, self.inner.stop())
    }

    fn kill(&self) -> BoxFuture<'_, ()> {
        self.pass(Ask::Kill, self.inner.kill())
    }

    fn ready<'a>(&'a self, probe: &'a Probe) -> BoxFuture<'a, ()> {
        self.inner.ready(probe)
    }
}
