//! L19: services start with the first step of their scope, end with the last, and fail what they serve.

use super::*;
use crate::backend::fake::{FakeImage, FakeStart};
use crate::backend::{How, StartError};
use crate::plan::{Image, OnExit, Probe, Program, Ready, Scope, Service};

const SERVER: &str = "httpd -f -p 80 -h /etc";

fn service(name: &str, body: &str, probe: Probe) -> Service {
    Service {
        name: name.to_owned(),
        aliases: vec![],
        image: Image::Reference("server".into()),
        program: Program::Command(vec!["sh".into(), "-c".into(), body.into()]),
        env: [].into(),
        mounts: vec![],
        on_exit: OnExit::Fail,
        ready: Some(Ready { probe, timeout: Duration::from_secs(30) }),
        resources: crate::plan::Resources::default(),
    }
}

fn scope(services: impl IntoIterator<Item = Service>) -> Scope {
    Scope { services: services.into_iter().collect(), ..Scope::default() }
}

/// The step, in a scope.
fn within(scope: &str, step: Step) -> Step {
    Step { scope: Some(scope.to_owned()), ..step }
}

/// A plan of one stage whose steps share a scope of these services.
fn serving(services: impl IntoIterator<Item = Service>, steps: impl IntoIterator<Item = Step>) -> Plan {
    let mut plan = plan([stage("s", steps.into_iter().map(|step| within("all", step)))]);
    plan.scopes.insert("all".to_owned(), scope(services));
    plan
}

fn message(ran: &Ran, step: &str) -> String {
    ran.state.steps[&id(step)].end.as_ref().and_then(|end| end.message.clone()).unwrap_or_default()
}

fn story(ran: &Ran) -> String {
    ran.story().join(", ")
}

const ASK: &str = "wget -q -O - http://db:80/hostname";

#[tokio::test(start_paused = true)]
async fn a_step_runs_when_its_services_are_ready_and_reaches_them_by_name() {
    let slow = service("db", &format!("sleep 5; {SERVER}"), Probe::Port(80));
    let mut alias = service("cache", SERVER, Probe::Http { port: 80, path: "/hostname".to_owned() });
    alias.aliases = vec!["redis".to_owned()];
    let both = format!("{ASK}\nwget -q -O - http://redis:80/hostname");
    let ran = setup(serving([slow, alias], [script("a", &both)])).run().await;
    assert_eq!(
        story(&ran),
        "run started, a.cache started, a.db started, a.cache ready, a.db ready, stage s started, a started, \
         a passed, stage s passed, run passed"
    );
    assert_eq!(ran.printed("a"), "windlass\nwindlass\n");
    assert!(ran.took >= Duration::from_secs(5) && ran.took < Duration::from_secs(6), "{:?}", ran.took);
    let ends = ran.fake.calls().into_iter().filter(|call| matches!(call, Call::Ended(_, _, How::Stopped)));
    assert_eq!(ends.count(), 2, "they end with the last step");
}

