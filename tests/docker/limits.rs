//! Steps that take all they can get: processes, files, memory, disk (rows F11 and F30). The step
//! fails for its own reason; its neighbour, the runner and the machine do not notice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::bed::{Bed, IMAGE, Ran, full};

/// What the neighbour prints, line by line, while the other one does its worst.
const LINES: usize = 40;

/// Runs a step with these keys beside a neighbour that must not notice.
#[track_caller]
fn beside_a_neighbour(keys: &str) -> (Bed, Ran, Value) {
    let neighbour = format!("i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; sleep 0.05; done");
    let bed = Bed::new(&format!(
        "stages:\n\
         - name: test\n\
         \x20 fail_fast: false\n\
         \x20 steps:\n\
         \x20 - {{ name: bad, image: {IMAGE}, {keys} }}\n\
         \x20 - {{ name: good, image: {IMAGE}, run: {neighbour:?} }}\n"
    ));
    let ran = bed.windlass(&["run", "--jobs", "2", "--output", "json"]).code(1);
    assert_eq!(ran.ends()["good"], "passed -", "{}", ran.stdout);
    let log = String::from_utf8(bed.log("good")).unwrap();
    assert_eq!(log.lines().count(), LINES, "{log}");
    bed.assert_clean();
    let end = ran.end_of("bad");
    (bed, ran, end)
}

/// Processes of this machine with this in their command line.
fn processes(text: &str) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(text)).count()
}

#[test]
fn a_fork_bomb_hits_its_limit_and_nobody_else() {
    let limits: &[(&str, &str)] = if full() {
        &[("64", ", resources: { pids: 64 }"), ("4096", "")]
    } else {
        &[("64", ", resources: { pids: 64 }")]
    };
    for (limit, keys) in limits {
        let name = format!("bomb{}of{limit}", std::process::id());
        let bomb = format!("bomb() {{ sh -c 'sleep 600 # {name}' & bomb | bomb & }}; bomb; bomb; wait");
        let (bed, ran, end) = beside_a_neighbour(&format!("run: {bomb:?}, timeout: 20s{keys}"));
        let reason = ran.ends()["bad"].clone();
        assert!(reason == "failed exit_code" || reason == "failed timeout", "{limit}: {reason} {end}");
        let log = String::from_utf8_lossy(&bed.log("bad")).into_owned();
        assert!(log.contains("fork"), "{limit}: the limit was hit: {log}");
        assert_eq!(processes(&name), 0, "{limit}: all that it made are gone");
    }
}

#[test]
fn what_opens_files_without_end_fails_by_itself_or_at_its_limit() {
    let bomb = "i=3; while true; do eval \"exec $i</dev/null\"; i=$((i+1)); done";
    let (_bed, ran, end) = beside_a_neighbour(&format!("run: {bomb:?}, timeout: 4s"));
    let reason = ran.ends()["bad"].clone();
    assert!(reason == "failed exit_code" || reason == "failed timeout", "{reason} {end}");
}

#[test]
fn what_takes_all_memory_is_ended_for_that_and_its_neighbour_is_not() {
    let (_bed, ran, end) = beside_a_neighbour("command: [tail, /dev/zero], resources: { memory: 48Mi }");
    assert_eq!(ran.ends()["bad"], "failed out_of_memory");
    assert!(end["message"].as_str().unwrap().contains("limit 48Mi"), "{end}");
}

#[test]
fn shared_memory_is_64_mebibytes_and_its_end_is_an_ordinary_failure() {
    let fill = "head -c 80000000 /dev/zero >/dev/shm/all || { wc -c </dev/shm/all; exit 3; }";
    let (bed, ran, end) = beside_a_neighbour(&format!("run: {fill:?}"));
    assert_eq!((ran.ends()["bad"].as_str(), &end["exit_code"]), ("failed exit_code", &3.into()));
    // What `head` says of it comes by the other stream, before or after.
    let log = String::from_utf8(bed.log("bad")).unwrap();
    assert!(log.contains("67108864\n"), "{log}");
}

