//! Everything up to the first step: plan, capture and backend, at the same time where they can be.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::begun::{Begun, unless_cancelled};
use super::error::{NotRun, RunError};
use super::home::Home;
use super::load::{self, Loaded};
use super::made::Made;
use super::request::{Request, Source, Target};
use super::secrets::{self, Gathered};
use super::trust::Origin;
use crate::backend::{Backend, BackendError, docker, kubernetes as cluster};
use crate::base::{Diagnostic, RunId, SourceText};
use crate::config::Settings;
use crate::engine::Cancel;
use crate::frontend::Choice;
use crate::ledger::Object;
use crate::plan::Plan;
use crate::report::LogSource;
use crate::source::AtCommit;
use crate::store::Record;

/// A backend that is being connected to.
pub type Connecting = BoxFuture<'static, Result<Arc<dyn Backend>, BackendError>>;

/// Connects to Docker: `DOCKER_HOST`, else the docker context, else a known socket.
pub fn docker(home: &Home) -> Connecting {
    let home = home.clone();
    // Before a capture fills the same disk, so that it is always the same that is said of it.
    let lent = docker::lend_helper(home.path());
    Box::pin(async move {
        lent?;
        let docker = docker::connect(None, home.instance(), home.path()).await?;
        Ok(Arc::new(docker) as Arc<dyn Backend>)
    })
}

/// Connects to a cluster: that of the settings, else of the kubeconfig, else the one that this is a pod of.
pub fn kubernetes(home: &Home, settings: &Settings) -> Connecting {
    let (instance, options) = (home.instance().clone(), super::cluster::options(&settings.kubernetes));
    Box::pin(async move {
        let cluster = cluster::connect(options, &instance).await?;
        Ok(Arc::new(cluster) as Arc<dyn Backend>)
    })
}

/// A run that has all it needs: its plan, its tree, its record and its backend.
pub struct Prepared {
    pub(super) begun: Begun,
    pub(super) request: Request,
    pub(super) loaded: Loaded,
    pub(super) secrets: Gathered,
    pub(super) record: Record,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) cancel: Cancel,
}

/// Compiles, captures and connects, at the same time where they can be.
///
/// # Errors
/// [`NotRun`] with the reason; nothing is left then, but for what it names.
///
/// # Cancel safety
/// Ask by `cancel`; a dropped future leaves what it made to the next clean-up.
pub async fn prepare(
    home: &Home,
    request: Request,
    backend: Connecting,
    cancel: Cancel,
) -> Result<Prepared, NotRun> {
    // Whatever can be wrong before anything is made is looked at first.
    let loaded = load::before_capture(home, &request.target, &request.origin, &request.choice)?;
    let loaded = loaded.map(load::supported).transpose()?;
    if let Some(loaded) = &loaded {
        request.approval.check(&loaded.plan)?;
    }
    let mut begun = Begun::new(home, &request.target, &request.made, &cancel)?;
    match get_ready(&mut begun, &request, loaded, backend, &cancel).await {
        Ok((loaded, secrets, record, backend)) => {
            Ok(Prepared { begun, request, loaded, secrets, record, backend, cancel })
        }
        Err(error) => Err(NotRun { error, left: begun.give_up(None).await }),
    }
}

/// Clones a source and compiles its pipeline, without running it; the clone is gone when it returns.
///
/// # Errors
/// [`NotRun`] with the reason and what is left.
pub async fn cloned(
    home: &Home,
    source: &Source,
    file: Option<&Path>,
    choice: &Choice,
    made: &Made,
    cancel: &Cancel,
) -> Result<Loaded, NotRun> {
    let target = Target::Pipeline { source: source.clone(), file: file.map(Path::to_owned) };
    let mut begun = Begun::new(home, &target, made, cancel)?;
    let loaded = match begun.capture().await {
        Ok(()) => from_capture(&begun, &Origin::ByHand, file, choice),
        Err(error) => Err(error),
    };
    let left = begun.give_up(None).await;
    loaded.map_err(|error| NotRun { error, left })
}

fn from_capture(
    begun: &Begun,
    origin: &Origin,
    file: Option<&Path>,
    choice: &Choice,
) -> Result<Loaded, RunError> {
    let captured = begun.captured().expect("a pipeline is compiled from its capture only once that is there");
    let at = |base: &str| AtCommit::of_capture(captured, base);
    let loaded = load::compile_of(origin, (captured, &at), file, choice)?;
    Ok(Loaded { git: Some(captured.git.clone()), ..loaded })
}

async fn get_ready(
    begun: &mut Begun,
    request: &Request,
    loaded: Option<Loaded>,
    backend: Connecting,
    cancel: &Cancel,
) -> Result<(Loaded, Gathered, Record, Arc<dyn Backend>), RunError> {
    // The capture goes on meanwhile, on a thread of its own.
    let backend = unless_cancelled(cancel, backend).await?.map_err(RunError::Backend)?;
    if let Target::Pipeline { source: Source::InPlace(path), .. } = &request.target
        && !backend.sees_files()
    {
        return Err(RunError::OutOfReach { path: path.clone(), backend: backend.description() });
    }
    let lacks = backend.lacks();
    if let Some(loaded) = &loaded {
        load::had(&loaded.plan, &lacks)?;
    }
    begun.capture().await?;
    let from_capture = || from_capture(begun, &request.origin, request.target.file(), &request.choice);
    let loaded = loaded.map_or_else(|| from_capture().and_then(load::supported), Ok)?;
    load::had(&loaded.plan, &lacks)?;
    request.approval.check(&loaded.plan)?;
    let secrets = match request.origin {
        Origin::ByHand => {
            let source = begun.captured().map(|captured| captured.summary.location.as_str());
            let settings = (&request.settings, source);
            let gathering =
                secrets::gather(&loaded.plan, &request.choice.env, settings, &request.secret_sources);
            unless_cancelled(cancel, gathering).await?.map_err(RunError::Secrets)?
        }
        // What is not there cannot leak.
        Origin::Foreign { .. } => Gathered::default(),
    };
    let record = Record::create(&begun.home, &begun.run).map_err(RunError::Store)?;
    record.save_plan(&loaded.plan).map_err(RunError::Store)?;
    Ok((loaded, secrets, record, backend))
}

impl Prepared {
    /// The run's id.
    pub fn run_id(&self) -> &RunId {
        &self.begun.run
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.loaded.plan
    }

    /// The pipeline file and what the user should know about it; none for `run --image`.
    pub fn warnings(&self) -> Option<(&SourceText, &[Diagnostic])> {
        self.loaded.text.as_ref().map(|text| (text, self.loaded.warnings.as_slice()))
    }

    /// The logs of its attempts, as far as they are written.
    pub fn logs(&self) -> Arc<dyn LogSource> {
        self.record.logs()
    }

    /// Where its record is kept.
    pub fn record(&self) -> &Path {
        self.record.directory()
    }

    /// Gives the run up before its first step; names what could not be removed.
    pub async fn discard(self) -> Vec<Object> {
        self.begun.give_up(Some(&self.backend)).await
    }
}
