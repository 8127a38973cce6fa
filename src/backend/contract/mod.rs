//! The contract of a backend as a test suite that any of them can be put through: what is promised in
//! [the module above](super), case by case.
//!
//! The cases are written as shell scripts of very few words, so that the fake can run them too. They
//! judge by what happened and in which order, never by how long it took.

mod cases;
mod fetching;
mod services;
mod workspace;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use super::policy::{Policy, Trust};
use super::{
    Backend, ContainerSpec, Ended, Hosts, Privileges, ProgramSpec, Progress, RunSpec, Session, StartError,
    Started,
};
use crate::base::safe_dir::remove_tree;
use crate::base::{RunId, StepId, Tree};
use crate::event::Stream;
use crate::ledger::{Object, ObjectKind, RunLedger};
use crate::plan::{Network, Resources};

/// What the suite needs to know of a backend under test.
pub trait Harness: Send + Sync {
    /// The backend.
    fn backend(&self) -> Arc<dyn Backend>;
    /// An image that is there, has a busybox-like `sh`, no entry point, and runs as root.
    fn image(&self) -> String;
    /// A reference to an image that exists nowhere, in a place that answers.
    fn missing_image(&self) -> String;
    /// Everything that can be asked about the containers that are there now.
    fn inspect(&self) -> BoxFuture<'_, String>;
    /// A fresh ledger for a run.
    fn ledger(&self, run: &RunId) -> Arc<RunLedger>;
    /// A path for a new directory, which an engine on this machine sees.
    fn place(&self, run: &RunId) -> PathBuf;
    /// Whether a network is left, for this reason, by a fault of what the backend works with, which nobody here can mend.
    fn is_forgiven(&self, _why: &str) -> bool {
        false
    }
}

/// One case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it holds the backend to.
    pub name: &'static str,
    /// Fills the workspace that its run has; there is none without.
    pub workspace: Option<fn(&Path)>,
    /// One container alone has it.
    pub once: bool,
    /// Runs it; a broken promise is a panic.
    pub run: for<'a> fn(&'a Bench<'a>) -> BoxFuture<'a, ()>,
}

/// Every case.
pub fn cases() -> Vec<Case> {
    cases::CASES.iter().chain(workspace::CASES).chain(fetching::CASES).copied().collect()
}

/// Runs every case, each in a session of its own, and says which one it is at.
///
/// # Panics
/// At the first broken promise.
pub async fn suite(harness: &dyn Harness, say: &(dyn Fn(&str) + Send + Sync)) {
    for case in cases() {
        say(case.name);
        check(harness, &case).await;
    }
}

/// Runs one case; the networks that it left and that are [forgiven](Harness::is_forgiven).
///
/// # Panics
/// When the backend breaks the promise.
pub async fn check(harness: &dyn Harness, case: &Case) -> Vec<Object> {
    let run = RunId::generate();
    let ledger = harness.ledger(&run);
    let place = harness.place(&run);
    if let Some(fill) = case.workspace {
        fs::create_dir_all(&place).expect("there is room for a workspace");
        fill(&place);
    }
    let policy = Arc::new(Policy { trust: Trust::Trusted, ..Policy::default() });
    let spec = RunSpec {
        run,
        workspace: case.workspace.map(|_| Tree::Plain(place.clone())),
        workspace_once: case.once,
        workspace_gid: 0,
        lanes: [(0, 3)].into(),
        policy,
        images: BTreeMap::new(),
    };
    let session =
        harness.backend().open(spec, Arc::clone(&ledger)).await.expect("the backend opens a session");
    let bench = Bench { harness, session, ledger: Arc::clone(&ledger), place: place.clone() };
    (case.run)(&bench).await;
    let mut reasons = Vec::new();
    for promise in ["closing leaves nothing", "closing twice is once"] {
        let (forgiven, left): (Vec<_>, Vec<_>) =
            bench.session.close().await.into_iter().partition(|why| harness.is_forgiven(why));
        assert_eq!(left, Vec::<String>::new(), "{}: {promise}", case.name);
        reasons = forgiven;
    }
    let (forgiven, left): (Vec<_>, Vec<_>) = ledger.open_objects().into_iter().partition(|object| {
        let named = format!("{}: ", object.name);
        object.kind == ObjectKind::Network && reasons.iter().any(|why| why.starts_with(&named))
    });
    assert_eq!(left, Vec::new(), "{}: the ledger is empty in the end", case.name);
    remove_tree(&place).expect("the workspace can be removed");
    forgiven
}