#[test]
fn a_full_place_of_the_helpers_own_changes_nothing() {
    let fill = "cat /dev/zero >/windlass/all; echo as full as it gets; exit 4";
    let keys = format!("run: ['set +e', {fill:?}], resources: {{ memory: 256Mi }}");
    let (bed, ran, end) = beside_a_neighbour(&keys);
    assert_eq!((ran.ends()["bad"].as_str(), &end["exit_code"]), ("failed exit_code", &4.into()), "{end}");
    // What `cat` says of it comes by the other stream, before or after.
    let log = String::from_utf8(bed.log("bad")).unwrap();
    assert!(log.contains("as full as it gets\n"), "{log}");
}

/// A disk of this size, in memory, in the place of a directory, for as long as this lives.
pub struct Disk(PathBuf);

impl Disk {
    pub fn new(place: &Path, size: &str) -> Self {
        fs::create_dir_all(place).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "tmpfs"]).arg(place);
        assert!(mount.status().unwrap().success());
        Self(place.to_owned())
    }

    /// What is on it.
    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_full_workspace_fails_the_step_that_fills_it_with_a_hint_and_others_run_on() {
    let bed = Bed::new(&format!(
        "stages:\n\
         - name: test\n\
         \x20 fail_fast: false\n\
         \x20 steps:\n\
         \x20 - {{ name: bad, image: {IMAGE}, run: 'head -c 100000000 /dev/zero >all' }}\n\
         \x20 - {{ name: good, image: {IMAGE}, run: 'sleep 1; echo good' }}\n\
         - {{ name: later, after: always, steps: [{{ name: other, image: {IMAGE}, run: 'rm all; exit 5' }}] }}\n"
    ));
    let _nothing = bed.windlass(&["clean"]).code(0);
    let trees = Disk::new(&bed.home().join("trees"), "32m");
    let ran = bed.windlass(&["run", "--jobs", "2", "--output", "json"]).code(1);
    let ends = ran.ends();
    assert_eq!((&*ends["bad"], &*ends["good"]), ("failed exit_code", "passed -"), "{}", ran.stdout);
    let message = ran.end_of("bad")["message"].as_str().unwrap_or_default().to_owned();
    let place = trees.0.to_str().unwrap();
    assert!(message.starts_with("the disk of the workspace is full, of 32Mi"), "{message}");
    assert!(message.contains(place), "{message}");
    // A step that fails while there is room is told nothing.
    assert_eq!(ran.end_of("other")["message"], Value::Null);
    assert_eq!(trees.names(), [""; 0]);
    drop(trees);
    bed.assert_clean();
}

#[test]
fn a_disk_that_is_full_while_capturing_is_one_clear_error() {
    for place in ["captures", "trees", ""] {
        let bed = Bed::with_script("true");
        bed.write("large", &"x".repeat(24 << 20));
        if place == "trees" {
            // What changed since the base goes into the run's own layer.
            let _ran = bed.windlass(&["run"]).code(0);
            bed.write("large", &"y".repeat(24 << 20));
        } else if !place.is_empty() {
            let _nothing = bed.windlass(&["clean"]).code(0);
        }
        let disk = Disk::new(&bed.home().join(place), "16m");
        let ran =
            bed.windlass(&["run"]).code(7).warns("No space left on device").warns("help: free some space");
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{place:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("windlass clean"), "{place:?}: {}", ran.stderr);
        for name in disk.names() {
            let inside = fs::read_dir(disk.0.join(&name)).into_iter().flatten().flatten();
            let drafts: Vec<_> =
                inside.filter(|entry| entry.file_name().to_string_lossy().starts_with("draft")).collect();
            assert!(drafts.is_empty(), "{place:?}: {drafts:?}");
        }
        bed.assert_nothing_left();
        drop(disk);
        bed.assert_clean();
    }
}
