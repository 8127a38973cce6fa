//! Captures of real repositories, looked at as a step would see them.

mod directory;
mod files;
mod git;
mod ignore;
mod url;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::base::{RunId, Tree};
use crate::ledger::{Ledger, RunLedger};

/// A state directory and a repository, in temporary directories.
struct Fixture {
    place: TempDir,
    ledger: Ledger,
}

/// A temporary directory in which layers can live: in a container that is not on its root, which is made
/// of layers itself, but in memory.
fn place() -> TempDir {
    let layered = rustix::fs::statfs(std::env::temp_dir()).is_ok_and(|fs| fs.f_type == 0x794c_7630);
    if layered { tempfile::tempdir_in("/dev/shm") } else { tempfile::tempdir() }.expect("a directory")
}

impl Fixture {
    fn new() -> Self {
        let place = place();
        fs::create_dir(place.path().join("home")).expect("a state directory");
        fs::create_dir(place.path().join("work")).expect("a working directory");
        let ledger = Ledger::open(&place.path().join("home")).expect("a ledger");
        Self { place, ledger }
    }

    /// With a repository that has one commit.
    fn repository() -> Self {
        let fixture = Self::new();
        fixture.git(&["init", "-q", "-b", "main"]);
        fixture.write("a", "one\n");
        fixture.write("dir/b", "two\n");
        fixture.write("dir/deep/c", "three\n");
        fixture.write(".gitignore", "*.log\n/target\n");
        fixture.git(&["add", "."]);
        fixture.git(&["commit", "-qm", "first"]);
        fixture
    }

    fn home(&self) -> PathBuf {
        self.place.path().join("home")
    }

    fn work(&self) -> PathBuf {
        self.place.path().join("work")
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        fs::write(path, content).expect("writable");
    }

    fn remove(&self, path: &str) {
        crate::base::safe_dir::remove_tree(&self.work().join(path)).expect("removable");
    }

    fn git(&self, arguments: &[&str]) -> String {
        git_in(&self.work(), arguments)
    }

    fn begin(&self) -> (RunId, RunLedger) {
        let run = RunId::generate();
        let ledger = self.ledger.begin(&run).expect("a ledger");
        (run, ledger)
    }

    fn capture(&self) -> Captured {
        self.try_capture(&self.work()).expect("captured")
    }

    fn try_capture(&self, directory: &Path) -> Result<Captured, SourceError> {
        let (run, ledger) = self.begin();
        capture_directory(&self.home(), directory, &run, &ledger, &|| true)
    }

    fn seen(&self, captured: &Captured) -> Merged {
        merge(&captured.tree, self.place.path())
    }
}

/// Runs git with no configuration but the repository's.
fn git_in(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("HOME", "/nonexistent")])
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b"), ("GIT_COMMITTER_NAME", "a")])
        .env("GIT_COMMITTER_EMAIL", "a@b")
        .output()
        .expect("git can be run");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The tree of a run as a step sees it.
struct Merged {
    path: PathBuf,
    mounted: bool,
}

impl Drop for Merged {
    fn drop(&mut self) {
        if self.mounted {
            // A child of another test that is about to exec still has our descriptors, for a moment.
            let unmounted = Command::new("umount").arg("--lazy").arg(&self.path).status();
            assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.path.display());
        }
    }
}

impl Merged {
    fn files(&self) -> Vec<String> {
        let all = list(&self.path);
        let files = all.iter().filter(|(path, seen)| !path.starts_with(".git/") && seen.kind != 'd');
        files.map(|(path, _)| path.clone()).collect()
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path.join(path)).expect("a readable file")
    }

    fn git(&self, arguments: &[&str]) -> String {
        git_in(&self.path, arguments)
    }
}

/// Mounts the layers, or lays them over one another where nobody may mount.
fn merge(tree: &Tree, place: &Path) -> Merged {
    let (lowers, upper, work) = match tree {
        Tree::Plain(path) => return Merged { path: path.clone(), mounted: false },
        Tree::Layers { lowers, upper, work } => (lowers, upper, work),
    };
    let path = place.join(format!("seen-{}", RunId::generate()));
    fs::create_dir(&path).expect("a mount point");
    let lower: Vec<_> = lowers.iter().map(|lower| lower.display().to_string()).collect();
    let options = format!(
        "volatile,lowerdir={},upperdir={},workdir={}",
        lower.join(":"),
        upper.display(),
        work.display()
    );
    let mounted = rustix::process::geteuid().is_root()
        && Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o", &options])
            .arg(&path)
            .status()
            .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("nobody may mount here: the layers are laid over one another without it");
        for lower in lowers.iter().rev() {
            lay(lower, &path);
        }
        like(upper, &path);
    }
    Merged { path, mounted }
}

/// Gives a directory the owner and mode of another, as a mount of layers does.
fn like(from: &Path, to: &Path) {
    let about = fs::metadata(from).expect("readable");
    std::os::unix::fs::chown(to, Some(about.uid()), Some(about.gid())).expect("ours");
    fs::set_permissions(to, about.permissions()).expect("ours");
}

fn lay(layer: &Path, over: &Path) {
    for entry in fs::read_dir(layer).expect("readable") {
        let entry = entry.expect("readable");
        let (from, to) = (entry.path(), over.join(entry.file_name()));
        let kind = entry.file_type().expect("known");
        let below = to.symlink_metadata().ok();
        if !(kind.is_dir() && below.as_ref().is_some_and(fs::Metadata::is_dir)) {
            crate::base::safe_dir::remove_tree(&to).expect("removable");
        }
        if kind.is_dir() {
            fs::create_dir_all(&to).expect("writable");
            lay(&from, &to);
            like(&from, &to);
        } else if !kind.is_char_device() {
            let copied = Command::new("cp").arg("-a").args([&from, &to]).status();
            assert!(copied.is_ok_and(|status| status.success()));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    kind: char,
    mode: u32,
    mtime: (i64, i64),
    ctime: (i64, i64),
    content: Vec<u8>,
}

/// Everything in a directory, whatever it is.
fn list(root: &Path) -> BTreeMap<String, Seen> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).expect("readable") {
            let path = entry.expect("readable").path();
            let about = path.symlink_metadata().expect("there");
            let kind = about.file_type();
            let (kind, content) = if kind.is_dir() {
                todo.push(path.clone());
                ('d', Vec::new())
            } else if kind.is_symlink() {
                ('l', fs::read_link(&path).expect("a link").as_os_str().as_bytes().to_vec())
            } else if kind.is_file() {
                ('f', fs::read(&path).expect("readable"))
            } else {
                (if kind.is_char_device() { 'c' } else { '?' }, Vec::new())
            };
            let name = path.strip_prefix(root).expect("below").as_os_str().as_bytes();
            let seen = Seen {
                kind,
                mode: about.mode() & 0o7777,
                mtime: (about.mtime(), about.mtime_nsec()),
                ctime: (about.ctime(), about.ctime_nsec()),
                content,
            };
            found.insert(name.escape_ascii().to_string(), seen);
        }
    }
    found
}

/// What the layer of changes holds, but for `.git` and directories: `c` marks what is gone.
fn layer(captured: &Captured) -> Vec<String> {
    let Tree::Layers { lowers, .. } = &captured.tree else { panic!("there are no layers") };
    let all = list(&lowers[0]);
    let changes = all.iter().filter(|(path, seen)| !path.starts_with(".git") && seen.kind != 'd');
    changes.map(|(path, seen)| format!("{} {path}", seen.kind)).collect()
}
