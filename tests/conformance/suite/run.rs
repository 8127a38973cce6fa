//! Runs a case on a backend, as `windlass run` would, and compares what came of it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use windlass::backend::Backend;
use windlass::base::Secret;
use windlass::cli;
use windlass::engine;
use windlass::event::{CancelLevel, Event, EventKind, RunState};
use windlass::report::Reader;
use windlass::runner::{Connecting, Home, Request, Source, clean, prepare};

use super::Case;
use super::laws;
use super::outline::{self, Seen};
use super::tapped::{Faults, Tap, Tapped};

/// A backend under test.
pub trait Bench: Sync {
    /// What cases call it.
    fn name(&self) -> &'static str;
    /// Whether its programs live by tokio's clock, which then need not be waited for.
    fn is_timeless(&self) -> bool;
    /// A connection to it.
    fn connect(&self, home: &Home) -> Connecting;
    /// Whether what is left, for this reason, is a fault of what the backend works with, which nobody here can mend.
    fn is_forgiven(&self, _why: &str) -> bool {
        false
    }
}

/// What came of a case.
#[derive(Default)]
pub struct Report {
    pub outline: String,
    /// Laws that were broken, and files that are not as they should be.
    pub complaints: Vec<String>,
    /// What was said to people on the way, which no outline has.
    pub said: Vec<String>,
}

/// Takes events down.
struct Stenographer {
    events: Arc<Mutex<Vec<Event>>>,
    change: Option<fn(Event) -> Vec<Event>>,
}

impl Reader for Stenographer {
    fn read(&mut self, event: &Event, _: &RunState) {
        let events = self.change.map_or_else(|| vec![event.clone()], |change| change(event.clone()));
        self.events.lock().unwrap().extend(events);
    }
}

/// Runs a case, with these things going wrong on the way.
pub fn run(case: &Case, bench: &dyn Bench, faults: Faults) -> Report {
    let runtime = runtime(bench.is_timeless());
    // Beyond all that a timeless program may sleep, and far beyond what a real one does.
    let patience =
        if bench.is_timeless() { Duration::from_hours(1000 * 24) } else { Duration::from_mins(30) };
    let ran = runtime.block_on(async { tokio::time::timeout(patience, execute(case, bench, faults)).await });
    runtime.shutdown_background();
    ran.unwrap_or_else(|_| Report { complaints: vec!["it does not end".to_owned()], ..Report::default() })
}

fn runtime(timeless: bool) -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(timeless).build().unwrap()
}

async fn execute(case: &Case, bench: &dyn Bench, faults: Faults) -> Report {
    let place = tempfile::Builder::new().prefix("windlass-case-").tempdir().unwrap();
    let project = place.path().join("project");
    write(&project, "windlass.yml", &case.pipeline);
    for (path, text) in &case.files {
        write(&project, path, text);
    }
    if let Some(branch) = &case.options.git {
        commit(&project, branch);
    }
    let home = Home::at(&place.path().join("home")).unwrap();
    let (handle, cancel) = engine::cancel();
    let tap = Tap::new(faults, case.options.cancel.clone(), handle);
    let connecting = bench.connect(&home);
    let tapped: Connecting =
        Box::pin(async move { Ok(Arc::new(Tapped { inner: connecting.await?, tap }) as Arc<dyn Backend>) });
    let mut request = request(case, &project);
    if let Some(change) = faults.request {
        change(&mut request);
    }
    let prepared = match prepare(&home, request, tapped, cancel).await {
        Ok(prepared) => prepared,
        Err(not_run) => {
            let exit = cli::exit_code(Err(&not_run.error), false);
            return Report { outline: outline::refused(&not_run.error, exit), ..Report::default() };
        }
    };
    let plan = prepared.plan().clone();
    let events = Arc::new(Mutex::new(Vec::new()));
    let reader = Stenographer { events: Arc::clone(&events), change: faults.event };
    let finished = match prepared.run(vec![Box::new(reader)]).await {
        Ok(finished) => finished,
        Err(not_run) => {
            let complaints = vec![format!("it was not run: {not_run}")];
            return Report { complaints, ..Report::default() };
        }
    };
    let events = std::mem::take(&mut *events.lock().unwrap());
    let mut state = RunState::new(&plan);
    for event in &events {
        state.apply(event);
    }
    let logs = outline::logs(&events);
    let exit = cli::exit_code(Ok(&state), !case.options.cancel.is_empty());
    let seen = Seen {
        plan: &plan,
        events: &events,
        state: &state,
        logs: &logs,
        exit,
        timeless: bench.is_timeless(),
    };
    let mut complaints = laws::broken(&seen, case.options.jobs.map(usize::from));
    let killed = case.options.cancel.iter().any(|(level, _)| *level >= CancelLevel::Kill);
    if killed && !bench.is_timeless() && !finished.left.is_empty() {
        // Whoever kills is out in two seconds, which a busy machine may need longer to tidy up in.
        let cleaned = clean(&home, bench.connect(&home)).await.unwrap();
        complaints.extend(cleaned.failed.iter().map(|(_, object, why)| format!("{}: {why}", object.name)));
    } else {
        let failed = events.iter().filter_map(|event| match &event.kind {
            EventKind::CleanupFailed { message } => Some(message.clone()),
            _ => None,
        });
        let (forgiven, failed): (Vec<_>, Vec<_>) = failed.partition(|why| bench.is_forgiven(why));
        let left = finished.left.iter().map(|object| &object.name);
        let left = left.filter(|name| !forgiven.iter().any(|why| why.contains(*name)));
        complaints.extend(left.map(|name| format!("{name} is left")));
        complaints.extend(failed);
    }
    complaints.extend(finished.failures.iter().map(|failure| format!("{failure:?}")));
    for (path, text) in &case.workspace {
        let found = fs::read_to_string(project.join(path)).unwrap_or_else(|error| error.to_string());
        if found != *text {
            complaints.push(format!("`{path}` holds {found:?}"));
        }
    }
    Report { outline: outline::outline(&seen, &case.outline), complaints, said: outline::said(&events) }
}

