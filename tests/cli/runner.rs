//! Whole runs through the library, on the backend in memory.

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use windlass::backend::fake::{Call, Fake};
use windlass::backend::{Backend, BackendError};
use windlass::base::{Outcome, Reason, StepId};
use windlass::engine;
use windlass::event::{CancelLevel, Event, EventKind, RunState};
use windlass::report::Reader;
use windlass::runner::{
    Approval, Connecting, Finished, Home, NotRun, Request, RunError, Source, Target, clean, prepare,
};

use crate::support::TestHome;

const PIPELINE: &str = "\
defaults: { image: busybox }
stages:
  - name: s
    steps:
      - { name: a, run: echo hello }
      - { name: b, run: sleep 60, after: always, needs: [a] }
";

fn connecting(fake: &Fake) -> Connecting {
    let backend: Arc<dyn Backend> = Arc::new(fake.clone());
    async move { Ok(backend) }.boxed()
}

fn home(place: &TestHome) -> Home {
    Home::at(&place.state()).expect("the place is ours")
}

fn directory(place: &TestHome) -> Request {
    Request::pipeline(Source::Directory(place.work()))
}

async fn run(place: &TestHome, request: Request, fake: &Fake) -> Result<Finished, NotRun> {
    let (_handle, cancel) = engine::cancel();
    prepare(&home(place), request, connecting(fake), cancel).await?.run(Vec::new()).await
}

/// What is left of runs, but for their records.
fn left(place: &TestHome) -> Vec<String> {
    place.leftovers().into_iter().filter(|name| !name.starts_with("runs/")).collect()
}

#[tokio::test]
async fn a_run_leaves_its_record_and_nothing_else() {
    let place =
        TestHome::with_pipeline("stages: [{ name: s, steps: [{ name: a, image: x, run: echo hi }] }]\n");
    let finished = run(&place, directory(&place), &Fake::new()).await.expect("it runs");
    assert_eq!(finished.state.outcome, Some(Outcome::Passed));
    assert!(finished.left.is_empty() && finished.failures.is_empty());
    assert_eq!(place.leftovers(), [format!("runs/{}", finished.run)]);
    let record = place.state().join("runs").join(finished.run.as_str());
    for file in ["plan.json", "events.ndjson"] {
        assert!(record.join(file).is_file(), "{file}");
    }
}

#[tokio::test]
async fn steps_are_told_what_they_work_on() {
    let place =
        TestHome::with_pipeline("stages: [{ name: s, steps: [{ name: a, image: x, run: 'true' }] }]\n");
    let fake = Fake::new();
    let mut request = directory(&place);
    request.choice.env.insert("COLOR".to_owned(), "green".to_owned());
    let finished = run(&place, request, &fake).await.expect("it runs");
    let specs = fake.specs();
    let env = &specs.first().expect("one step ran").env;
    let value = |name: &str| env.get(name).map(String::as_str);
    assert_eq!(value("COLOR"), Some("green"));
    assert_eq!(value("CI"), Some("true"));
    assert_eq!(value("WINDLASS_RUN"), Some(finished.run.as_str()));
    assert_eq!(value("WINDLASS_BACKEND"), Some("fake"));
    assert_eq!(value("WINDLASS_WORKSPACE"), Some("/workspace"));
    for absent in ["GIT_SHA", "GIT_BRANCH", "GIT_TAG", "GIT_URL", "ENVIRONMENT", "EVENT"] {
        assert_eq!(value(&format!("WINDLASS_{absent}")), Some(""), "{absent}");
    }
}

#[tokio::test]
async fn an_image_alone_has_no_workspace() {
    let place = TestHome::new();
    let fake = Fake::new();
    let words = ["echo", "hi"].map(str::to_owned).to_vec();
    let request = Request::new(Target::Image { image: "busybox".to_owned(), command: words });
    let finished = run(&place, request, &fake).await.expect("it runs");
    assert_eq!(finished.state.outcome, Some(Outcome::Passed));
    let specs = fake.specs();
    let spec = specs.first().expect("one step ran");
    assert!(!spec.workspace && !spec.env.contains_key("WINDLASS_WORKSPACE"));
}