/// An open session, and short ways to use it.
pub struct Bench<'a> {
    harness: &'a dyn Harness,
    session: Arc<dyn Session>,
    ledger: Arc<RunLedger>,
    /// Where its workspace came from, if it has one.
    place: PathBuf,
}

/// All that a container said, in order.
struct Heard {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    ended: Ended,
}

impl Bench<'_> {
    /// A container that runs a script with `sh`, as the step `name`.
    fn script(&self, name: &str, body: &str) -> ContainerSpec {
        let interpreter = vec!["sh".to_owned(), "-e".to_owned()];
        let program = ProgramSpec::Script { interpreter, body: body.to_owned(), args: vec![] };
        self.container(name, program)
    }

    fn container(&self, name: &str, program: ProgramSpec) -> ContainerSpec {
        ContainerSpec {
            step: StepId::new(name),
            attempt: 1,
            service: None,
            image: self.harness.image().as_str().into(),
            program,
            env: BTreeMap::new(),
            secrets: Vec::new(),
            user: None,
            workdir: None,
            workspace: false,
            network: Network::Own,
            among_services: false,
            resources: Resources { pids: Some(256), ..Resources::default() },
            timeout: Duration::from_mins(10),
            grace: Duration::from_secs(1),
            log_limit: 1 << 20,
            lane: None,
            no_new_privileges: false,
            privileges: Privileges::default(),
            substitution: None,
        }
    }

    async fn start(&self, spec: ContainerSpec) -> Started {
        self.try_start(spec).await.expect("the container starts")
    }

    async fn try_start(&self, spec: ContainerSpec) -> Result<Started, StartError> {
        self.session.image(&spec.image, &|_| {}).await?;
        self.session.start(spec).await
    }

    /// Starts a container, lets it go, and listens to its end.
    async fn complete(&self, spec: ContainerSpec) -> Heard {
        let mut started = self.start(spec).await;
        started.control.go(Hosts::new()).await;
        listen(&mut started).await
    }

    /// Starts a script, lets it go, and waits for its first output.
    async fn going(&self, spec: ContainerSpec) -> Started {
        let mut started = self.start(spec).await;
        started.control.go(Hosts::new()).await;
        let first = next_said(&mut started).await;
        assert!(matches!(first, Some(Progress::Output(..))), "output was expected, not {first:?}");
        started
    }
}

/// What comes next, but for warnings: of an engine that was slow there may be one at any time.
async fn next_said(started: &mut Started) -> Option<Progress> {
    loop {
        match started.progress.next().await {
            Some(Progress::Warned(_)) => {}
            said => return said,
        }
    }
}

/// Listens to the end, and checks that there is exactly one and nothing after it.
async fn listen(started: &mut Started) -> Heard {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut add = |stream, bytes: &Bytes| match stream {
        Stream::Stdout => stdout.extend_from_slice(bytes),
        Stream::Stderr => stderr.extend_from_slice(bytes),
    };
    let ended = loop {
        match started.progress.next().await.expect("the end comes before the end of the stream") {
            Progress::Output(stream, bytes) => add(stream, &bytes),
            Progress::Warned(_) => {}
            Progress::Ended(ended) => break ended,
        }
    };
    assert_eq!(started.progress.next().await, None, "nothing follows the end");
    Heard { stdout, stderr, ended }
}
