//! As large, deep, many and strange as it gets: what steps leave in a workspace is removed, whoever
//! runs windlass (row F34), and many steps at once cost little each (row F37).

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::bed::{Bed, IMAGE, docker_host, full, peak};
use crate::limits::Disk;

/// Deep, closed and strangely named; then as many files as are asked for, in thousands.
fn mess(thousands: usize) -> String {
    format!(
        "umask 077; mkdir closed; echo x >closed/file; chmod 0 closed/file closed
        printf 'escape \\\\033]0;owned\\\\007 and\\nnewline and \\\\377' >name; mkdir \"$(printf \"$(cat name)\")\"; ls
        p=$(printf 'd/%.0s' $(seq 500)); (for i in $(seq 8); do mkdir -p $p && cd -P $p; done; echo deep)
        for d in $(seq {thousands}); do mkdir m$d; (cd m$d; seq 1000 | xargs touch); done
        echo made"
    )
}

#[track_caller]
fn assert_no_control(text: &str) {
    let control = text.chars().find(|letter| letter.is_control() && !matches!(letter, '\n' | '\t'));
    assert_eq!(control, None, "{text:?}");
}

/// A step makes the mess, in the tree of a repository with names that no screen should see.
fn messy(thousands: usize) -> Bed {
    let bed = Bed::with_script(&mess(thousands));
    let name = std::ffi::OsString::from_vec(b"\x1b]0;owned\x07 \xff\nnewline".to_vec());
    fs::create_dir(bed.project().join(&name)).unwrap();
    fs::write(bed.project().join(&name).join(&name), "x").unwrap();
    bed
}

#[test]
fn what_steps_leave_is_removed_whatever_it_is() {
    let thousands = if full() { 1000 } else { 100 };
    let bed = messy(thousands);
    let _nothing = bed.windlass(&["clean"]).code(0);
    // In memory, so that the time is ours and not the disk's.
    let disk = Disk::new(&bed.home().join("trees"), "4g");
    let ran = bed.windlass(&["run"]).code(0).says("│ deep").says("│ made");
    assert_no_control(&ran.stdout);
    assert_no_control(&ran.stderr);
    bed.assert_nothing_left();
    drop(disk);
    bed.assert_clean();
    println!("{thousands},000 files were removed");
}

#[test]
fn what_a_killed_run_left_is_removed_by_clean() {
    let bed = Bed::with_script(&format!("{}; sleep 600", mess(1)));
    let mut running = bed.start(&["run"]);
    running.wait_for("│ made");
    running.signal(rustix::process::Signal::KILL);
    let _killed = running.finish();
    let ran = bed.windlass(&["clean"]).code(0).says("removed directory");
    assert_no_control(&ran.stdout);
    bed.assert_clean();
}

/// The program as somebody else, who may use the engine.
fn as_user(bed: &Bed, user: u32, arguments: &[&str]) -> std::process::Output {
    let program = bed.command(arguments);
    let socket = docker_host().strip_prefix("unix://").map(|path| fs::metadata(path).unwrap()).unwrap();
    let mut other = Command::new("setpriv");
    other
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={user}"))
        .arg(format!("--groups={}", socket.gid()));
    other.arg(program.get_program()).args(program.get_args()).current_dir(bed.project()).env_clear();
    other.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?)))).output().unwrap()
}

#[test]
fn what_root_made_in_a_step_is_removed_for_an_ordinary_user_too() {
    let user = 1000;
    let thousands = if full() { 1000 } else { 2 };
    let bed = messy(thousands);
    // In memory, so that the time is ours and not the disk's.
    let disk = full().then(|| {
        let _nothing = bed.windlass(&["clean"]).code(0);
        Disk::new(&bed.home().join("trees"), "4g")
    });
    give(bed.project().parent().unwrap(), user);
    let output = as_user(&bed, user, &["run"]);
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("│ made") && !said.contains("could not remove"), "{said}");
    assert_no_control(&said);
    assert_eq!(fs::metadata(bed.home()).unwrap().uid(), user);
    bed.assert_nothing_left();
    drop(disk);
    bed.assert_clean();
    println!("{thousands},000 files of root's were removed for user {user}");
}

