//! What a capture costs, as ratios to programs that everybody knows, both sides measured in one run,
//! in turn, as medians: the first capture of a repository against `cp -a` of it, and a later one with
//! 40 changed files against `git status`.
//!
//! `cargo bench --bench capture -- [--small] [--loose] [DIRECTORY]`: 50,000 files with 2 GB, or with
//! `--small` 5,000 files with 100 MB, whose objects are packed, or with `--loose` are not, made in
//! DIRECTORY (default: the system's place for temporary files) and removed at the end. The page cache
//! is warm for both sides, as it is after a checkout, and all that was written before is on the disk.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use windlass::base::{RunId, safe_dir::remove_tree};
use windlass::ledger::Ledger;
use windlass::source::{Captured, SourceError, capture_directory};

const CHANGED: usize = 40;
const FILES_OF_A_DIRECTORY: usize = 50;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

struct Shape {
    files: usize,
    bytes: usize,
    loose: bool,
    /// In a small repository the 40 copies outweigh everything else, and nobody waits for them.
    targets: bool,
    first_rounds: usize,
    later_rounds: usize,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let loose = has("--loose");
    let shape = if has("--small") {
        Shape { files: 5_000, bytes: 100 << 20, loose, targets: false, first_rounds: 5, later_rounds: 21 }
    } else {
        Shape { files: 50_000, bytes: 2_000 << 20, loose, targets: true, first_rounds: 3, later_rounds: 15 }
    };
    let given = arguments.iter().find(|argument| !argument.starts_with('-')).map(PathBuf::from);
    let place =
        given.unwrap_or_else(std::env::temp_dir).join(format!("windlass-bench-{}", RunId::generate()));
    fs::create_dir(&place)?;
    let measured = measure(&place, &shape);
    remove_tree(&place)?;
    measured
}

fn measure(place: &Path, shape: &Shape) -> Outcome<()> {
    let repository = place.join("repository");
    make(&repository, shape)?;
    let home = place.join("home");
    let copy = place.join("copy");
    // Whoever comes first must not be the one who warms the cache.
    run(Command::new("cp").arg("-a").args([&repository, &copy]))?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..shape.first_rounds {
        for side in [round % 2, 1 - round % 2] {
            remove_tree(&copy)?;
            remove_tree(&home)?;
            run(&mut Command::new("sync"))?;
            if side == 0 {
                fs::create_dir(&home)?;
                let ledger = Ledger::open(&home)?;
                ours.push(time(|| capture(&home, &ledger, &repository).map(drop))?);
            } else {
                theirs.push(time(|| run(Command::new("cp").arg("-a").args([&repository, &copy])))?);
            }
        }
    }
    report("first capture / cp -a", &mut ours, &mut theirs, shape.targets.then_some(1.2))?;

    remove_tree(&copy)?;
    remove_tree(&home)?;
    fs::create_dir(&home)?;
    let ledger = Ledger::open(&home)?;
    drop(capture(&home, &ledger, &repository)?);
    run(&mut Command::new("sync"))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..shape.later_rounds {
        change(&repository, shape, round)?;
        for side in [round % 2, 1 - round % 2] {
            if side == 0 {
                ours.push(time(|| capture(&home, &ledger, &repository).map(drop))?);
            } else {
                theirs.push(time(|| run(git(&repository).args(["status"])))?);
            }
        }
    }
    report("second capture / git status", &mut ours, &mut theirs, shape.targets.then_some(1.5))
}

fn capture(home: &Path, ledger: &Ledger, repository: &Path) -> Outcome<Captured> {
    let run = RunId::generate();
    let ledger = ledger.begin(&run)?;
    Ok(capture_directory(home, repository, &run, &ledger, &|| true)
        .map_err(|error: SourceError| error.to_string())?)
}

/// Makes a repository with one commit. Its files cannot be compressed, so that `.git` is as large as
/// the tree.
fn make(repository: &Path, shape: &Shape) -> Outcome<()> {
    fs::create_dir(repository)?;
    run(git(repository).args(["init", "-q"]))?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..shape.files {
        let path = repository.join(file(number));
        if number % FILES_OF_A_DIRECTORY == 0
            && let Some(parent) = path.parent()
        {
            fs::create_dir_all(parent)?;
        }
        // From half the mean to one and a half of it.
        let mean = shape.bytes / shape.files;
        let length = mean / 2 + usize::try_from(next(&mut state) % mean as u64)?;
        let mut data = Vec::with_capacity(length + 8);
        while data.len() < length {
            data.extend_from_slice(&next(&mut state).to_le_bytes());
        }
        fs::write(path, &data)?;
    }
    fs::write(repository.join(".gitignore"), "*.log\n/target/\n")?;
    run(git(repository).args(["-c", "core.compression=0", "add", "."]))?;
    run(git(repository).args(["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"]))?;
    if !shape.loose {
        run(git(repository).args(["-c", "pack.compression=0", "repack", "-adq", "--window=0"]))?;
    }
    Ok(())
}

fn file(number: usize) -> String {
    let directory = number / FILES_OF_A_DIRECTORY;
    format!("part{}/module{directory}/file{number}.rs", directory / 20)
}

fn change(repository: &Path, shape: &Shape, round: usize) -> Outcome<()> {
    for number in 0..CHANGED {
        let path = repository.join(file(number * (shape.files / CHANGED)));
        writeln!(fs::File::options().append(true).open(path)?, "{round}")?;
    }
    // A change that is a clock tick old is seen by its time; none of both sides should wait for that.
    std::thread::sleep(Duration::from_millis(50));
    Ok(())
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn git(repository: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(repository)
        .stdout(Stdio::null())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    git
}

fn run(command: &mut Command) -> Outcome<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

fn time(work: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn report(what: &str, ours: &mut [Duration], theirs: &mut [Duration], target: Option<f64>) -> Outcome<()> {
    let median = |times: &mut [Duration]| {
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64()
    };
    let (ours, theirs) = (median(ours), median(theirs));
    let ratio = ours / theirs;
    let verdict = match target {
        None => "no target at this size".into(),
        Some(target) => {
            let verdict = if ratio <= target { "within" } else { "ABOVE" };
            format!("{verdict} the target of {target}")
        }
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{what}: {ratio:.2} ({ours:.3} s / {theirs:.3} s), {verdict}")?;
    Ok(())
}
