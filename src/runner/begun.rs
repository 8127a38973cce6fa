//! A run between its first row in the ledger and its first step, and how it is undone.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{self, Either};
use tokio::task::{self, JoinHandle};

use super::error::RunError;
use super::home::Home;
use super::made::Made;
use super::request::{Source, Target};
use crate::backend::Backend;
use crate::base::RunId;
use crate::base::awake::{sleep, timeout};
use crate::engine::Cancel;
use crate::event::CancelLevel;
use crate::ledger::{Ledger, Object, ObjectKind, RunLedger};
use crate::source::{self, Captured, FromUrl, SourceError};
use crate::store::Record;

/// How long removing what was made may take.
const CLOSE: Duration = Duration::from_secs(90);
/// How long something that nobody waits for any more may take to end.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A run that is in the ledger.
pub(super) struct Begun {
    pub(super) run: RunId,
    pub(super) ledger: Arc<RunLedger>,
    pub(super) home: PathBuf,
    cancel: Cancel,
    /// Nobody wants the tree any more.
    is_over: Arc<AtomicBool>,
    tree: Tree,
}

/// The tree it works on.
enum Tree {
    None,
    /// Being captured by a thread that ends soon after it is told to.
    Coming(JoinHandle<Result<Captured, SourceError>>),
    There(Box<Captured>),
}

impl Begun {
    /// Gives the run an id and a ledger, and begins to capture its source.
    pub(super) fn new(home: &Home, target: &Target, made: &Made, cancel: &Cancel) -> Result<Self, RunError> {
        let home = home.path().to_owned();
        let run = RunId::generate();
        let ledger = Ledger::open(&home)
            .map_err(|source| RunError::NoLedger { home: home.clone(), source })?
            .begin(&run)?;
        let ledger = Arc::new(ledger);
        made.by(&ledger);
        let is_over = Arc::new(AtomicBool::new(false));
        let tree = match target {
            Target::Image { .. } => Tree::None,
            Target::Pipeline { source, .. } => {
                let (home, source) = (home.clone(), source.clone());
                let (run, ledger, cancel) = (run.clone(), Arc::clone(&ledger), cancel.clone());
                let is_over = Arc::clone(&is_over);
                Tree::Coming(task::spawn_blocking(move || {
                    let goes_on = || cancel.level().is_none() && !is_over.load(Ordering::Relaxed);
                    match &source {
                        Source::Directory(dir) => {
                            source::capture_directory(&home, dir, &run, &ledger, &goes_on)
                        }
                        Source::InPlace(dir) => source::in_place(dir, &goes_on),
                        Source::Url { url, reference, submodules } => {
                            let reference = reference.as_deref();
                            let from = FromUrl { reference, submodules: *submodules, ..FromUrl::new(url) };
                            source::capture_url(&home, from, &run, &ledger, &goes_on)
                        }
                    }
                }))
            }
        };
        Ok(Self { run, ledger, home, cancel: cancel.clone(), is_over, tree })
    }

    /// Waits for the capture.
    pub(super) async fn capture(&mut self) -> Result<(), RunError> {
        if let Tree::Coming(coming) = &mut self.tree {
            let ended = unless_cancelled(&self.cancel, coming).await?;
            self.tree = Tree::None;
            let captured = ended.map_err(|_| RunError::Panicked { task: "the capture" })?;
            self.tree = Tree::There(Box::new(captured.map_err(RunError::Source)?));
        }
        Ok(())
    }

    /// The tree, once it is captured.
    pub(super) fn captured(&self) -> Option<&Captured> {
        match &self.tree {
            Tree::There(captured) => Some(captured),
            Tree::None | Tree::Coming(_) => None,
        }
    }

    /// Ends a run that never started: its record goes too, and what the backend has made for it.
    pub(super) async fn give_up(self, backend: Option<&Arc<dyn Backend>>) -> Vec<Object> {
        let (home, run) = (self.home.clone(), self.run.clone());
        if let Some(backend) = backend {
            let removed = timeout(CLOSE, self.remove_from(backend.as_ref()));
            let _ = future::select(pin!(removed), pin!(hurry(&self.cancel))).await;
        }
        let left = self.end(backend).await;
        drop(task::spawn_blocking(move || Record::discard(&home, &run)).await);
        left
    }

    /// Removes the tree and ends the ledger; names what is left for `clean`.
    pub(super) async fn end(self, backend: Option<&Arc<dyn Backend>>) -> Vec<Object> {
        let captured = match self.tree {
            Tree::None => None,
            Tree::There(captured) => Some(captured),
            Tree::Coming(coming) => {
                self.is_over.store(true, Ordering::Relaxed);
                // It looks before each file, and a busy disk takes seconds for one.
                let ended = pin!(timeout(CLOSE, coming));
                match future::select(ended, pin!(hurry(&self.cancel))).await {
                    Either::Left((Ok(Ok(Ok(captured))), _)) => Some(Box::new(captured)),
                    // What a failed or lasting capture has made is in the ledger.
                    _ => None,
                }
            }
        };
        if let Some(captured) = captured {
            let ledger = Arc::clone(&self.ledger);
            let discarded = task::spawn_blocking(move || drop(captured.discard(&ledger)));
            // A large tree takes a while.
            drop(future::select(pin!(discarded), pin!(hurry(&self.cancel))).await);
        }
        if let Some(backend) = backend {
            // A large tree takes a while here too.
            let removed = remove_directories(&self.ledger, backend.as_ref());
            future::select(pin!(removed), pin!(hurry(&self.cancel))).await;
        }
        drop(self.ledger.finish());
        self.ledger.open_objects()
    }

    /// Removes what a session that never began has left at the backend.
    async fn remove_from(&self, backend: &dyn Backend) {
        for object in self.ledger.open_objects() {
            if object.kind != ObjectKind::Directory && backend.remove(&object).await.is_ok() {
                drop(self.ledger.gone(&[object]));
            }
        }
    }
}

/// Has the backend remove the directories that are left.
async fn remove_directories(ledger: &RunLedger, backend: &dyn Backend) {
    for object in ledger.open_objects() {
        if object.kind == ObjectKind::Directory && removed_by(backend, &object).await.is_ok() {
            drop(ledger.gone(&[object]));
        }
    }
}

/// Comes when somebody has asked twice for the end, who gets it at once.
async fn hurry(cancel: &Cancel) {
    cancel.reached(CancelLevel::Kill).await;
    sleep(PATIENCE).await;
}

/// Waits for `work`, but not beyond the moment in which somebody asks for the end.
pub(super) async fn unless_cancelled<T>(
    cancel: &Cancel,
    work: impl Future<Output = T>,
) -> Result<T, RunError> {
    match future::select(pin!(cancel.reached(CancelLevel::Drain)), pin!(work)).await {
        Either::Left(_) => Err(RunError::Cancelled),
        Either::Right((done, _)) => Ok(done),
    }
}

/// Has the backend remove a directory: a step's root may have made what this user may not remove.
pub(super) async fn removed_by(backend: &dyn Backend, directory: &Object) -> Result<(), String> {
    backend.remove(directory).await.map_err(|error| error.message)?;
    match Path::new(&directory.name).symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err("the backend could not remove it either".to_owned()),
    }
}