/// Gives a tree to a user.
fn give(path: &Path, user: u32) {
    let mut command = Command::new("chown");
    assert!(command.arg("-R").arg(format!("{user}:{user}")).arg(path).status().unwrap().success());
    chown(path, Some(user), Some(user)).unwrap();
}

#[test]
fn many_steps_at_once_cost_the_runner_little_each() {
    let (steps, jobs) = if full() { (500, 100) } else { (40, 16) };
    let step = |number| format!("{{ name: s{number}, image: {IMAGE}, run: 'echo on; sleep 1' }}");
    let all: Vec<String> = (0..steps).map(step).collect();
    let bed = Bed::new(&format!("stages: [{{ name: wide, steps: [{}] }}]\n", all.join(", ")));
    let mut running = bed.start(&["run", "--jobs", &jobs.to_string(), "--output", "json"]);
    let (mut most, mut memory) = (0, 0);
    while !running.has_ended() {
        if let (Some(peak), Ok(open)) =
            (peak(running.id()), fs::read_dir(format!("/proc/{}/fd", running.id())))
        {
            (most, memory) = (most.max(open.count()), memory.max(peak));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let ran = running.finish().code(0);
    println!("{steps} steps, {jobs} at once: at most {most} descriptors, {} MiB", memory >> 20);
    assert!(ran.ends().values().all(|end| end == "passed -"), "{}", ran.stdout);
    assert_eq!(ran.ends().len(), steps);
    // For each that runs six: attach, wait, log, its index, its slot and a pulse's inspect. For each that is started
    // ahead three, for each that is removed two, and what any run has open.
    assert!(most <= (6 + 3 + 2) * jobs + 40, "{most} descriptors");
    assert!(memory > 0 && memory <= 200 << 20, "{memory} bytes");
    bed.assert_clean();
}

/// The most memory that the helper which substitutes has had, in bytes, if one is there now.
fn peak_of_substitution() -> Option<u64> {
    let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut peaks = processes.filter_map(|process| {
        let arguments = fs::read(process.join("cmdline")).ok()?;
        let mut arguments = arguments.split(|&byte| byte == 0);
        let ours = arguments.next()?.ends_with(b"windlass-helper") && arguments.next()? == b"substitute";
        let status = ours.then(|| fs::read_to_string(process.join("status")).ok())??;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:").map(str::to_owned))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
    });
    peaks.next()
}

#[test]
fn a_large_file_is_substituted_in_little_memory() {
    const LINE: &str = "${WHO} stands at the beginning, and the rest of the line is text\n";
    let size = if full() { 2 << 30 } else { 4 << 20 };
    let lines = size / LINE.len();
    let bed = Bed::new(&format!(
        "env: {{ WHO: windlass }}
defaults: {{ image: {IMAGE} }}
stages:
  - name: make
    steps:
      - {{ name: make, run: 'yes \"{}\" | head -n {lines} > large' }}
  - name: use
    steps:
      - name: use
        substitute: [large]
        resources: {{ memory: 32Mi }}
        run: stat -c %s large; head -n 1 large; tail -n 1 large
",
        LINE.trim_end().replace('$', "\\$"),
    ));
    let mut running = bed.start(&["run"]);
    let (mut runner, mut helper) = (0, 0);
    while !running.has_ended() {
        runner = runner.max(peak(running.id()).unwrap_or(0));
        helper = helper.max(peak_of_substitution().unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    let line = LINE.trim_end().replace("${WHO}", "windlass");
    let ran = running.finish().code(0).says(&format!("│ {}", lines * (line.len() + 1)));
    assert_eq!(ran.stdout.matches(&format!("│ {line}")).count(), 2, "{}", ran.stdout);
    println!("{size} bytes: peak {} KiB of the runner, {} KiB of the helper", runner >> 10, helper >> 10);
    assert!(runner <= 64 << 20, "{runner} bytes");
    assert!(helper <= 8 << 20, "{helper} bytes");
    bed.assert_clean();
}
