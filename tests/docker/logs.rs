//! Logs: complete, in order, byte for byte, within bounds of memory and disk (rows F22, F33), and
//! without secrets (goal D3).
//!
//! An ordinary run is scaled down; `WINDLASS_TEST_FULL=1` has 1 GB, ten million lines, and a line of
//! 100 MB.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bed::{Bed, IMAGE, full, peak};

/// What a runner may take, whatever is printed.
const MEMORY: u64 = 64 << 20;

/// A number for ordinary runs, and one for complete ones.
fn scaled(ordinary: u64, complete: u64) -> u64 {
    if full() { complete } else { ordinary }
}

/// What somebody does who reads the run's standard output.
#[derive(Clone, Copy, Debug)]
enum Viewer {
    Reads,
    NeverReads,
}

/// A run that ended, and what it took.
struct Watched {
    code: Option<i32>,
    /// Highest resident memory of the runner, in bytes.
    memory: u64,
    took: Duration,
    run: PathBuf,
}

fn watch(bed: &Bed, arguments: &[&str], viewer: Viewer) -> Watched {
    let start = Instant::now();
    let before = runs(bed);
    let mut child = bed.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let reader = match viewer {
        Viewer::Reads => Some(std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()))),
        Viewer::NeverReads => None,
    };
    let mut memory = 0;
    let status = loop {
        memory = memory.max(peak(child.id()).unwrap_or_default());
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if let Some(reader) = reader {
        reader.join().unwrap().unwrap();
    }
    let run = runs(bed).into_iter().find(|run| !before.contains(run)).unwrap();
    Watched { code: status.code(), memory, took: start.elapsed(), run }
}

