//! L35: what a source that is not trusted gets, and does not get, on the backend in memory.

use std::process::Command;
use std::sync::Arc;

use futures_util::FutureExt;
use windlass::backend::Backend;
use windlass::backend::fake::Fake;
use windlass::base::{Outcome, Secret};
use windlass::config::{Allow, Settings};
use windlass::engine;
use windlass::runner::{
    Connecting, Finished, Home, NotRun, Origin, Request, RunError, Source, Target, prepare,
};

use crate::support::TestHome;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn git(place: &TestHome, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.current_dir(place.work()).args(["-c", "user.name=t", "-c", "user.email=t@localhost"]).args(arguments);
    let output = git.output().expect("git is there");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
}

/// A repository with this pipeline in its first commit, and that commit.
fn repository(pipeline: &str) -> (TestHome, String) {
    let place = TestHome::with_pipeline(pipeline);
    git(&place, &["init", "--quiet", "--initial-branch=main"]);
    git(&place, &["add", "."]);
    git(&place, &["commit", "--quiet", "--message", "base"]);
    let base = git(&place, &["rev-parse", "HEAD"]);
    (place, base)
}

fn foreign(place: &TestHome, base: &str) -> Request {
    let origin = Origin::Foreign { base: base.to_owned() };
    Request { origin, ..Request::pipeline(Source::Directory(place.work())) }
}

async fn run(place: &TestHome, request: Request, fake: &Fake) -> Result<Finished, NotRun> {
    let backend: Arc<dyn Backend> = Arc::new(fake.clone());
    let connecting: Connecting = async move { Ok(backend) }.boxed();
    let home = Home::at(&place.state()).expect("the place is ours");
    let (_handle, cancel) = engine::cancel();
    prepare(&home, request, connecting, cancel).await?.run(Vec::new()).await
}

fn of_step(keys: &str) -> String {
    format!("secrets: [DEPLOY_TOKEN]\nstages: [{{ name: s, steps: [{{ name: a, {keys} }}] }}]\n")
}