#[tokio::test]
async fn keep_going_lets_the_siblings_end() {
    for (keep_going, seconds, expect) in [(false, "60", Outcome::Cancelled), (true, "0.2", Outcome::Passed)] {
        let b = format!("{{ name: b, image: x, run: sleep {seconds} }}");
        let steps = format!("{{ name: a, image: x, run: 'false' }}, {b}");
        let place = TestHome::with_pipeline(&format!("stages: [{{ name: s, steps: [{steps}] }}]\n"));
        let mut request = directory(&place);
        request.keep_going = keep_going;
        request.jobs = std::num::NonZero::new(2);
        let finished = run(&place, request, &Fake::new()).await.expect("it runs");
        assert_eq!(finished.state.outcome, Some(Outcome::Failed));
        let b = finished.state.steps.values().nth(1).and_then(|step| step.end.as_ref()).expect("b ended");
        assert_eq!(b.outcome, expect, "keep_going: {keep_going}");
    }
}

/// Asks for the end once a step has started.
struct StopAt(engine::CancelHandle, &'static str, CancelLevel);

impl Reader for StopAt {
    fn read(&mut self, event: &Event, _: &RunState) {
        if let EventKind::StepStarted { step, .. } = &event.kind
            && step.as_str() == self.1
        {
            self.0.request(self.2, Reason::CancelledByUser);
        }
    }
}

#[tokio::test]
async fn a_cancelled_run_leaves_nothing() {
    for level in [CancelLevel::Stop, CancelLevel::Kill] {
        let place = TestHome::with_pipeline(PIPELINE);
        let (handle, cancel) = engine::cancel();
        let fake = Fake::new();
        let prepared =
            prepare(&home(&place), directory(&place), connecting(&fake), cancel).await.expect("it can run");
        let finished = prepared.run(vec![Box::new(StopAt(handle, "b", level))]).await.expect("it runs");
        assert_eq!(finished.state.outcome, Some(Outcome::Cancelled));
        if level == CancelLevel::Kill && !finished.left.is_empty() {
            // Whoever kills is out in two seconds, which a busy machine may need longer to tidy up in.
            let cleaned = clean(&home(&place), connecting(&fake)).await.expect("the home is there");
            assert!(cleaned.failed.is_empty());
        } else {
            assert!(fake.calls().contains(&Call::Closed));
        }
        assert_eq!(left(&place), [""; 0]);
    }
}

#[tokio::test]
async fn what_is_cancelled_before_it_starts_leaves_nothing_at_all() {
    let place = TestHome::with_pipeline(PIPELINE);
    let (handle, cancel) = engine::cancel();
    handle.request(CancelLevel::Stop, Reason::CancelledByUser);
    let not_run = prepare(&home(&place), directory(&place), connecting(&Fake::new()), cancel).await.err();
    let not_run = not_run.expect("it was cancelled");
    assert!(matches!(not_run.error, RunError::Cancelled), "{not_run:?}");
    assert!(not_run.left.is_empty());
    assert_eq!(place.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_prepared_run_can_be_given_up() {
    let place = TestHome::with_pipeline(PIPELINE);
    let (_handle, cancel) = engine::cancel();
    let prepared = prepare(&home(&place), directory(&place), connecting(&Fake::new()), cancel)
        .await
        .expect("it can run");
    assert_eq!(prepared.plan().all_steps().count(), 2);
    assert!(prepared.discard().await.is_empty());
    assert_eq!(place.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_backend_that_is_not_there_leaves_nothing_at_all() {
    let place = TestHome::with_pipeline(PIPELINE);
    let refuse = || BackendError::new("nobody is there");
    let (_handle, cancel) = engine::cancel();
    let connecting: Connecting = async move { Err(refuse()) }.boxed();
    let not_run =
        prepare(&home(&place), directory(&place), connecting, cancel).await.err().expect("it cannot run");
    assert!(matches!(not_run.error, RunError::Backend(_)), "{not_run:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

/// A repository with one commit of this pipeline file, and its URL.
fn repository(place: &TestHome, pipeline: &str) -> String {
    place.write("windlass.yml", pipeline);
    let repository = git2::Repository::init(place.work()).expect("the place is ours");
    let mut index = repository.index().expect("it is new");
    index.add_path(Path::new("windlass.yml")).expect("the file is there");
    let tree = index.write_tree().expect("the place is ours");
    let tree = repository.find_tree(tree).expect("it was just written");
    let person = git2::Signature::now("a", "a@localhost").expect("it is a name");
    repository.commit(Some("HEAD"), &person, &person, "one", &tree, &[]).expect("the place is ours");
    format!("file://{}", place.work().display())
}

fn url(url: &str, reference: Option<&str>) -> Request {
    Request::pipeline(Source::Url {
        url: url.to_owned(),
        reference: reference.map(str::to_owned),
        submodules: false,
    })
}

#[tokio::test]
async fn a_url_is_compiled_from_its_clone() {
    let place = TestHome::new();
    let step = "stages: [{ name: s, steps: [{ name: a, image: x, run: 'true' }] }]\n";
    let location = repository(&place, step);
    let fake = Fake::new();
    let finished = run(&place, url(&location, None), &fake).await.expect("it runs");
    assert_eq!(finished.state.outcome, Some(Outcome::Passed));
    let specs = fake.specs();
    let sha = specs.first().and_then(|spec| spec.env.get("WINDLASS_GIT_SHA")).expect("it is set");
    assert_eq!(sha.len(), 40);
    assert_eq!(left(&place), [""; 0]);
}

#[tokio::test]
async fn a_bad_reference_and_an_invalid_file_in_a_clone_leave_nothing_at_all() {
    let place = TestHome::new();
    let location = repository(&place, "stages: 1\n");
    let not_run = run(&place, url(&location, None), &Fake::new()).await.expect_err("it is not valid");
    assert!(matches!(not_run.error, RunError::Invalid(_)), "{not_run:?}");
    assert!(not_run.left.is_empty());
    let not_run =
        run(&place, url(&location, Some("nowhere")), &Fake::new()).await.expect_err("no such branch");
    assert!(matches!(not_run.error, RunError::Source(_)), "{not_run:?}");
    assert_eq!(place.leftovers(), [""; 0]);
}

const GATED: &str = "\
defaults: { image: busybox }
stages:
  - name: s
    steps:
      - { name: plain, run: echo hello }
      - { name: push, run: echo pushed, gate: Sure?, matrix: { to: [a, b] } }
";

#[tokio::test]
async fn a_gate_is_opened_by_the_steps_name_or_stays_shut() {
    let place = TestHome::with_pipeline(GATED);
    let approve = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Request { approval: Approval { names, ask: None }, ..directory(&place) }
    };
    let ends = |finished: &Finished| {
        let end = |id: &str| finished.state.steps.get(&StepId::new(id)).and_then(|step| step.end.clone());
        ["push-1", "push-2"].map(|id| end(id).and_then(|end| end.reason))
    };
    let declined = Some(Reason::GateDeclined);
    let shut = run(&place, approve(&[]), &Fake::new()).await.expect("it runs");
    assert_eq!((ends(&shut), shut.state.outcome), ([declined; 2], Some(Outcome::Passed)));
    let one = run(&place, approve(&["push-2"]), &Fake::new()).await.expect("it runs");
    assert_eq!(ends(&one), [declined, None]);
    let all = run(&place, approve(&["push"]), &Fake::new()).await.expect("it runs");
    assert_eq!(ends(&all), [None, None]);
    for (name, message) in [
        ("plain", "there is nothing to approve: the step `plain` has no gate"),
        ("pusch", "there is nothing to approve: there is no step `pusch`"),
    ] {
        let refused = run(&place, approve(&["push", name]), &Fake::new()).await.expect_err("it is refused");
        assert_eq!(refused.error.to_string(), message);
        assert_eq!(refused.error.help().as_deref(), Some("the steps with a gate are `push`"));
    }
    assert_eq!(left(&place), Vec::<String>::new());
}
