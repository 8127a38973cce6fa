//! Removes what dead runs of this instance left.
//!
//! What there is comes from the ledgers and from the backend's labels; what belongs to a live run,
//! or to another instance, is never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use super::begun::removed_by;
use super::error::RunError;
use super::home::Home;
use super::prepare::Connecting;
use crate::backend::{Backend, BackendError, docker};
use crate::base::{RunId, safe_dir};
use crate::ledger::{DeadRun, Ledger, Object, ObjectKind};
use crate::source;

/// How many objects are removed at the same time.
const AT_ONCE: usize = 8;

/// What a clean-up did.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// What it removed.
    pub removed: Vec<(RunId, Object)>,
    /// What it could not remove, and why.
    pub failed: Vec<(RunId, Object, String)>,
    /// The backend did not answer, so that only the ledgers say what there is.
    pub unreachable: Option<BackendError>,
}

/// Removes what dead runs left: containers, then networks and volumes, then directories.
///
/// # Errors
/// [`RunError`] when the ledgers cannot be read. What cannot be removed is no error; it is named.
pub async fn clean(home: &Home, backend: Connecting) -> Result<Cleaned, RunError> {
    let ledger = Ledger::open(home.path())
        .map_err(|source| RunError::NoLedger { home: home.path().to_owned(), source })?;
    // What a run that ends meanwhile had a moment ago, it removes itself or leaves to its ledger.
    let mut live: BTreeSet<RunId> = ledger.live()?.into_iter().collect();
    let (backend, labelled, unreachable) = match connect(backend).await {
        Ok((backend, labelled)) => (Some(backend), labelled, None),
        Err(error) => (None, Vec::new(), Some(error)),
    };
    // After the labels: a run that begins in between is seen to live before its objects are judged.
    let mut dead: BTreeMap<RunId, DeadRun> =
        ledger.dead()?.into_iter().map(|dead| (dead.run.clone(), dead)).collect();
    live.extend(ledger.live()?.into_iter().filter(|run| !dead.contains_key(run)));

    let mut objects: BTreeMap<ObjectKind, BTreeSet<(Object, RunId)>> = BTreeMap::new();
    let in_ledgers =
        dead.values().flat_map(|dead| dead.objects.iter().map(|object| (object.clone(), dead.run.clone())));
    let by_label = labelled.into_iter().filter(|(_, run)| !live.contains(run));
    for (object, run) in in_ledgers.chain(by_label) {
        objects.entry(object.kind).or_default().insert((object, run));
    }

    let mut cleaned = Cleaned { unreachable, ..Cleaned::default() };
    // In the order of the kinds: nothing goes before what stands on it.
    for objects in objects.into_values() {
        let blocked: BTreeSet<RunId> = cleaned.failed.iter().map(|(run, ..)| run.clone()).collect();
        let removals = stream::iter(objects).map(|(object, run)| {
            let (backend, blocked) = (backend.as_deref(), blocked.contains(&run));
            async move {
                let outcome = if blocked && object.kind == ObjectKind::Directory {
                    Err("something that stands on it could not be removed".to_owned())
                } else {
                    remove(home.path(), backend, &object).await
                };
                (run, object, outcome)
            }
        });
        let outcomes: Vec<_> = removals.buffer_unordered(AT_ONCE).collect().await;
        for (run, object, outcome) in outcomes {
            match outcome {
                Ok(()) => {
                    if let Some(dead) = dead.get_mut(&run) {
                        dead.gone(&object);
                    }
                    cleaned.removed.push((run, object));
                }
                Err(why) => cleaned.failed.push((run, object, why)),
            }
        }
    }
    for dead in dead.into_values() {
        dead.finish()?;
    }
    let home = home.path().to_owned();
    // Nobody's in particular, so no ledger has it; what goes wrong is tried again by the next capture.
    let unfinished = tokio::task::spawn_blocking(move || {
        docker::remove_unfinished(&home);
        source::remove_unfinished(&home);
    });
    drop(unfinished.await);
    Ok(cleaned)
}

async fn connect(backend: Connecting) -> Result<(Arc<dyn Backend>, Vec<(Object, RunId)>), BackendError> {
    let backend = backend.await?;
    let objects = backend.objects().await?;
    Ok((backend, objects.into_iter().map(|found| (found.object, found.run)).collect()))
}

async fn remove(home: &Path, backend: Option<&dyn Backend>, object: &Object) -> Result<(), String> {
    if object.kind == ObjectKind::Directory {
        let path = Path::new(&object.name).to_owned();
        // A damaged ledger must not name what is not ours.
        if !path.starts_with(home) || path.components().any(|part| part.as_os_str() == "..") {
            return Err("it is outside the state directory".to_owned());
        }
        let removed = tokio::task::spawn_blocking(move || safe_dir::remove_tree(&path)).await;
        let error = match removed {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its removal broke down".to_owned(),
        };
        // Root inside a container made it; the daemon may remove it where this user may not.
        let Some(backend) = backend else { return Err(error) };
        return removed_by(backend, object).await.map_err(|_| error);
    }
    match backend {
        Some(backend) => backend.remove(object).await.map_err(|error| error.message),
        None => Err("the backend does not answer".to_owned()),
    }
}
