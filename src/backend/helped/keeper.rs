//! A workspace as steps see it, which this machine may not: looked into by the helper, in a container that is held for
//! that. It is started when it is first needed, never let go, and ends with the session; what is asked is executed beside
//! the helper that is held. Before any step may have written, the workspace is what was captured, which is here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::{Mutex, oneshot, watch};
use tokio::time::Instant;

use super::arrival;
use crate::backend::archive::{self, Failed};
use crate::backend::{
    ContainerImage, ContainerSpec, Control, Fetched, Privileges, ProgramSpec, Progress, StartError, Started,
    WorkspaceError,
};
use crate::base::archive::Limits;
use crate::base::awake::sleep;
use crate::base::{StepId, Tree};
use crate::event::Stream;
use crate::helper::protocol::{ABSENT, PRESENT};
use crate::plan::{Network, Resources};

/// How often files are asked for when the connection is cut on the way.
const TRIES: u32 = 12;
/// How long nothing may come of that: what is in between may be away for a while.
const PATIENCE: Duration = Duration::from_secs(150);
/// The pause after the first cut; each is longer by as much.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of an error that are passed on.
const LONGEST_ERROR: usize = 8 << 10;

/// What is printed by what was executed, until its end or that of the connection.
pub(in crate::backend) type Said = BoxStream<'static, (Stream, Bytes)>;

/// A session that can hold such a container.
pub(in crate::backend) trait Keeps: Send + Sync + 'static {
    /// Its workspace.
    fn view(&self) -> &View;

    /// Starts the container.
    fn hold(self: Arc<Self>, spec: ContainerSpec) -> BoxFuture<'static, Result<Started, StartError>>;

    /// Executes the helper with these arguments in that container.
    ///
    /// # Errors
    /// Why it cannot, in words.
    fn execute<'a>(
        &'a self,
        keeper: &'a ContainerSpec,
        arguments: Vec<String>,
    ) -> BoxFuture<'a, Result<Said, String>>;

    /// Does this whoever waits for it, but not longer than the session is open.
    fn go_on(&self, task: BoxFuture<'static, ()>);
}

/// The workspace of a session.
pub(in crate::backend) struct View {
    tree: Option<Tree>,
    /// Whether the tree is what steps see, or only what it was before them.
    is_here: bool,
    /// That of a container that has had the workspace, once there is one.
    image: std::sync::Mutex<Option<ContainerImage>>,
    held: Mutex<Option<Held>>,
}

/// A container that is held, and ends with the session.
struct Held {
    /// One that nobody has a handle on may be ended.
    _control: Arc<dyn Control>,
    /// Closed once it has ended. What it says is taken all the time, so that it never waits for anybody who looks.
    ended: watch::Receiver<()>,
}

impl Held {
    fn new(started: Started) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let Started { control, mut progress, .. } = started;
        let (end, ended) = watch::channel(());
        let taking = async move {
            while !matches!(progress.next().await, None | Some(Progress::Ended(_))) {}
            drop(end);
        };
        (Self { _control: control, ended }, taking)
    }

    fn has_ended(&self) -> bool {
        self.ended.has_changed().is_err()
    }
}

impl View {
    pub(in crate::backend) fn new(tree: Option<Tree>, is_here: bool) -> Self {
        Self { tree, is_here, image: std::sync::Mutex::default(), held: Mutex::default() }
    }

    /// What was captured.
    pub(in crate::backend) fn tree(&self) -> Option<&Tree> {
        self.tree.as_ref()
    }

    /// Takes in that there is a container with the workspace, of this image, which may write once it may go.
    pub(in crate::backend) fn used_with(&self, image: Option<ContainerImage>) {
        if image.is_some() {
            *self.image.lock().unwrap_or_else(PoisonError::into_inner) = image;
        }
    }

    /// The container that is to be held; none before any step may have written.
    fn keeper(&self) -> Option<ContainerSpec> {
        let image = self.image.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(container(image))
    }

    async fn is_held(&self) -> bool {
        self.held.lock().await.as_ref().is_some_and(|held| !held.has_ended())
    }
}

/// The container that is to be held, of an image that is there.
pub(in crate::backend) fn container(image: ContainerImage) -> ContainerSpec {
    ContainerSpec {
        // No step is called so.
        step: StepId::new(".workspace"),
        attempt: 1,
        service: None,
        image,
        // It is never let go.
        program: ProgramSpec::Command(Vec::new()),
        env: BTreeMap::new(),
        secrets: Vec::new(),
        user: Some("0:0".to_owned()),
        workdir: Some("/".to_owned()),
        workspace: true,
        network: Network::None,
        among_services: false,
        resources: Resources { pids: Some(64), ..Resources::default() },
        timeout: Duration::from_hours(24),
        grace: Duration::from_secs(1),
        log_limit: 0,
        lane: None,
        no_new_privileges: true,
        privileges: Privileges::default(),
        substitution: None,
    }
}

