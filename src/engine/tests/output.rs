//! What becomes of output.

use super::*;

fn one(body: &str) -> Setup {
    setup(plan([stage("s", [script("a", body)])]))
}

fn log(ran: &Ran, step: &str) -> String {
    let logs = ran.logs.logs.lock().expect("no test panics in here");
    logs.get(&(id(step), 1)).map(|log| String::from_utf8_lossy(log).into_owned()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn output_is_in_the_log_where_its_events_say() {
    let ran = one("echo one\necho two >&2\nseq 1 500").run().await;
    let log = log(&ran, "a");
    assert_eq!(ran.printed("a"), log);
    assert!(log.starts_with("one\ntwo\n1\n") && log.ends_with("500\n"));
    let mut end = 0;
    for event in &ran.events {
        if let EventKind::Output(output) = &event.kind {
            assert_eq!(output.offset, end);
            end += output.len;
            assert_eq!(output.len, output.data.len() as u64);
        }
    }
    assert_eq!(ran.state.steps[&id("a")].attempts[0].log_bytes, end);
}

#[tokio::test(start_paused = true)]
async fn secrets_are_hidden_in_output_and_in_log() {
    let masker = Masker::new([b"hunter2-hunter2".to_vec()]);
    let ran = Setup { masker, ..one("echo the word is hunter2-hunter2\necho over") }.run().await;
    assert!(!ran.printed("a").contains("hunter2") && ran.printed("a").ends_with("over\n"));
    assert_eq!(log(&ran, "a"), ran.printed("a"));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_one_warning_and_no_failure() {
    let logs = MemoryLogs { room: Some(4), ..MemoryLogs::default() };
    let ran = Setup { logs, ..one("echo one\necho two\necho three") }.run().await;
    assert_eq!(ran.verdict(), "passed");
    assert_eq!((ran.printed("a").as_str(), log(&ran, "a").as_str()), ("one\ntwo\nthree\n", "one\n"));
    let warnings = &ran.state.warnings;
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("the log of step `a` is not complete"),
        "{warnings:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn big_output_comes_in_bounded_pieces() {
    let line = "x".repeat(200 * 1024);
    let ran = one(&format!("echo {line}")).run().await;
    let pieces: Vec<usize> = ran
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Output(output) => Some(output.data.len()),
            _ => None,
        })
        .collect();
    assert_eq!(pieces.iter().sum::<usize>(), line.len() + 1);
    assert!(pieces.iter().all(|piece| *piece <= 64 * 1024), "{pieces:?}");
}

#[tokio::test(start_paused = true)]
async fn durations_are_from_go_to_the_end() {
    let fake = Fake::new().start_takes(Duration::from_secs(7));
    let ran = one("sleep 3").fake(fake).run().await;
    assert_eq!(ran.state.steps[&id("a")].end.as_ref().map(|end| end.duration_ms), Some(3000));
}
