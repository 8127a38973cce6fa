//! Every way a step can end, and its one reason (rows F9, F10, F12–F14, F22).

use sha2::{Digest, Sha256};

use crate::bed::{Bed, IMAGE, Ran, docker_host};

#[track_caller]
fn ends(keys: &str, reason: &str) -> Ran {
    let bed = Bed::with_step(keys);
    let ran = bed.windlass(&["run", "--output", "json"]);
    assert_eq!(ran.ends()["unit"], reason, "{}\n{}", ran.stdout, ran.stderr);
    bed.assert_clean();
    ran
}

#[test]
fn exit_codes_are_kept() {
    for code in [1, 2, 125, 126, 127, 128, 137, 143, 255] {
        let ran = ends(&format!("run: exit {code}"), "failed exit_code");
        assert_eq!(ran.end_of("unit")["exit_code"], code);
        let _ran = ran.code(1);
    }
    let _ran = ends("run: exit 0", "passed -").code(0);
}

#[test]
fn signals_are_told_apart_from_codes() {
    for signal in [1, 2, 6, 9, 11, 15] {
        let ran = ends(&format!("command: [sh, -c, 'kill -{signal} $$']"), "failed signal");
        assert_eq!(ran.end_of("unit")["signal"], signal);
    }
}

#[test]
fn what_cannot_be_started_says_so() {
    let ran = ends("command: [no-such-program]", "failed could_not_start").code(1);
    assert!(ran.end_of("unit")["message"].as_str().unwrap().contains("`no-such-program` is not in the PATH"));
    let _ran = ends("command: [/etc/passwd]", "failed could_not_start");
    let _ran = ends("run: true, shell: [zsh]", "failed could_not_start");
    // A shell that does not find a program is a program that ended.
    let _ran = ends("run: no-such-program", "failed exit_code");
}

#[test]
fn an_image_without_anything_to_run_says_so() {
    let script = "tar --create --files-from /dev/null | docker import - windlass/empty";
    let mut command = std::process::Command::new("sh");
    assert!(command.env("DOCKER_HOST", docker_host()).args(["-c", script]).status().unwrap().success());
    let bed = Bed::new("stages: [{ name: test, steps: [{ name: unit, image: windlass/empty }] }]\n");
    let ran = bed.windlass(&["run", "--output", "json"]).code(1);
    assert_eq!(ran.ends()["unit"], "failed could_not_start");
    assert!(ran.end_of("unit")["message"].as_str().unwrap().contains("nothing to run"), "{}", ran.stdout);
    bed.assert_clean();
}

#[test]
fn an_image_without_a_shell_needs_none() {
    let step = |name: &str, keys: &str| format!("{{ name: {name}, image: windlass/bare{keys} }}");
    let steps =
        [step("own", ""), step("command", ", command: [/echo, by command]"), step("shell", ", run: echo")];
    let bed =
        Bed::new(&format!("stages: [{{ name: test, fail_fast: false, steps: [{}] }}]\n", steps.join(", ")));
    let ran = bed.windlass(&["run", "--output", "json"]).code(1);
    let ends = ran.ends();
    assert_eq!(
        (&*ends["own"], &*ends["command"], &*ends["shell"]),
        ("passed -", "passed -", "failed could_not_start")
    );
    bed.assert_clean();
}

#[test]
fn an_image_for_another_processor_says_so() {
    let bed = Bed::new(
        "stages: [{ name: test, steps: [{ name: unit, image: \"windlass/busybox:foreign\", run: echo }] }]\n",
    );
    let ran = bed.windlass(&["run", "--output", "json"]).code(1);
    assert_eq!(ran.ends()["unit"], "failed image_wrong_platform");
    bed.assert_clean();
}

#[test]
fn a_timeout_is_a_timeout_even_when_term_is_ignored() {
    let _ran = ends("run: sleep 60, timeout: 1s", "failed timeout");
    let _ran = ends("run: \"trap '' TERM; sleep 60\", timeout: 1s", "failed timeout");
}

#[test]
fn output_that_is_held_open_does_not_hold_the_step() {
    let ran = ends("run: (setsid sleep 600 &) ; echo done", "passed -");
    assert_eq!(ran.end_of("unit")["usage"]["leaky"], true);
}