fn runs(bed: &Bed) -> Vec<PathBuf> {
    let entries = fs::read_dir(bed.home().join("runs")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

impl Watched {
    fn log(&self, step: &str) -> PathBuf {
        self.run.join(format!("logs/{step}.1.log"))
    }

    /// What the step's end says of it.
    fn usage(&self, step: &str) -> Value {
        let events = fs::read_to_string(self.run.join("events.ndjson")).unwrap();
        let ended = |line: &str| {
            let event: Value = serde_json::from_str(line).unwrap();
            (event["event"]["type"] == "step_ended" && event["event"]["step"] == step)
                .then(|| event["event"]["end"]["usage"].clone())
        };
        events.lines().find_map(ended).unwrap()
    }

    /// Everything that is kept of it, in bytes.
    fn disk(&self) -> u64 {
        let size = |directory: &Path| -> u64 {
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
        };
        size(&self.run) + size(&self.run.join("logs"))
    }

    #[expect(clippy::print_stderr, reason = "figures for whoever runs this by hand")]
    #[track_caller]
    fn is_bounded(&self, what: &str, kept: u64) {
        let seconds = self.took.as_secs_f64();
        eprintln!("{what}: {} MB in {seconds:.1} s, memory {} KiB", kept / 1_000_000, self.memory >> 10);
        assert_eq!(self.code, Some(0), "{what}");
        assert!(self.memory > 0 && self.memory < MEMORY, "{what}: {} bytes", self.memory);
        // Plan and header of a record do not grow with what is printed.
        let disk = self.disk();
        assert!(disk <= kept + kept / 100 + (64 << 10), "{what}: {disk} bytes on disk for {kept}");
    }
}

fn hex(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_of(path: &Path) -> (String, u64) {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
    let (mut digest, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return (hex(digest.finalize()), length),
            count => {
                digest.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
}

/// The step printed exactly these bytes, its log has them, and its end says so.
#[track_caller]
fn holds(watched: &Watched, step: &str, pieces: impl IntoIterator<Item = Vec<u8>>) {
    let mut digest = Sha256::new();
    let mut length = 0;
    for piece in pieces {
        digest.update(&piece);
        length += piece.len() as u64;
    }
    let expected = hex(digest.finalize());
    let (stored, size) = digest_of(&watched.log(step));
    assert_eq!((stored, size), (expected.clone(), length), "{step}");
    let usage = watched.usage(step);
    assert_eq!(usage["log_sha256"], expected.as_str(), "{step}");
    assert_eq!((&usage["log_bytes"], &usage["dropped_bytes"]), (&Value::from(length), &Value::from(0)));
}

/// The output of `yes WORD | head -c LENGTH`, in pieces.
fn yes(word: &str, length: u64) -> impl Iterator<Item = Vec<u8>> + use<> {
    let line = format!("{word}\n");
    let piece = line.repeat((1 << 20) / line.len()).into_bytes();
    let size = piece.len() as u64;
    (0..length.div_ceil(size)).map(move |at| {
        let rest = usize::try_from((length - at * size).min(size)).unwrap();
        piece[..rest].to_vec()
    })
}

fn one(script: &str) -> Bed {
    Bed::new(&format!(
        "stages: [{{ name: test, steps: [{{ name: unit, image: {IMAGE}, run: {script:?} }}] }}]\n"
    ))
}

#[test]
fn a_gigabyte_is_kept_to_the_byte() {
    let length = scaled(32_000_000, 1_000_000_000);
    let word = "a line of about fifty bytes, as many programs print";
    let bed = one(&format!("yes '{word}' | head -c {length}"));
    let watched = watch(&bed, &["run", "--log-limit", "2Gi"], Viewer::Reads);
    watched.is_bounded("one stream", length);
    holds(&watched, "unit", yes(word, length));
    bed.assert_clean();
}

#[test]
fn millions_of_lines_are_kept_in_order() {
    let lines = scaled(500_000, 10_000_000);
    let bed = one(&format!("seq 1 {lines}"));
    let watched = watch(&bed, &["run", "--log-limit", "2Gi"], Viewer::Reads);
    let numbers = (0..lines).step_by(100_000).map(|first| {
        let last = (first + 100_000).min(lines);
        (first + 1..=last).map(|line| format!("{line}\n")).collect::<String>().into_bytes()
    });
    let length: u64 = numbers.clone().map(|piece| piece.len() as u64).sum();
    watched.is_bounded("lines", length);
    holds(&watched, "unit", numbers);
    bed.assert_clean();
}

#[test]
fn a_line_of_any_length_is_kept_and_nobody_waits_for_a_viewer() {
    let length = scaled(10_000_000, 100_000_000);
    let bed = one(&format!("head -c {length} /dev/zero | tr '\\0' x"));
    for viewer in [Viewer::Reads, Viewer::NeverReads] {
        let watched = watch(&bed, &["run", "--log-limit", "200Mi"], viewer);
        watched.is_bounded(&format!("one line, viewer {viewer:?}"), length);
        let pieces = (0..length / 1_000_000).map(|_| vec![b'x'; 1_000_000]);
        holds(&watched, "unit", pieces);
    }
    bed.assert_clean();
}

#[test]
fn four_floods_at_once_are_kept_apart_and_whole() {
    let length = scaled(4_000_000, 250_000_000);
    let step = |n| {
        format!(
            "  - {{ name: s{n}, image: {IMAGE}, run: 'yes line-of-step-{n} | head -c {length}; printf \"\\0\\377\\rend\" >&2' }}\n"
        )
    };
    let bed = Bed::new(&format!("stages:\n- name: all\n  steps:\n{}", (0..4).map(step).collect::<String>()));
    for viewer in [Viewer::Reads, Viewer::NeverReads] {
        let watched = watch(&bed, &["run", "--jobs", "4", "--log-limit", "1Gi"], viewer);
        watched.is_bounded(&format!("four floods, viewer {viewer:?}"), 4 * length);
        for n in 0..4 {
            let step = format!("s{n}");
            // What two streams have at one time has no order, so the end may be read before the last of the flood.
            let (end, flood) = (b"\0\xff\rend", yes(&format!("line-of-step-{n}"), length).flatten());
            let log = fs::read(watched.log(&step)).unwrap();
            let at =
                log.windows(end.len()).position(|bytes| bytes == end).expect("the other stream is there");
            let (before, after) = (&log[..at], &log[at + end.len()..]);
            assert!(before.iter().chain(after).copied().eq(flood), "{step}: all of the flood, and in order");
            holds(&watched, &step, [log]);
        }
    }
    bed.assert_clean();
}

#[test]
fn beyond_the_limit_everything_is_counted_and_nothing_cut_but_at_a_line() {
    let (lines, limit) = (scaled(400_000, 10_000_000), scaled(1 << 20, 16 << 20));
    let bed = one(&format!("seq 1 {lines}; printf 'and no end'"));
    let watched = watch(&bed, &["run", "--log-limit", &format!("{}Mi", limit >> 20)], Viewer::Reads);
    watched.is_bounded("beyond the limit", limit);
    let printed = || (1..=lines).map(|line| format!("{line}\n"));
    let total: u64 = printed().map(|line| line.len() as u64).sum::<u64>() + 10;
    let mut kept = 0;
    let within: Vec<Vec<u8>> = printed()
        .take_while(|line| {
            kept += line.len() as u64;
            kept <= limit
        })
        .map(String::into_bytes)
        .collect();
    let within = within.concat();
    let log = fs::read(watched.log("unit")).unwrap();
    assert!(log == within, "all whole lines that fit, and no more: {} of {}", log.len(), within.len());
    let usage = watched.usage("unit");
    let kept_lines = log.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(usage["log_bytes"], total);
    assert_eq!(usage["dropped_bytes"], total - log.len() as u64);
    assert_eq!(usage["dropped_lines"], lines + 1 - kept_lines);
    assert_eq!(usage["log_sha256"], hex(Sha256::digest(&log)).as_str());
    let _ran = bed.windlass(&["run", "--log-limit", "1Ki"]).code(0).says("log limit reached: ");
    bed.assert_clean();
}

#[test]
fn any_bytes_are_kept_as_they_are() {
    let table: Vec<u8> = (0..=255).collect();
    let octal: String = table.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let bed =
        one(&format!("printf '{octal}'; printf 'lone\\rreturn\\r\\n\\n\\n'; printf '\\303'; printf '\\050'"));
    let watched = watch(&bed, &["run"], Viewer::Reads);
    let printed = [&table[..], b"lone\rreturn\r\n\n\n\xc3\x28"].concat();
    holds(&watched, "unit", [printed]);
    bed.assert_clean();
}