fn write(project: &Path, path: &str, text: &str) {
    let path = project.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Makes a repository of the project.
fn commit(project: &Path, branch: &str) {
    let initial = format!("--initial-branch={branch}");
    for arguments in
        [&["init", "--quiet", &initial][..], &["add", "."], &["commit", "--quiet", "--message", "first"]]
    {
        let mut git = Command::new("git");
        git.current_dir(project).args(["-c", "user.name=t", "-c", "user.email=t@localhost"]).args(arguments);
        assert!(git.status().unwrap().success(), "git {arguments:?}");
    }
}

fn request(case: &Case, project: &Path) -> Request {
    let options = &case.options;
    let project = project.to_owned();
    let source = if options.in_place { Source::InPlace(project) } else { Source::Directory(project) };
    let mut request = Request::pipeline(source);
    // Unless a case says otherwise, nothing waits for a place.
    request.jobs = options.jobs.or(std::num::NonZero::new(16));
    request.choice.env = options.env.clone();
    request.choice.inputs = options.inputs.clone();
    request.choice.environment.clone_from(&options.environment);
    request.approval.names.clone_from(&options.approve);
    let given = options.secrets.iter().map(|(name, value)| (name.clone(), Secret::unmasked(value.as_str())));
    request.secret_sources.given = given.collect();
    request.keep_going = options.keep_going;
    if let Some(limit) = options.log_limit {
        request.log_limit = limit;
    }
    request
}

/// Runs cases, so many at a time; what came of each, in their order.
pub fn run_all(cases: &[&Case], bench: &dyn Bench, at_once: usize) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let reports: Vec<Mutex<Option<Report>>> = cases.iter().map(|_| Mutex::default()).collect();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(number) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < cases.len())
                {
                    let report = run(cases[number], bench, Faults::default());
                    *reports[number].lock().unwrap() = Some(report);
                }
            });
        }
    });
    reports.into_iter().map(|report| report.into_inner().unwrap().unwrap()).collect()
}

/// Runs every case that a backend can do, and says what is wrong with which. `UPDATE=1` writes the
/// outlines instead; `CASE=TEXT` takes those alone that are named so.
///
/// # Panics
/// When anything is wrong.
#[track_caller]
pub fn check(cases: &[Case], bench: &dyn Bench, at_once: usize) {
    let named = std::env::var("CASE").unwrap_or_default();
    let cases = cases.iter().filter(|case| !case.options.not_on.contains_key(bench.name()));
    let cases: Vec<&Case> = cases.filter(|case| case.name.contains(&named)).collect();
    let reports = run_all(&cases, bench, at_once);
    let mut wrong = Vec::new();
    // What the fake can do is written by the fake, which no load of the machine can disturb.
    let writes = |case: &Case| bench.is_timeless() || case.options.not_on.contains_key("fake");
    let update = std::env::var_os("UPDATE").is_some();
    for (case, report) in cases.into_iter().zip(reports) {
        if report.outline != case.outline && update && writes(case) {
            let text = fs::read_to_string(&case.path).unwrap();
            let block = |outline: &str| format!("```outline\n{outline}```\n");
            fs::write(&case.path, text.replace(&block(&case.outline), &block(&report.outline))).unwrap();
        } else if report.outline != case.outline {
            wrong.push(format!(
                "{}: {}\nexpected:\n{}\nfound:\n{}\nsaid:\n{}\n",
                case.name,
                case.title,
                case.outline,
                report.outline,
                report.said.join("\n")
            ));
        }
        wrong.extend(report.complaints.iter().map(|complaint| format!("{}: {complaint}\n", case.name)));
    }
    assert!(wrong.is_empty(), "on {}:\n\n{}", bench.name(), wrong.join("\n"));
}