#[test]
fn out_of_memory_is_seen_with_limit_and_peak() {
    let limit = "resources: { memory: 32Mi }";
    let ran = ends(&format!("command: [tail, /dev/zero], {limit}"), "failed out_of_memory");
    let message = ran.end_of("unit")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("limit 32Mi") && message.contains("peak"), "{message}");
    let _ran = ends(&format!("run: tail /dev/zero, {limit}"), "failed out_of_memory");
}

#[test]
fn a_child_killed_for_memory_does_not_fail_a_step_that_goes_on() {
    let keys = "resources: { memory: 32Mi }, run: tail /dev/zero || true";
    let ran = ends(keys, "passed -").code(0);
    assert!(ran.end_of("unit")["usage"]["oom_kills"].as_u64().unwrap() >= 1);
    let message = ran.end_of("unit")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("want of memory"), "{message}");
}

#[test]
fn a_137_without_want_of_memory_is_an_exit_code() {
    let _ran = ends("run: sh -c 'kill -9 $$'", "failed exit_code");
}

#[test]
fn bytes_are_stored_as_they_were_printed() {
    let long = "head -c 3000000 /dev/zero | tr '\\0' x";
    for script in [
        "printf 'no newline at the end'",
        "printf 'a\\0b\\0\\0c\\n\\0'",
        "printf '\\377\\376bad\\200utf8\\n'",
        "printf 'one\\rtwo\\rthree\\n'",
        "true",
        long,
        "head -c 2000000 /dev/urandom",
        "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done",
    ] {
        let bed = Bed::with_script(&format!("{{ {script}; }} | tee /tmp/out; sha256sum < /tmp/out"));
        let ran = bed.windlass(&["run", "--output", "json"]).code(0);
        let log = bed.log("unit");
        // The sum came out last.
        let (printed, sum) = log.split_at(log.len() - 64 - "  -\n".len());
        let found: String = Sha256::digest(printed).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(&sum[..64], found.as_bytes(), "{script}");
        let whole: String = Sha256::digest(&log).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(ran.end_of("unit")["usage"]["log_sha256"], whole.as_str(), "{script}");
        bed.assert_clean();
    }
}

#[test]
fn what_goes_beyond_the_log_limit_is_counted() {
    let bed = Bed::with_script("i=0; while [ $i -lt 10000 ]; do echo line $i; i=$((i+1)); done");
    let ran = bed.windlass(&["run", "--output", "json", "--log-limit", "16Ki"]).code(0);
    let log = bed.log("unit");
    let usage = ran.end_of("unit")["usage"].clone();
    let (kept, lines) = (log.len() as u64, log.iter().filter(|byte| **byte == b'\n').count() as u64);
    assert!(log.ends_with(b"\n") && kept <= 16 << 10);
    assert_eq!(usage["dropped_bytes"].as_u64().unwrap() + kept, usage["log_bytes"].as_u64().unwrap());
    assert_eq!(usage["dropped_lines"].as_u64().unwrap() + lines, 10_000);
    bed.assert_clean();
}

#[test]
fn the_failing_step_stands_in_the_last_lines() {
    let bed = Bed::new(&format!(
        "stages:\n\
         - name: test\n\
         \x20 steps:\n\
         \x20 - {{ name: good, image: {IMAGE}, run: sleep 30, after: always }}\n\
         \x20 - {{ name: bad, image: {IMAGE}, run: 'echo test it_adds ... FAILED; echo left 3 right 4; exit 101' }}\n\
         - {{ name: later, steps: [{{ name: never, image: {IMAGE}, run: echo never }}] }}\n"
    ).replace("sleep 30", "sleep 1"));
    let ran = bed.windlass(&["run"]).code(1);
    let tail = ran.stdout.lines().rev().take(12).collect::<Vec<_>>().join("\n");
    for text in ["bad", "exit code 101", "test it_adds ... FAILED", "left 3 right 4"] {
        assert!(tail.contains(text), "no {text:?} in the last lines:\n{}", ran.stdout);
    }
    bed.assert_clean();
}