#[tokio::test(start_paused = true)]
async fn everything_that_takes_trust_is_refused_without_it_and_goes_on_with_it() {
    let locked = format!("image: 'busybox@{DIGEST}'");
    for (keys, refused) in [
        (locked.clone(), None),
        (format!("{locked}, secrets: [DEPLOY_TOKEN]"), Some("takes the secret `DEPLOY_TOKEN`")),
        ("image: busybox".to_owned(), Some("uses the image `busybox`, which is not named by its digest")),
        (
            "image: ./windlass.yml, allow_failure: true".to_owned(),
            Some("uses the image `./windlass.yml` of the source itself, which anybody may have changed"),
        ),
        (
            format!("{locked}, services: {{ db: {{ image: postgres, command: [sleep, '600'] }} }}"),
            Some("has the service `db`, which uses the image `postgres`, which is not"),
        ),
        (
            format!("{locked}, wait_for: {{ url: 'http://127.0.0.1:1', timeout: 1s }}, allow_failure: true"),
            Some("waits for a URL"),
        ),
        (
            format!("{locked}, wait_for: {{ port: '127.0.0.1:1', timeout: 1s }}, allow_failure: true"),
            Some("waits for a port"),
        ),
        (format!("{locked}, wait_for: {{ file: windlass.yml }}"), None),
        (format!("{locked}, secrets: [DEPLOY_TOKEN], when: 'false'"), None),
    ] {
        let (place, base) = repository(&of_step(&keys));
        let given = || {
            let secret = Secret::new("hunter2-hunter2").expect("it is long enough");
            [("DEPLOY_TOKEN".to_owned(), secret)].into()
        };
        let mut trusted = Request::pipeline(Source::Directory(place.work()));
        trusted.secret_sources.given = given();
        let fake = Fake::new();
        let ran = run(&place, trusted, &fake).await.unwrap_or_else(|error| panic!("{keys}: {error}"));
        assert_eq!(ran.state.outcome, Some(Outcome::Passed), "{keys}");
        assert!(fake.specs().iter().all(|spec| !spec.no_new_privileges), "{keys}");

        let mut request = foreign(&place, &base);
        request.secret_sources.given = given();
        let fake = Fake::new();
        let ran = run(&place, request, &fake).await;
        match (ran, refused) {
            (Ok(finished), None) => {
                assert!(matches!(finished.state.outcome, Some(Outcome::Passed | Outcome::Skipped)), "{keys}");
                let specs = fake.specs();
                assert!(specs.iter().all(|spec| spec.no_new_privileges && spec.secrets.is_empty()), "{keys}");
                let notes = &finished.state.header.as_ref().expect("it began").notes;
                assert!(notes.iter().any(|note| note.starts_with("the source is not trusted")), "{notes:?}");
            }
            (Err(NotRun { error: error @ RunError::Refused { .. }, .. }), Some(words)) => {
                assert!(error.to_string().contains(words), "{keys}: {error}");
                assert!(fake.calls().is_empty(), "{keys}: nothing was asked of the backend");
            }
            (Ok(_), Some(_)) => panic!("{keys}: it ran"),
            (Err(error), _) => panic!("{keys}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_host_image_is_named_as_what_takes_trust() {
    let (place, base) = repository(&of_step("image: host, run: 'true'"));
    let error = run(&place, foreign(&place, &base), &Fake::new()).await.expect_err("it is refused").error;
    assert!(error.to_string().contains("step `a` runs on `host`"), "{error}");
    assert!(error.help().is_some_and(|help| help.contains("no `host`")));
}

#[tokio::test(start_paused = true)]
async fn the_pipeline_and_what_it_includes_are_those_of_the_base() {
    let good = format!(
        "include: [ci/steps.yml]\nstages: [{{ name: s, steps: [{{ name: a, template: t }}] }}]\nx-image: {DIGEST}\n"
    );
    let template =
        |text: &str| format!("templates: [{{ name: t, image: 'busybox@{DIGEST}', run: echo {text} }}]\n");
    let place = TestHome::with_pipeline(&good);
    std::fs::create_dir(place.work().join("ci")).expect("the directory is ours");
    place.write("ci/steps.yml", &template("base"));
    git(&place, &["init", "--quiet", "--initial-branch=main"]);
    git(&place, &["add", "."]);
    git(&place, &["commit", "--quiet", "--message", "base"]);
    let base = git(&place, &["rev-parse", "HEAD"]);
    // The fork's commit, and what lies about in its tree, say otherwise.
    place.write("ci/steps.yml", &template("fork"));
    place.write("windlass.yml", &of_step("image: evil, run: echo fork, secrets: [DEPLOY_TOKEN]"));
    git(&place, &["commit", "--quiet", "--all", "--message", "fork"]);
    place.write(".windlass.yml", "stages: none of it is even read");
    let head = git(&place, &["rev-parse", "HEAD"]);
    let url = Source::parse(&format!("file://{}", place.work().display()));
    for source in [Source::Directory(place.work()), url] {
        let target = Target::Pipeline { source, file: None };
        let fake = Fake::new();
        let request = Request { target, ..foreign(&place, &base) };
        let finished = run(&place, request, &fake).await.expect("it runs");
        assert_eq!(finished.state.outcome, Some(Outcome::Passed));
        let scripts: Vec<String> = fake.specs().iter().map(|spec| format!("{:?}", spec.program)).collect();
        assert!(scripts.len() == 1 && scripts[0].contains("echo base"), "{scripts:?}");
        // What the fork is at is what steps are told.
        assert_eq!(fake.specs()[0].env.get("WINDLASS_GIT_SHA"), Some(&head));
    }
}

#[tokio::test]
async fn a_base_that_is_none_is_an_error_and_a_link_is_no_pipeline() {
    let (place, _) = repository(&of_step("image: x"));
    let zeros = "0".repeat(40);
    for (base, why) in [
        ("main", "40 hexadecimal digits"),
        ("", "40 hexadecimal digits"),
        (zeros.as_str(), "does not have it"),
    ] {
        let error = run(&place, foreign(&place, base), &Fake::new()).await.expect_err("there is none").error;
        let RunError::NoBase { source, .. } = &error else { panic!("{error}") };
        assert!(source.to_string().contains(why), "{base}: {source}");
    }
    std::fs::remove_file(place.work().join("windlass.yml")).expect("it is there");
    std::os::unix::fs::symlink("/etc/passwd", place.work().join("windlass.yml"))
        .expect("the directory is ours");
    git(&place, &["commit", "--quiet", "--all", "--message", "link"]);
    let link = git(&place, &["rev-parse", "HEAD"]);
    let error = run(&place, foreign(&place, &link), &Fake::new()).await.expect_err("it is a link").error;
    assert!(matches!(error, RunError::Find(_)), "{error}");
}

#[tokio::test]
async fn settings_do_not_count_and_nothing_runs_in_place() {
    let (place, base) = repository(&of_step(&format!("image: 'busybox@{DIGEST}'")));
    let work = place.work().canonicalize().expect("it is there").display().to_string();
    let allow = Allow { source: work, image: DIGEST.to_owned(), privileged: true, ..Allow::default() };
    let settings = Settings { allow: vec![allow], ..Settings::default() };
    let fake = Fake::new();
    for request in [foreign(&place, &base), Request::pipeline(Source::Directory(place.work()))] {
        run(&place, Request { settings: settings.clone(), ..request }, &fake).await.expect("it runs");
    }
    let allowed: Vec<usize> = fake.policies().iter().map(|policy| policy.allowances.len()).collect();
    assert_eq!(allowed, [0, 1]);
    let in_place = Target::Pipeline { source: Source::InPlace(place.work()), file: None };
    let request = Request { target: in_place, ..foreign(&place, &base) };
    let error = run(&place, request, &fake).await.expect_err("it is refused").error;
    assert!(matches!(&error, RunError::Refused { what, .. } if what.contains("in place")), "{error}");
}
