//! Secrets of steps, from the command line to a backend in memory.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use futures_util::FutureExt;
use windlass::backend::Backend;
use windlass::backend::fake::{Call, Fake};
use windlass::base::{Outcome, Secret};
use windlass::engine;
use windlass::runner::{Class, Connecting, Finished, Home, NotRun, Request, SecretSources, Source, prepare};

use crate::support::TestHome;

const PIPELINE: &str = "\
secrets: [TOKEN, OTHER, UNUSED, { name: PIN, mask: false }]
defaults: { image: busybox }
stages:
  - name: s
    steps:
      - { name: a, run: echo $TOKEN, secrets: [TOKEN] }
      - { name: b, run: cat /run/other, secrets: [{ name: OTHER, file: /run/other }] }
      - { name: c, run: echo $PIN, secrets: [PIN] }
";

async fn run(place: &TestHome, fake: &Fake, sources: SecretSources) -> Result<Finished, NotRun> {
    let home = Home::at(&place.state()).expect("the place is ours");
    let mut request = Request::pipeline(Source::Directory(place.work()));
    request.secret_sources = sources;
    let (_handle, cancel) = engine::cancel();
    let backend: Arc<dyn Backend> = Arc::new(fake.clone());
    let connecting: Connecting = async move { Ok(backend) }.boxed();
    prepare(&home, request, connecting, cancel).await?.run(Vec::new()).await
}

#[tokio::test]
async fn all_that_are_missing_are_one_error_before_anything_starts() {
    let place = TestHome::with_pipeline(PIPELINE);
    let fake = Fake::new();
    let not_run = run(&place, &fake, SecretSources::default()).await.expect_err("nothing is given");
    let says = not_run.error.to_string();
    for name in ["`OTHER` of step `b`", "`PIN` of step `c`", "`TOKEN` of step `a`"] {
        assert!(says.contains(name), "{says}");
    }
    assert!(!says.contains("UNUSED"), "no step gets it: {says}");
    assert_eq!(not_run.error.class(), Some(Class::Usage));
    let help = not_run.error.help().expect("there are ways to give it");
    for way in ["environment variable", "--secret-file", "settings", "terminal"] {
        assert!(help.contains(way), "{help}");
    }
    assert!(fake.calls().is_empty(), "{:?}", fake.calls());
    assert!(place.leftovers().is_empty(), "{:?}", place.leftovers());
}

#[tokio::test]
async fn a_step_gets_them_and_the_record_does_not() {
    let place = TestHome::with_pipeline(PIPELINE);
    let fake = Fake::new();
    let given = [("TOKEN", "hunter2-hunter2"), ("OTHER", "correct-horse"), ("PIN", "1234")];
    let given = given.map(|(name, value)| (name.to_owned(), Secret::unmasked(value))).into();
    let finished = run(&place, &fake, SecretSources { given, ..SecretSources::default() }).await;
    let finished = finished.expect("all is given");
    assert_eq!(finished.state.outcome, Some(Outcome::Passed));
    assert_eq!(fake.calls().iter().filter(|call| matches!(call, Call::Began(..))).count(), 3);
    let record = place.state().join("runs").join(finished.run.as_str());
    let read = |file: &str| fs::read_to_string(record.join(file)).expect("it is in the record");
    assert_eq!((read("logs/a.1.log"), read("logs/b.1.log")), ("***\n".to_owned(), "***".to_owned()));
    assert_eq!(read("logs/c.1.log"), "1234\n", "it is not to be hidden");
    let all = read("plan.json") + &read("events.ndjson");
    assert!(!all.contains("hunter2") && !all.contains("correct-horse"), "{all}");
}

#[test]
fn a_file_of_secrets_that_is_no_good_is_said_at_once() {
    let place = TestHome::with_pipeline(PIPELINE);
    let file = |text: &str, mode: u32| {
        place.write("secrets", text);
        let path = place.work().join("secrets");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("the file is ours");
        place.run(&["run", "--secret-file", "secrets"])
    };
    file("TOKEN=hunter2-hunter2\nhunter3-hunter3\n", 0o600).code(2).stderr(
        "error: in the secrets of `secrets` line 2 is neither `KEY=value` nor `KEY<<END`\n\
         help: write NAME=value, or NAME<<END, the lines of the value, and END on a line of its own; `#` begins a comment\n",
    );
    file("TOKEN=hunter2-hunter2\n", 0o644)
        .code(2)
        .says(&["can be read or changed by other users", "chmod 600"]);
    place.run(&["run", "--secret-file", "missing"]).code(2).says(&["cannot read the secrets in `missing`"]);
}
