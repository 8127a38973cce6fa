//! What holds after every run, whatever was done to it: nothing is left, no log has a hole, no secret is anywhere,
//! and there is exactly one end of everything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bed::{Bed, Ran, docker_host, full, until};

/// In the environment of every run, and never to be found anywhere.
pub const CANARY: &str = "canary-5b1f0c9de7";

/// How often a fault is done of which the reason is known: `WINDLASS_TEST_REPEAT` times, else 100 in full.
pub fn repeats() -> usize {
    let asked = std::env::var("WINDLASS_TEST_REPEAT").ok();
    let often = if full() { 100 } else { 1 };
    asked.map_or(often, |text| text.parse().expect("WINDLASS_TEST_REPEAT is a number")).max(1)
}

/// All of a sweep in full, else about so many of it, spread evenly, and not always on the same foot.
pub fn sample<T>(all: Vec<T>, count: usize) -> Vec<T> {
    let every = if full() { 1 } else { all.len().div_ceil(count) | 1 };
    all.into_iter().skip(every / 2).step_by(every).collect()
}

/// Does it to all of them, some at a time; what came of each, in their order.
pub fn at_once<T: Send, R: Send>(all: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let count = all.len();
    let queue = std::sync::Mutex::new(all.into_iter().enumerate());
    let done = std::sync::Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..count.min(4) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((number, item)) = next else { return };
                    let result = work(item);
                    done.lock().unwrap().insert(number, result);
                }
            });
        }
    });
    done.into_inner().unwrap().into_values().collect()
}

/// Numbered lines of shell, each with a sum, and a last one without its end.
pub fn numbered(lines: usize, pause: &str) -> String {
    format!(
        "i=1; while [ $i -le {lines} ]; do echo \"$i $((i * 7919 % 1000003)) ø\"; i=$((i+1)); {pause} done; printf 'the end'"
    )
}

/// What [`numbered`] prints.
pub fn numbers(lines: usize) -> String {
    let lines = (1..=lines).map(|i| format!("{i} {} ø\n", i * 7919 % 1_000_003));
    lines.chain(["the end".to_owned()]).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Bed {
    /// All checks, for a run with `--output json`.
    #[track_caller]
    pub fn assert_sound(&self, ran: &Ran) {
        self.assert_sound_on(&docker_host(), ran);
    }

    /// Likewise, on another engine.
    #[track_caller]
    pub fn assert_sound_on(&self, engine: &str, ran: &Ran) {
        self.assert_clean_on(engine);
        self.assert_no_secret(ran);
        assert_one_end(ran);
        self.assert_logs(ran);
    }

    /// What steps printed is what was stored, for each whose end was told.
    #[track_caller]
    fn assert_logs(&self, ran: &Ran) {
        for event in ran.events() {
            let (step, end) = (&event["event"]["step"], &event["event"]["end"]);
            if event["event"]["type"] == "step_ended"
                && let Some(sum) = end["usage"]["log_sha256"].as_str()
            {
                assert_eq!(
                    sha256(&self.log(step.as_str().unwrap())),
                    sum,
                    "the log of {step}\n{}",
                    ran.stdout
                );
            }
        }
    }

    /// The environment of the caller is in no output, record or ledger.
    #[track_caller]
    pub fn assert_no_secret(&self, ran: &Ran) {
        assert!(!ran.stdout.contains(CANARY) && !ran.stderr.contains(CANARY), "{}{}", ran.stdout, ran.stderr);
        for file in files(&self.home().join("runs")) {
            let bytes = fs::read(&file).unwrap();
            let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!found, "a secret is in {}", file.display());
        }
    }

    /// No process works for this place any more, as soon as what a run has just ended is gone.
    #[track_caller]
    pub fn assert_no_process(&self) {
        let home = format!("WINDLASS_HOME={}", self.home().display());
        let is_ours = |process: fs::DirEntry| {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == home.as_bytes())
        };
        until(&format!("no process has {home}"), || {
            !fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(is_ours)
        });
    }
}

/// Every step has one end, with the reason of its last attempt; the run has one, and nothing follows it.
#[track_caller]
pub fn assert_one_end(ran: &Ran) {
    let events = ran.events();
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    let mut attempts: BTreeMap<String, Value> = BTreeMap::new();
    for event in events.iter().map(|event| &event["event"]) {
        let step = event["step"].as_str().unwrap_or_default().to_owned();
        match event["type"].as_str().unwrap() {
            "attempt_ended" => drop(attempts.insert(step, event["end"]["reason"].clone())),
            "step_ended" => {
                if let Some(reason) = attempts.get(&step) {
                    assert_eq!(*reason, event["end"]["reason"], "{step}\n{}", ran.stdout);
                }
                *ends.entry(step).or_default() += 1;
            }
            _ => {}
        }
    }
    assert!(ends.values().all(|count| *count == 1), "{ends:?}\n{}", ran.stdout);
    let last = events.iter().position(|event| event["event"]["type"] == "run_ended");
    assert_eq!(last, events.len().checked_sub(1), "one end of the run, and it is the last: {}", ran.stdout);
}

fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).into_iter().flatten().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}
