//! The cases.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};

use super::services::{
    a_service_is_ready_when_what_is_asked_of_it_holds, a_service_may_run_the_program_of_its_image,
    a_service_that_ends_is_never_ready_and_its_end_is_told,
    services_are_reached_by_name_each_at_its_own_address, services_reach_one_another_and_themselves_by_name,
    the_end_of_the_program_of_its_image_is_told, the_names_of_a_step_are_not_those_of_the_next_in_its_lane,
};
use super::{Bench, Case, Progress, listen, next_said};
use crate::backend::{ContainerSpec, GivenSecret, Hosts, How, MAX_OUTPUT, ProgramSpec, SecretPlace};
use crate::base::{Reason, Secret};

macro_rules! cases {
    ($($name:ident)*) => { &[$(Case { name: stringify!($name), workspace: None, once: false, run: |bench| $name(bench).boxed() }),*] };
}

pub(super) const CASES: &[Case] = cases! {
    a_program_waits_until_it_is_let_go
    all_output_comes_before_the_end
    exit_codes_come_through_exactly
    a_signal_that_is_not_ours_is_named
    an_executable_that_is_missing_could_not_start
    an_interpreter_that_is_missing_could_not_start
    stop_sends_term
    stop_kills_after_the_grace
    kill_does_not_wait
    kill_hurries_a_stop
    a_time_limit_ends_a_program
    a_time_limit_kills_after_the_grace
    kill_without_go_yields_an_end
    a_dropped_container_ends
    output_beyond_the_limit_is_counted_exactly
    calls_after_the_end_do_nothing
    a_program_gets_what_was_asked_for
    a_secret_is_for_the_program_alone
    a_program_that_may_gain_no_privileges_gains_none
    outputs_come_with_the_end
    containers_run_at_the_same_time
    steps_of_a_lane_run_in_turn
    a_held_container_of_a_lane_goes_when_the_one_before_has_ended
    an_attempt_may_follow_another
    what_the_policy_refuses_is_never_created
    an_image_that_is_nowhere_is_not_found
    an_image_may_be_asked_for_by_many_at_once
    close_takes_what_still_runs
    services_are_reached_by_name_each_at_its_own_address
    services_reach_one_another_and_themselves_by_name
    a_service_is_ready_when_what_is_asked_of_it_holds
    a_service_that_ends_is_never_ready_and_its_end_is_told
    the_names_of_a_step_are_not_those_of_the_next_in_its_lane
    a_service_may_run_the_program_of_its_image
    the_end_of_the_program_of_its_image_is_told
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `seq 1 LAST` prints.
fn numbers(last: u32) -> String {
    (1..=last).fold(String::new(), |lines, number| lines + &format!("{number}\n"))
}

async fn a_program_waits_until_it_is_let_go(bench: &Bench<'_>) {
    let mut started = bench.start(bench.script("held", "echo gone")).await;
    let early = tokio::time::timeout(Duration::from_millis(300), started.progress.next()).await;
    assert!(early.is_err(), "a held program said {early:?}");
    started.control.go(Hosts::new()).await;
    started.control.go(Hosts::new()).await;
    let heard = listen(&mut started).await;
    assert_eq!((text(&heard.stdout).as_str(), heard.ended.how), ("gone\n", How::Exited(0)));
}

async fn all_output_comes_before_the_end(bench: &Bench<'_>) {
    let body = "seq 1 2000\necho to the other stream >&2\nseq 2001 4000\necho 'no secret: $HOME'";
    let heard = bench.complete(bench.script("chatty", body)).await;
    let mut expected = numbers(4000);
    expected.push_str("no secret: $HOME\n");
    assert!(text(&heard.stdout) == expected, "the whole of stdout, in order");
    assert_eq!(text(&heard.stderr), "to the other stream\n");
    assert_eq!(heard.ended.how, How::Exited(0));
    let usage = heard.ended.usage.expect("a backend that saw the end knows the use");
    let printed = u64::try_from(heard.stdout.len() + heard.stderr.len()).expect("a small number");
    assert_eq!((usage.log_bytes, usage.dropped_bytes, usage.dropped_lines), (printed, 0, 0));
    assert_eq!(usage.log_sha256.len(), 64);
}

async fn exit_codes_come_through_exactly(bench: &Bench<'_>) {
    for code in [0, 1, 2, 3, 64, 75, 99, 125, 126, 127, 128, 130, 137, 143, 255] {
        let heard = bench.complete(bench.script(&format!("code-{code}"), &format!("exit {code}"))).await;
        assert_eq!(heard.ended.how, How::Exited(code));
    }
}

async fn a_signal_that_is_not_ours_is_named(bench: &Bench<'_>) {
    for signal in [9, 11, 15] {
        let heard =
            bench.complete(bench.script(&format!("signal-{signal}"), &format!("kill -{signal} $$"))).await;
        assert_eq!(heard.ended.how, How::Signalled(signal));
    }
}

async fn a_program_that_may_gain_no_privileges_gains_none(bench: &Bench<'_>) {
    for (name, no_new_privileges) in [("may", false), ("may-not", true)] {
        let asks = bench.script(name, "grep NoNewPrivs /proc/self/status");
        let heard = bench.complete(ContainerSpec { no_new_privileges, ..asks }).await;
        assert_eq!(text(&heard.stdout), format!("NoNewPrivs:\t{}\n", u8::from(no_new_privileges)));
    }
}

async fn an_executable_that_is_missing_could_not_start(bench: &Bench<'_>) {
    for (name, program) in [("path", "/no/such/program"), ("name", "no-such-program")] {
        let spec = bench.container(name, ProgramSpec::Command(vec![program.to_owned()]));
        let heard = bench.complete(spec).await;
        assert_eq!(heard.ended.how, How::CouldNotStart, "{program}");
        assert!(heard.ended.message.is_some_and(|message| !message.is_empty()));
    }
}

async fn an_interpreter_that_is_missing_could_not_start(bench: &Bench<'_>) {
    let interpreter = vec!["/no/such/shell".to_owned()];
    let program = ProgramSpec::Script { interpreter, body: "echo hi".to_owned(), args: vec![] };
    let heard = bench.complete(bench.container("missing", program)).await;
    assert_eq!(heard.ended.how, How::CouldNotStart);
}

async fn stop_sends_term(bench: &Bench<'_>) {
    let mut spec = bench.script("polite", "echo ready\nsleep 600");
    spec.grace = Duration::from_secs(500);
    let mut started = bench.going(spec).await;
    started.control.stop().await;
    started.control.stop().await;
    assert_eq!(listen(&mut started).await.ended.how, How::Stopped);
}

async fn stop_kills_after_the_grace(bench: &Bench<'_>) {
    let mut started = bench.going(bench.script("stubborn", "trap '' TERM\necho ready\nsleep 600")).await;
    started.control.stop().await;
    assert_eq!(listen(&mut started).await.ended.how, How::Stopped);
}

async fn kill_does_not_wait(bench: &Bench<'_>) {
    let mut spec = bench.script("stubborn", "trap '' TERM\necho ready\nsleep 600");
    spec.grace = Duration::from_secs(500);
    let mut started = bench.going(spec).await;
    started.control.kill().await;
    assert_eq!(listen(&mut started).await.ended.how, How::Stopped);
}

async fn kill_hurries_a_stop(bench: &Bench<'_>) {
    let mut spec = bench.script("stubborn", "trap '' TERM\necho ready\nsleep 600");
    spec.grace = Duration::from_secs(500);
    let mut started = bench.going(spec).await;
    started.control.stop().await;
    started.control.kill().await;
    assert_eq!(listen(&mut started).await.ended.how, How::Stopped);
}

async fn a_time_limit_ends_a_program(bench: &Bench<'_>) {
    let mut spec = bench.script("slow", "echo ready\nsleep 600");
    (spec.timeout, spec.grace) = (Duration::from_secs(20), Duration::from_secs(500));
    let heard = bench.complete(spec).await;
    assert_eq!((text(&heard.stdout).as_str(), heard.ended.how), ("ready\n", How::TimedOut));
}

async fn a_time_limit_kills_after_the_grace(bench: &Bench<'_>) {
    let mut spec = bench.script("stubborn", "trap '' TERM\necho ready\nsleep 600");
    spec.timeout = Duration::from_secs(1);
    assert_eq!(bench.complete(spec).await.ended.how, How::TimedOut);
}

async fn kill_without_go_yields_an_end(bench: &Bench<'_>) {
    let mut started = bench.start(bench.script("unwanted", "echo never")).await;
    started.control.kill().await;
    let heard = listen(&mut started).await;
    assert_eq!((heard.stdout, heard.ended.how), (Vec::new(), How::Stopped));
}

async fn a_dropped_container_ends(bench: &Bench<'_>) {
    let started = bench.going(bench.script("orphan", "echo ready\nsleep 600")).await;
    drop(started);
    // Its name is free again once it has ended, and `close` finds nothing that runs.
    for _ in 0..100 {
        match bench.try_start(bench.script("orphan", "echo again")).await {
            Ok(mut again) => {
                again.control.go(Hosts::new()).await;
                assert_eq!(text(&listen(&mut again).await.stdout), "again\n");
                return;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("a container that nobody listens to runs on");
}

async fn output_beyond_the_limit_is_counted_exactly(bench: &Bench<'_>) {
    let all = numbers(3000);
    let mut spec = bench.script("flood", "seq 1 3000\nexit 3");
    spec.log_limit = 1000;
    let heard = bench.complete(spec).await;
    assert_eq!(heard.ended.how, How::Exited(3), "a flood changes no result");
    let usage = heard.ended.usage.expect("a backend that saw the end knows the use");
    let kept = text(&heard.stdout);
    assert!(kept.len() <= 1000 && all.starts_with(&kept), "what is kept is the beginning");
    let next = all[kept.len()..].split_inclusive('\n').next().unwrap_or_default();
    assert!(kept.ends_with('\n') && kept.len() + next.len() > 1000, "it is cut at a line, and no sooner");
    let length = |text: &str| u64::try_from(text.len()).expect("a small number");
    assert_eq!(usage.log_bytes, length(&all));
    assert_eq!(usage.dropped_bytes, length(&all) - length(&kept));
    let lines = all[kept.len()..].matches('\n').count();
    assert_eq!(usage.dropped_lines, u64::try_from(lines).expect("a small number"));
}

async fn calls_after_the_end_do_nothing(bench: &Bench<'_>) {
    let mut started = bench.start(bench.script("over", "exit 4")).await;
    started.control.go(Hosts::new()).await;
    let heard = listen(&mut started).await;
    started.control.stop().await;
    started.control.kill().await;
    started.control.go(Hosts::new()).await;
    assert_eq!(heard.ended.how, How::Exited(4));
}

async fn a_program_gets_what_was_asked_for(bench: &Bench<'_>) {
    let mut spec = bench.script("asked", "echo \"$WORD\"\npwd\nid -u");
    spec.env = [("WORD".to_owned(), "two  words, 'quoted'".to_owned())].into();
    spec.workdir = Some("/tmp".to_owned());
    spec.user = Some("1234:1234".to_owned());
    let heard = bench.complete(spec).await;
    assert_eq!(text(&heard.stdout), "two  words, 'quoted'\n/tmp\n1234\n", "{}", text(&heard.stderr));

    let words = ["echo", "one", "$WORD", "a b"].map(str::to_owned).to_vec();
    let heard = bench.complete(bench.container("command", ProgramSpec::Command(words))).await;
    assert_eq!(text(&heard.stdout), "one $WORD a b\n", "a command is no shell's");
}

async fn a_secret_is_for_the_program_alone(bench: &Bench<'_>) {
    let secret =
        |value: &str, place| GivenSecret { value: Secret::new(value).expect("it is long enough"), place };
    let body = "echo \"$TOKEN\"\ncat /run/of-its-own/key\necho\nsleep 600";
    let mut spec = bench.script("trusted", body);
    spec.user = Some("1234:1234".to_owned());
    spec.secrets = vec![
        secret("of-the environment xyzzy", SecretPlace::Variable("TOKEN".to_owned())),
        secret("of-the file xyzzy", SecretPlace::File("/run/of-its-own/key".to_owned())),
    ];
    let mut started = bench.start(spec).await;
    let held = bench.harness.inspect().await;
    started.control.go(Hosts::new()).await;
    let mut printed = String::new();
    while !printed.ends_with("of-the file xyzzy\n") {
        match next_said(&mut started).await {
            Some(Progress::Output(_, bytes)) => printed.push_str(&text(&bytes)),
            other => panic!("output was expected, not {other:?} after {printed}"),
        }
    }
    assert_eq!(printed, "of-the environment xyzzy\nof-the file xyzzy\n");
    let running = bench.harness.inspect().await;
    for seen in [held, running] {
        assert!(seen.contains("trusted"), "the container is seen: {seen}");
        assert!(!seen.contains("xyzzy"), "{seen}");
    }
    started.control.kill().await;
    assert_eq!(listen(&mut started).await.ended.how, How::Stopped);
}

async fn outputs_come_with_the_end(bench: &Bench<'_>) {
    let body = "echo \"one=1 and a half\" >> \"$WINDLASS_OUTPUT\"\necho \"two<<END\" >> \"$WINDLASS_OUTPUT\"\nexit 3";
    let mut spec = bench.script("writer", body);
    spec.user = Some("1234:1234".to_owned());
    let ended = bench.complete(spec).await.ended;
    assert_eq!((text(&ended.output).as_str(), ended.how), ("one=1 and a half\ntwo<<END\n", How::Exited(3)));

    let ended = bench.complete(bench.script("silent", "echo printed")).await.ended;
    assert_eq!((ended.output, ended.how), (Vec::new(), How::Exited(0)), "each has a file of its own");

    let line = "x".repeat(1 << 16);
    let body = format!("echo {line} >> \"$WINDLASS_OUTPUT\"\n").repeat(20);
    let ended = bench.complete(bench.script("endless", &body)).await.ended;
    assert_eq!((ended.output.len(), ended.how), (MAX_OUTPUT + 1, How::Exited(0)), "too much is seen as such");
}

async fn containers_run_at_the_same_time(bench: &Bench<'_>) {
    let (one, two) = tokio::join!(
        bench.going(bench.script("one", "echo ready\nsleep 600")),
        bench.going(bench.script("two", "echo ready\nsleep 600")),
    );
    for mut started in [one, two] {
        started.control.kill().await;
        assert_eq!(listen(&mut started).await.ended.how, How::Stopped);
    }
}

async fn steps_of_a_lane_run_in_turn(bench: &Bench<'_>) {
    for name in ["first", "second", "third"] {
        let mut spec = bench.script(name, &format!("echo {name}"));
        spec.lane = Some(0);
        assert_eq!(text(&bench.complete(spec).await.stdout), format!("{name}\n"));
    }
}

async fn a_held_container_of_a_lane_goes_when_the_one_before_has_ended(bench: &Bench<'_>) {
    let mut spec = bench.script("first", "echo ready\nsleep 1");
    spec.lane = Some(0);
    let mut first = bench.going(spec).await;
    let mut spec = bench.script("second", "echo second");
    spec.lane = Some(0);
    let mut second = bench.start(spec).await;
    assert_eq!(listen(&mut first).await.ended.how, How::Exited(0));
    second.control.go(Hosts::new()).await;
    assert_eq!(text(&listen(&mut second).await.stdout), "second\n");
}

async fn an_attempt_may_follow_another(bench: &Bench<'_>) {
    for attempt in 1..=2 {
        let mut spec = bench.script("again", "exit 1");
        spec.attempt = attempt;
        assert_eq!(bench.complete(spec).await.ended.how, How::Exited(1));
    }
}

async fn what_the_policy_refuses_is_never_created(bench: &Bench<'_>) {
    let asks: [fn(&mut ContainerSpec); 8] = [
        |spec| spec.privileges.privileged = true,
        |spec| spec.privileges.host_network = true,
        |spec| spec.privileges.host_mounts = vec!["/:/host".to_owned()],
        |spec| spec.privileges.capabilities = vec!["SYS_ADMIN".to_owned()],
        |spec| spec.privileges.devices = vec!["/dev/kvm".to_owned()],
        |spec| spec.privileges.security_options = vec!["seccomp=unconfined".to_owned()],
        |spec| spec.workdir = Some("/proc/self/fd/8".to_owned()),
        |spec| spec.resources.pids = None,
    ];
    let before = bench.ledger.open_objects();
    for (number, ask) in asks.into_iter().enumerate() {
        let mut spec = bench.script(&format!("greedy-{number}"), "echo created");
        ask(&mut spec);
        let error = bench.session.start(spec).await.err().expect("the policy refuses it");
        assert_eq!(error.reason, Reason::CouldNotStart);
        assert!(error.message.contains(&format!("step `greedy-{number}`")), "{}", error.message);
        assert_eq!(bench.ledger.open_objects(), before, "nothing was even intended");
    }
}

async fn an_image_that_is_nowhere_is_not_found(bench: &Bench<'_>) {
    let error = bench.session.image(&bench.harness.missing_image().as_str().into(), &|_| {}).await;
    assert_eq!(error.expect_err("there is no such image").reason, Reason::ImageNotFound);
}

async fn an_image_may_be_asked_for_by_many_at_once(bench: &Bench<'_>) {
    let image = bench.harness.image().as_str().into();
    let asked = (0..8).map(|_| bench.session.image(&image, &|_| {}));
    assert!(futures_util::future::join_all(asked).await.iter().all(Result::is_ok));
}

async fn close_takes_what_still_runs(bench: &Bench<'_>) {
    let running = bench.going(bench.script("running", "echo ready\nsleep 600")).await;
    let held = bench.start(bench.script("held", "echo never")).await;
    assert_eq!(bench.session.close().await, Vec::<String>::new());
    for mut started in [running, held] {
        assert!(!matches!(listen(&mut started).await.ended.how, How::Exited(_)));
    }
}
