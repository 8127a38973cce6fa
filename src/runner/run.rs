//! The run itself: session, readers, engine, and the end of what was made for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::allowed;
use super::begun::unless_cancelled;
use super::error::{NotRun, RunError};
use super::images;
use super::outside::Machine;
use super::prepare::Prepared;
use super::request::Request;
use super::room;
use super::slots::MachineSlots;
use super::trust::Origin;
use super::values::built_ins;
use crate::backend::{Backend, RunSpec, lacks};
use crate::base::{RunId, SystemClock};
use crate::engine::{self, Hint, Job, Options};
use crate::event::{CancelLevel, RunState};
use crate::ledger::Object;
use crate::plan::{OnStepFailure, Plan, graph};
use crate::report::{Feed, Reader, ReaderFailure};
use crate::source::Captured;

/// How long a reader may get nothing done at the end before it is left behind: a busy disk takes seconds.
const READERS: Duration = Duration::from_secs(20);
/// The same once somebody wants everything to end now.
const HURRIED: Duration = Duration::from_secs(2);

/// A run that ended.
#[derive(Debug)]
pub struct Finished {
    /// The run's id.
    pub run: RunId,
    /// How everything in it ended.
    pub state: RunState,
    /// What could not be removed; `clean` will.
    pub left: Vec<Object>,
    /// The readers that did not do their work.
    pub failures: Vec<ReaderFailure>,
}

impl Prepared {
    /// Runs it to its end; each reader gets every event, on a thread of its own.
    ///
    /// # Errors
    /// [`NotRun`] when the backend refuses the run as a whole; nothing is left then, but for what it
    /// names. A step that fails is no error.
    ///
    /// # Cancel safety
    /// Ask by the `cancel` it was prepared with; a dropped future leaves what it made to the next
    /// clean-up.
    pub async fn run(self, readers: Vec<Box<dyn Reader>>) -> Result<Finished, NotRun> {
        let Prepared { begun, request, loaded, secrets, record, backend, cancel } = self;
        let tree = begun.captured().map(|captured| &captured.tree);
        let opening = unless_cancelled(&cancel, images::open(&loaded.plan, tree)).await;
        let images = match opening.flatten() {
            Ok(images) => images,
            Err(error) => return Err(NotRun { error, left: begun.give_up(Some(&backend)).await }),
        };
        let captured = begun.captured();
        let source = captured.map(|captured| captured.summary.location.as_str());
        let policy = Arc::new(allowed::policy(&request.settings, source, &request.origin));
        let spec = RunSpec {
            run: begun.run.clone(),
            workspace: captured.map(|captured| captured.tree.clone()),
            workspace_once: loaded.plan.sole_visitor().is_some(),
            workspace_gid: captured.map_or(0, |captured| captured.gid),
            lanes: lanes(&loaded.plan),
            policy: Arc::clone(&policy),
            images,
        };
        let opening = unless_cancelled(&cancel, backend.open(spec, Arc::clone(&begun.ledger))).await;
        let session = match opening.and_then(|opened| opened.map_err(RunError::Backend)) {
            Ok(session) => session,
            Err(error) => return Err(NotRun { error, left: begun.give_up(Some(&backend)).await }),
        };

        let mut feed = Feed::new(&loaded.plan, record.logs());
        feed.add(Box::new(record.reader()));
        for reader in readers {
            feed.add(reader);
        }
        let feed = Arc::new(Mutex::new(Some(feed)));
        let asked = cancel.clone();
        let sender = Arc::clone(&feed);
        let jobs = request.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, usize::from);
        let notes = notes(&request.origin, captured, backend.as_ref(), &loaded.plan);
        let state = engine::run(Job {
            run: begun.run.clone(),
            env: captured.map(|captured| built_ins(&captured.git, &request.choice)).unwrap_or_default(),
            plan: Arc::new(with_options(loaded.plan, &request)),
            session: Arc::clone(&session),
            backend: backend.description(),
            source: captured.map(|captured| captured.summary.clone()).unwrap_or_default(),
            notes,
            gates: request.approval.clone().gates(),
            outside: Arc::new(Machine { trusted: request.origin == Origin::ByHand, session }),
            slots: Arc::new(MachineSlots::new(&begun.home, jobs)),
            secrets: secrets.values,
            options: Options { jobs, log_limit: request.log_limit, lookahead: true },
            policy,
            masker: request.masker(&secrets.hidden),
            overrides: request.choice.env,
            logs: record.logs(),
            hint: captured.map(|captured| Box::new(room::hint(&captured.tree)) as Hint),
            clock: Arc::new(SystemClock::start()),
            cancel,
            emit: Box::new(move |event| {
                if let Some(feed) = sender.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    feed.send(event);
                }
            }),
        })
        .await;

        let run = begun.run.clone();
        let left = begun.end(Some(&backend)).await;
        let patience = move || if asked.level() >= Some(CancelLevel::Kill) { HURRIED } else { READERS };
        let feed = feed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let failures = match feed {
            Some(feed) => {
                tokio::task::spawn_blocking(move || feed.finish(patience)).await.unwrap_or_default()
            }
            None => Vec::new(),
        };
        Ok(Finished { run, state, left, failures })
    }
}

/// What the user should know first.
fn notes(origin: &Origin, captured: Option<&Captured>, backend: &dyn Backend, plan: &Plan) -> Vec<String> {
    let mut notes: Vec<String> = origin.note().into_iter().collect();
    notes.extend(lacks::notes(plan, &backend.lacks()));
    let Some(captured) = captured else { return notes };
    notes.extend(captured.notes.iter().cloned());
    if !backend.sees_files() {
        notes.push("the workspace is sent to the engine, which does not see this machine's files".to_owned());
    }
    notes
}

/// The plan as this run wants it; the one that is kept holds no option of a run.
fn with_options(mut plan: Plan, request: &Request) -> Plan {
    if request.keep_going {
        for stage in &mut plan.stages {
            stage.on_step_failure = OnStepFailure::GoOn;
        }
    }
    plan
}

/// How many steps use each lane.
fn lanes(plan: &Plan) -> BTreeMap<u32, usize> {
    let mut uses = BTreeMap::new();
    for lane in graph::lanes(plan).into_values() {
        *uses.entry(lane).or_default() += 1;
    }
    uses
}
