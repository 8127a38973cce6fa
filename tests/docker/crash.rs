//! `kill -9` between any two writes of our own state, in a run and in a clean-up (row F1), and what
//! `clean` does beside those who live (row F3).

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::bed::{Bed, PATIENCE, UNTIL_ENOUGH, full};
use crate::checks::at_once;
use crate::proxy::Proxy;

/// The calls that can change what is on a disk, and the locks.
const CALLS: &str = "openat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,\
                     symlink,symlinkat,write,pwrite64,writev,copy_file_range,fsync,fdatasync,syncfs,ftruncate,chmod,\
                     fchmod,fchmodat,chown,fchown,fchownat,lchown,utimensat,setxattr,fsetxattr,mount,umount2,flock";

/// Each call waits so long before it is made, so that a kill comes in time.
const DELAY: &str = "2ms";

/// Runs the program under a tracer and kills it before its `nth` change of the state directory, counted
/// from 1 over all its threads; how many there were.
fn kill_at(bed: &Bed, arguments: &[&str], nth: usize) -> usize {
    let place = tempfile::tempdir().unwrap();
    let trace = place.path().join("trace");
    mknodat(CWD, &trace, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let program = bed.command(arguments);
    let mut strace = Command::new("strace");
    // The tracer is the child of the traced, which so stays ours to kill.
    strace.args(["-D", "-f", "-y", "-s", "0", "-e", "signal=none", "-o"]).arg(&trace);
    strace
        .arg("-e")
        .arg(format!("trace={CALLS}"))
        .arg("-e")
        .arg(format!("inject={CALLS}:delay_enter={DELAY}"));
    strace.arg(program.get_program()).args(program.get_args()).env_clear().current_dir(bed.project());
    strace.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = strace.spawn().unwrap();
    let mut changes = Changes { home: bed.home().to_str().unwrap().to_owned(), ..Changes::default() };
    let mut pipe = File::open(&trace).unwrap();
    let mut piece = vec![0; 64 << 10];
    while let Ok(length @ 1..) = pipe.read(&mut piece) {
        if changes.read(&String::from_utf8_lossy(&piece[..length])) >= nth {
            let _ = kill_process(Pid::from_child(&child), Signal::KILL);
        }
    }
    let _status = child.wait().unwrap();
    changes.count
}

/// Counts changes of a state directory in a trace, as soon as a call is there, before it is made.
#[derive(Default)]
struct Changes {
    home: String,
    count: usize,
    line: String,
    counted: bool,
}

impl Changes {
    fn read(&mut self, text: &str) -> usize {
        for part in text.split_inclusive('\n') {
            self.line.push_str(part);
            if !self.counted && self.is_change() {
                self.counted = true;
                self.count += 1;
            }
            if part.ends_with('\n') {
                self.line.clear();
                self.counted = false;
            }
        }
        self.count
    }

    fn is_change(&self) -> bool {
        let opens = self.line.contains(" openat(") && !self.line.contains("O_CREAT");
        self.line.contains(&self.home) && !opens && !self.line.contains("resumed>")
    }
}

fn bed() -> Bed {
    let bed = Bed::with_script("echo some >file; echo up; sleep $(cat time)");
    bed.write("time", "0.1");
    bed.write("src/lib.rs", "pub fn it() {}\n");
    bed.write("old", "old\n");
    bed.git(&["init", "-q"]);
    bed.git(&["add", "."]);
    bed.git(&["commit", "-q", "-m", "one"]);
    bed.write("old", "new\n");
    bed
}

/// A place whose calls to the engine are known, also when their sender is gone.
struct Watched {
    bed: Bed,
    proxy: Proxy,
    _sockets: TempDir,
}

impl Watched {
    fn new() -> Self {
        let sockets = tempfile::tempdir().unwrap();
        let proxy = Proxy::start(sockets.path(), Vec::new());
        Self { bed: bed().through(&proxy.address()), proxy, _sockets: sockets }
    }

    /// `clean` takes all that is left, in time, and the next run passes.
    #[track_caller]
    fn assert_mended(&self, context: &str) {
        let bed = &self.bed;
        // A call that was under way may still take effect.
        self.proxy.until_idle();
        let start = Instant::now();
        let ran = bed.windlass(&["clean"]);
        assert_eq!(ran.status.code(), Some(0), "{context}: {}{}", ran.stdout, ran.stderr);
        assert!(start.elapsed() < PATIENCE, "{context}: clean took {:?}", start.elapsed());
        bed.assert_clean();
        assert_eq!(unfinished(&bed.home()), [""; 0], "{context}");
        let ran = bed.windlass(&["run"]);
        assert_eq!(ran.status.code(), Some(0), "{context}: {}{}", ran.stdout, ran.stderr);
        bed.assert_clean();
    }
}

/// What was begun under another name and never got its own.
fn unfinished(home: &Path) -> Vec<String> {
    let mut places = vec![home.to_owned(), home.join("helper")];
    let captures = fs::read_dir(home.join("captures")).into_iter().flatten();
    places.extend(captures.map(|capture| capture.unwrap().path()));
    let names = places.iter().flat_map(|place| fs::read_dir(place).into_iter().flatten());
    let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.') || name == "draft" || name == "doomed").collect()
}

/// So many of them, evenly spread, or all.
fn sample(sites: usize, count: usize) -> Vec<usize> {
    if full() || sites <= count {
        return (1..=sites).collect();
    }
    (0..count).map(|number| 1 + number * (sites - 1) / (count - 1)).collect()
}

#[test]
fn kill_9_at_any_write_of_a_first_run_leaves_nothing_that_clean_does_not_find() {
    let sites = kill_at(&Watched::new().bed, &["run"], usize::MAX);
    let sample = sample(sites, 16);
    println!("{} of {sites} sites of a first run", sample.len());
    at_once(sample, |site| {
        let watched = Watched::new();
        kill_at(&watched.bed, &["run"], site);
        watched.assert_mended(&format!("site {site} of {sites}"));
    });
}

#[test]
fn kill_9_at_any_write_of_a_later_run_leaves_nothing_that_clean_does_not_find() {
    let watched = Watched::new();
    let bed = &watched.bed;
    let _ran = bed.windlass(&["run"]).code(0);
    let sites = kill_at(bed, &["run"], usize::MAX);
    let sample = sample(sites, 5);
    println!("{} of {sites} sites of a later run", sample.len());
    for site in sample {
        kill_at(bed, &["run"], site);
        watched.assert_mended(&format!("site {site} of {sites}"));
    }
}

#[test]
fn kill_9_at_any_write_of_clean_leaves_nothing_that_the_next_one_does_not_find() {
    let watched = Watched::new();
    let bed = &watched.bed;
    let die = || {
        // So that it certainly runs when it is killed.
        bed.write("time", "60");
        dead(bed);
        bed.write("time", "0.1");
    };
    die();
    let sites = kill_at(bed, &["clean"], usize::MAX);
    let sample = sample(sites, 5);
    println!("{} of {sites} sites of clean", sample.len());
    for site in sample {
        die();
        kill_at(bed, &["clean"], site);
        watched.assert_mended(&format!("site {site} of {sites}"));
    }
}

/// A run that was killed while its step ran; its process id.
fn dead(bed: &Bed) -> u32 {
    let mut running = bed.start(&["run"]);
    running.wait_for("│ up");
    running.signal(Signal::KILL);
    let id = running.id();
    let _killed = running.finish();
    id
}

/// Whether there is a process with this id.
fn lives(id: u32) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

/// Starts a process that has this id, which was somebody else's; none where one that stays has it by now.
fn process_with(id: u32) -> Option<Child> {
    for _ in 0..2000 {
        // The next process gets the next id, unless somebody on this machine is quicker.
        fs::write("/proc/sys/kernel/ns_last_pid", (id - 1).to_string()).unwrap();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        if child.id() == id {
            return Some(child);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(lives(id), "no process got the id {id}");
    None
}

#[test]
fn clean_tells_a_dead_run_from_those_that_live() {
    let bed = Bed::with_script(UNTIL_ENOUGH);
    let id = dead(&bed);
    let before = bed.objects();
    let runs: Vec<_> = (0..2)
        .map(|_| {
            let mut running = bed.start(&["run", "--jobs", "4"]);
            running.wait_for("│ up");
            running
        })
        .collect();
    // Whoever asked for process ids would take the dead run for a live one.
    let impostor = process_with(id);
    let ran = bed.windlass(&["clean"]).code(0);
    if let Some(mut impostor) = impostor {
        assert!(lives(id), "nobody has the id {id} any more");
        impostor.kill().unwrap();
        impostor.wait().unwrap();
    } else {
        println!("somebody else had the id {id}, for however long");
    }
    let after = bed.objects();
    for object in before {
        assert!(ran.stdout.contains(&object) && !after.contains(&object), "{object}: {}", ran.stdout);
    }
    assert_eq!(after.len(), 4, "two containers and two volumes: {after:?}");
    bed.enough();
    for running in runs {
        let _ran = running.finish().code(0).says("│ done");
    }
    bed.assert_clean();
}

#[test]
fn clean_ups_at_once_do_the_work_once() {
    let bed = Bed::with_script("echo up; sleep 60");
    for _ in 0..2 {
        dead(&bed);
    }
    let cleans: Vec<_> =
        (0..4).map(|_| bed.command(&["clean"]).stdout(Stdio::piped()).spawn().unwrap()).collect();
    let said: Vec<String> = cleans
        .into_iter()
        .map(|clean| {
            let output = clean.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            String::from_utf8(output.stdout).unwrap()
        })
        .collect();
    let trees = said.concat().matches("removed directory").count();
    assert_eq!(trees, 2, "{said:?}");
    bed.assert_clean();
}

#[test]
fn clean_beside_a_run_that_begins_takes_nothing_from_it() {
    let bed = bed();
    for _ in 0..if full() { 50 } else { 3 } {
        let mut run = bed.command(&["run"]).stdout(Stdio::null()).spawn().unwrap();
        let status = loop {
            if let Some(status) = run.try_wait().unwrap() {
                break status;
            }
            let _ran = bed.windlass(&["clean"]).code(0).says("nothing to remove");
        };
        assert_eq!(status.code(), Some(0));
        bed.assert_clean();
    }
}