#[tokio::test(start_paused = true)]
async fn services_are_told_of_those_of_their_scope_and_of_wider_ones_when_all_are_somewhere() {
    let get = |name: &str| {
        Probe::Command(
            ["wget", "-q", "-O", "-", &format!("http://{name}:80/hostname")].map(str::to_owned).to_vec(),
        )
    };
    let mut plan = serving([], [script("a", ASK)]);
    // Each waits for the other, and one is started long after the other.
    let pair = [service("db", SERVER, get("web")), service("web", SERVER, get("db"))];
    plan.scopes.insert("all".to_owned(), Scope { within: Some("wide".to_owned()), ..scope(pair) });
    let apart = service(
        "wide",
        "wget -q -O - http://db:80/hostname || echo apart; sleep 600",
        Probe::Log("apart".to_owned()),
    );
    plan.scopes.insert("wide".to_owned(), scope([apart]));
    let slow = Fake::new().image("slow", FakeImage::Fetched(Duration::from_secs(5)));
    plan.scopes.get_mut("all").expect("it is there").services[1].image = Image::Reference("slow".into());
    let ran = setup(plan).fake(slow).run().await;
    assert_eq!(ran.ends(), "a passed");
    let began =
        |name: &str| ran.fake.timed_calls().into_iter().find(|(_, call)| *call == Call::Began(id(name), 1));
    assert!(
        began("a.db").is_some_and(|(at, _)| at >= Duration::from_secs(5)),
        "it is held until the other has an address"
    );
    assert!(
        began("a.wide").is_some_and(|(at, _)| at < Duration::from_secs(5)),
        "nobody waits for a narrower scope"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_goes_without_one_that_fails_and_ends_while_it_waits_for_one_that_never_comes() {
    let error = StartError { reason: Reason::Quota, message: "said the daemon".to_owned() };
    let pair = || [service("db", SERVER, Probe::Port(80)), service("web", SERVER, Probe::Port(80))];
    let fails = Fake::new().starts("a.db", [FakeStart::Fails(error)]);
    let ran = setup(serving(pair(), [script("a", "true")])).fake(fails).run().await;
    assert_eq!(ran.ends(), "a lost quota");
    let never = Fake::new().starts("a.db", [FakeStart::Never]);
    let ran =
        setup(serving(pair(), [script("a", "true")])).fake(never).cancel(2.0, CancelLevel::Stop).run().await;
    assert_eq!((ran.ends().as_str(), ran.took), ("a cancelled cancelled_by_user", Duration::from_secs(2)));
    assert!(!ran.fake.calls().contains(&Call::Began(id("a.web"), 1)), "it was held");
}

#[tokio::test(start_paused = true)]
async fn a_line_of_the_log_or_a_command_says_that_it_is_ready_and_nothing_means_at_once() {
    let line = service(
        "log",
        "echo booting; sleep 3; echo 'now ready to serve'; sleep 600",
        Probe::Log("ready to".to_owned()),
    );
    let command = service("command", "sleep 600", Probe::Command(vec!["true".to_owned()]));
    let none = Service { ready: None, ..service("none", "sleep 600", Probe::Image) };
    let image = service("image", "sleep 600", Probe::Image);
    let ran = setup(serving([line, command, none, image], [script("a", "true")])).run().await;
    assert_eq!(ran.ends(), "a passed");
    assert!(position(&ran.story(), "a.log ready") < position(&ran.story(), "a started"));
    assert!(ran.took >= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_never_ready_fails_what_it_serves_with_its_last_lines() {
    let silent = service("db", "echo starting up; sleep 600", Probe::Port(5432));
    let ran = setup(serving([silent], [script("a", "true"), script("b", "true")])).run().await;
    assert_eq!(ran.ends(), "a failed service_failed, b failed service_failed");
    assert_eq!(
        message(&ran, "b"),
        "service `db` was not ready within 30.0s: nothing accepts connections at port 5432"
    );
    assert!(story(&ran).contains("a.db failed: was not ready within 30.0s"), "{}", story(&ran));
    assert!(story(&ran).contains("[\"starting up\"]"), "{}", story(&ran));
    assert!(!ran.fake.calls().contains(&Call::Began(id("a"), 1)), "no program ran");
    assert_eq!(ran.took, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_early_fails_the_steps_it_serves_and_no_others() {
    let dies = service("db", "sleep 2; echo disk full >&2; exit 3", Probe::Command(vec!["true".to_owned()]));
    let mut plan = serving([dies], [script("a", "sleep 600"), script("b", "sleep 600")]);
    plan.stages[0].on_step_failure = OnStepFailure::GoOn;
    plan.stages[0].steps.push(script("free", "sleep 5"));
    let ran = setup(plan).run().await;
    assert_eq!(ran.ends(), "a failed service_failed, b failed service_failed, free passed");
    assert_eq!(message(&ran, "a"), "service `db` ended early: exit code 3");
    assert!(story(&ran).contains("a.db failed: ended early: exit code 3 [\"disk full\"]"), "{}", story(&ran));
}

#[tokio::test(start_paused = true)]
async fn every_step_it_serves_has_the_same_reason_whoever_ends_first() {
    let dies = service("db", "sleep 2; exit 3", Probe::Image);
    let steps = ["a", "b", "c"].map(|name| script(name, "trap '' TERM\nsleep 600"));
    let ran = setup(serving([dies.clone()], steps)).run().await;
    assert_eq!(ran.ends(), "a failed service_failed, b failed service_failed, c failed service_failed");
    // A program that notices by itself, just before or after us, does not have the last word.
    for program in ["sleep 1.9\nexit 7", "sleep 2\nexit 7", "sleep 2.1\nexit 7"] {
        let ran = setup(serving([dies.clone()], [script("a", program)])).run().await;
        assert_eq!(ran.ends(), "a failed service_failed", "{program}");
    }
    let long_before = setup(serving([dies], [script("a", "exit 7")])).run().await;
    assert_eq!(long_before.ends(), "a failed exit_code");
}

#[tokio::test(start_paused = true)]
async fn an_end_before_it_is_ready_is_said_so_and_may_be_ignored() {
    let gone = service("db", "exit 1", Probe::Port(80));
    let ran = setup(serving([gone.clone()], [script("a", "true")])).run().await;
    assert_eq!(ran.ends(), "a failed service_failed");
    assert_eq!(message(&ran, "a"), "service `db` ended before it was ready: exit code 1");

    let ignored = Service { on_exit: OnExit::Ignore, ..gone };
    let late = Service { on_exit: OnExit::Ignore, ..service("job", "sleep 2; exit 9", Probe::Image) };
    let ran = setup(serving([ignored, late], [script("a", "sleep 5")])).run().await;
    assert_eq!(ran.ends(), "a passed");
    assert!(story(&ran).contains("a.job over: ended early: exit code 9"), "{}", story(&ran));
}

#[tokio::test(start_paused = true)]
async fn what_keeps_a_service_from_starting_is_the_reason() {
    let plan = || serving([service("db", SERVER, Probe::Image)], [script("a", "true")]);
    let error = |reason| StartError { reason, message: "said the daemon".to_owned() };
    let pull = Fake::new().image("server", FakeImage::Fails(error(Reason::ImagePullFailed)));
    let ran = setup(plan()).fake(pull).run().await;
    assert_eq!(ran.ends(), "a lost image_pull_failed");
    assert_eq!(message(&ran, "a"), "service `db` could not be started: said the daemon");
    let start = Fake::new().starts("a.db", [FakeStart::Fails(error(Reason::Quota))]);
    assert_eq!(setup(plan()).fake(start).run().await.ends(), "a lost quota");
    let bug = Fake::new().starts("a.db", [FakeStart::Panics]);
    assert_eq!(setup(plan()).fake(bug).run().await.ends(), "a lost runner_lost");
    let missing = serving([service("db", "true", Probe::Image)], [script("a", "sleep 60")]);
    let mut missing = missing;
    missing.scopes.get_mut("all").expect("it is there").services[0].program =
        Program::Command(vec!["/no/such/program".into()]);
    assert_eq!(setup(missing).run().await.ends(), "a failed could_not_start");
}

#[tokio::test(start_paused = true)]
async fn services_live_from_the_first_step_of_their_scope_to_the_last() {
    let mut plan = plan([
        stage("one", [script("before", "sleep 1")]),
        stage("two", [within("inner", script("a", ASK))]),
        stage(
            "three",
            [
                within("outer", script("b", &format!("{ASK}\nsleep 1"))),
                within("outer", script("skipped", "true")),
            ],
        ),
        stage("four", [script("later", "sleep 1")]),
    ]);
    plan.stages[2].steps[1].condition = Condition::False("no".to_owned());
    plan.scopes.insert("outer".to_owned(), scope([service("db", SERVER, Probe::Port(80))]));
    let inner = scope([service("cache", SERVER, Probe::Port(80))]);
    plan.scopes.insert("inner".to_owned(), Scope { within: Some("outer".to_owned()), ..inner });
    let ran = setup(plan).run().await;
    assert_eq!(
        ran.ends(),
        "before passed, a passed, b passed, skipped skipped condition_false, later passed"
    );
    let calls = ran.fake.calls();
    let at = |call: &Call| calls.iter().position(|made| made == call).unwrap_or_else(|| panic!("{call:?}"));
    let ended = |name: &str| at(&Call::Ended(id(name), 1, How::Stopped));
    assert!(at(&Call::Ended(id("before"), 1, How::Exited(0))) < at(&Call::Started(id("a.db"), 1)));
    assert!(
        ended("a.cache") < at(&Call::Ended(id("b"), 1, How::Exited(0))),
        "with the only step of its scope"
    );
    assert!(at(&Call::Ended(id("b"), 1, How::Exited(0))) < ended("a.db"), "with the last of its scope");
    assert!(ended("a.db") < at(&Call::Ended(id("later"), 1, How::Exited(0))), "and before the run does");
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_the_only_step_has_fresh_services_and_others_are_started_again_once_they_failed() {
    let retried = |name: &str, body: &str| {
        let retry = Retry { max: 1, failure: true, ..Retry::default() };
        Step { retry, ..script(name, body) }
    };
    let db = || service("db", SERVER, Probe::Port(80));
    let ran = setup(serving([db()], [retried("a", "exit 1")])).run().await;
    assert_eq!(ran.ends(), "a failed exit_code");
    let calls = ran.fake.calls();
    assert!(calls.contains(&Call::Began(id("a.db"), 1)) && calls.contains(&Call::Began(id("a.db"), 2)));

    let ran = setup(serving([db()], [retried("a", "exit 1"), after(script("b", "sleep 9"), After::Always)]))
        .run()
        .await;
    assert!(!ran.fake.calls().contains(&Call::Started(id("a.db"), 2)), "others still use it");

    let dies = service("db", "sleep 2; exit 1", Probe::Image);
    let ran = setup(serving([dies], [retried("a", "sleep 1"), retried("b", "sleep 3")])).run().await;
    assert_eq!(ran.ends(), "a passed, b failed service_failed");
    assert!(
        ran.fake.calls().contains(&Call::Began(id("b.db"), 2)),
        "the attempt that asks again gets another"
    );
}

#[tokio::test(start_paused = true)]
async fn time_limits_and_cancels_end_steps_as_ever_and_services_with_them() {
    let db = || service("db", SERVER, Probe::Port(80));
    let mut plan = serving([db()], [script("a", "sleep 600")]);
    plan.stages[0].steps[0].timeout = Duration::from_secs(3);
    let ran = setup(plan).run().await;
    assert_eq!(ran.ends(), "a failed timeout");

    let never = service("db", "sleep 600", Probe::Port(80));
    let waiting = || serving([never.clone()], [script("a", "true")]);
    let ran = setup(waiting()).cancel(2.0, CancelLevel::Stop).run().await;
    assert_eq!((ran.ends().as_str(), ran.took), ("a cancelled cancelled_by_user", Duration::from_secs(2)));
    let ran = setup(waiting()).cancel(2.0, CancelLevel::Kill).run().await;
    assert_eq!(ran.ends(), "a cancelled cancelled_by_user");
    let mut limited = waiting();
    limited.timeout = Duration::from_secs(4);
    assert_eq!(setup(limited).run().await.ends(), "a cancelled run_timeout");
}

#[tokio::test(start_paused = true)]
async fn finally_has_the_services_of_the_pipeline_and_runs_without_those_that_failed() {
    let with_finally = |db: Service, body: &str| {
        let mut plan = serving([db], [script("a", body)]);
        plan.finally =
            Some(stage("finally", [within("all", script("tidy", &format!("{ASK}\necho tidied")))]));
        plan
    };
    let db = service("db", SERVER, Probe::Port(80));
    let ran = setup(with_finally(db, "sleep 600")).cancel(3.0, CancelLevel::Stop).run().await;
    assert_eq!(ran.ends(), "a cancelled cancelled_by_user, tidy passed");
    assert_eq!(ran.printed("tidy"), "windlass\ntidied\n");
    let dies = service("db", "sleep 1; exit 1", Probe::Image);
    let ran = setup(with_finally(dies, "sleep 5")).run().await;
    assert_eq!(ran.ends(), "a failed service_failed, tidy failed exit_code");
}

#[tokio::test(start_paused = true)]
async fn a_container_is_started_ahead_only_when_its_services_are_there() {
    let db = service("db", SERVER, Probe::Port(80));
    let rows = [
        stage("one", [script("a", "sleep 5")]),
        stage("two", [within("all", script("b", &format!("{ASK}\nsleep 5")))]),
    ];
    let mut plan = plan(rows.into_iter().chain([stage("three", [within("all", script("c", ASK))])]));
    plan.scopes.insert("all".to_owned(), scope([db]));
    let ran = setup(plan).run().await;
    assert_eq!(ran.ends(), "a passed, b passed, c passed");
    let calls = ran.fake.calls();
    let at = |call: &Call| calls.iter().position(|made| made == call).unwrap_or_else(|| panic!("{call:?}"));
    assert!(at(&Call::Ended(id("a"), 1, How::Exited(0))) < at(&Call::Started(id("b"), 1)));
    assert!(at(&Call::Started(id("c"), 1)) < at(&Call::Ended(id("b"), 1, How::Exited(0))));
}

#[tokio::test(start_paused = true)]
async fn a_services_output_is_masked_kept_and_no_steps_own() {
    let masker = Masker::new([b"s3cret-token".to_vec()]);
    let loud = service("db", "echo token s3cret-token; sleep 1; exit 1", Probe::Image);
    let ran = Setup { masker, ..setup(serving([loud], [script("a", "sleep 60")])) }.run().await;
    assert_eq!(ran.printed("a"), "");
    assert!(story(&ran).contains("[\"token ***\"]"), "{}", story(&ran));
    let logs = ran.logs.logs.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(logs.get(&(id("a.db"), 1)).map(Vec::as_slice), Some(&b"token ***\n"[..]));
}