/// Says whether something is at a path of the workspace.
///
/// # Errors
/// When there is no workspace, or it cannot be looked into.
pub(in crate::backend) async fn has_file(
    session: &Weak<impl Keeps>,
    path: &str,
) -> Result<bool, WorkspaceError> {
    let session = session.upgrade().ok_or(WorkspaceError::None)?;
    let view = session.view();
    let tree = view.tree().ok_or(WorkspaceError::None)?;
    let Some(keeper) = view.keeper().filter(|_| !view.is_here) else {
        let (tree, path) = (tree.clone(), PathBuf::from(path));
        // A disk may take its time.
        let looked = tokio::task::spawn_blocking(move || tree.has(&path)).await;
        let looked = looked.map_err(|_| WorkspaceError::Look("the look broke down".to_owned()))?;
        return looked.map_err(|error| WorkspaceError::Look(error.to_string()));
    };
    let said = ask(&session, &keeper, vec!["look".to_owned(), path.to_owned()]).await;
    let seen = async { seen(said?).await };
    seen.await.map_err(WorkspaceError::Look)
}

/// Copies what fits these patterns to `into`.
///
/// # Errors
/// When it cannot be had, however often it is asked for.
pub(in crate::backend) async fn fetch(
    session: &Weak<impl Keeps>,
    patterns: &[String],
    into: &Path,
    limits: &Limits,
) -> Result<Fetched, WorkspaceError> {
    let session = session.upgrade().ok_or(WorkspaceError::None)?;
    let view = session.view();
    let tree = view.tree().ok_or(WorkspaceError::None)?;
    // Not all that steps have made can be read by whoever we are, nor is it always seen here as they see it.
    let Some(keeper) = view.keeper() else {
        return archive::from_tree(tree, patterns, into, limits).await.map_err(WorkspaceError::Fetch);
    };
    let arguments: Vec<_> = std::iter::once("pack".to_owned()).chain(patterns.iter().cloned()).collect();
    let (mut came_last, mut tries) = (Instant::now(), 0);
    loop {
        let (fetched, came) = match ask(&session, &keeper, arguments.clone()).await {
            Ok(said) => arrival::receive(said, into, *limits).await,
            Err(why) => (Err(Failed::Cut(why)), false),
        };
        let why = match fetched {
            Ok(fetched) => return Ok(fetched),
            Err(Failed::ForGood(why)) => return Err(WorkspaceError::Fetch(why)),
            Err(Failed::Cut(why)) => why,
        };
        if came {
            came_last = Instant::now();
        }
        tries += 1;
        if tries == TRIES || came_last.elapsed() > PATIENCE {
            let message = format!("the connection was cut {tries} times, at last so: {why}");
            return Err(WorkspaceError::Fetch(message));
        }
        sleep(PAUSE * tries).await;
    }
}

/// Executes the helper in the container that is held, which is started if it is not there, or not any more.
async fn ask<S: Keeps>(
    session: &Arc<S>,
    keeper: &ContainerSpec,
    arguments: Vec<String>,
) -> Result<Said, String> {
    if !session.view().is_held().await {
        let (tell, told) = oneshot::channel();
        let (starting, spec) = (Arc::clone(session), keeper.clone());
        // Whoever asks may have less time than it takes, and asks again.
        session.go_on(Box::pin(async move {
            let mut held = starting.view().held.lock().await;
            let mut started = Ok(());
            if held.as_ref().is_none_or(Held::has_ended) {
                // Its name is free once that one is gone.
                drop(held.take());
                started = Arc::clone(&starting).hold(spec).await.map(|started| {
                    let (holding, taking) = Held::new(started);
                    starting.go_on(Box::pin(taking));
                    *held = Some(holding);
                });
            }
            let _ = tell.send(started);
        }));
        let given_up = "the session is closed".to_owned();
        told.await.map_err(|_| given_up)?.map_err(|error| error.message)?;
    }
    session.execute(keeper, arguments).await
}

/// Whether something is there, by what is said of it.
async fn seen(mut said: Said) -> Result<bool, String> {
    let mut why = Vec::new();
    while let Some((stream, bytes)) = said.next().await {
        match (stream, bytes.first()) {
            (Stream::Stdout, Some(&PRESENT)) => return Ok(true),
            (Stream::Stdout, Some(&ABSENT)) => return Ok(false),
            _ => {
                let room = LONGEST_ERROR.saturating_sub(why.len());
                why.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
            }
        }
    }
    let why = String::from_utf8_lossy(&why).trim().to_owned();
    Err(if why.is_empty() { "there was no answer".to_owned() } else { why })
}
