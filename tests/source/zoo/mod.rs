//! A zoo of hostile repositories (T8, T9, T10, T11). Each is captured with nothing outside it read, written or
//! run, or is refused with one error; which of the two, its table says.

mod directories;
mod race;
mod servers;
mod trees;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use windlass::base::{RunId, Tree};
use windlass::ledger::Ledger;
use windlass::source::{Captured, FromUrl, SourceError, capture_directory, capture_url};

use crate::place::{PIPELINE, files, git, git_command};

/// What lies outside and must not come in.
const CANARY: &str = "canary-in-a-coal-mine";

/// How a specimen ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Captured,
    /// Captured, with a note that says this.
    Noted(&'static str),
    /// Refused, with an error that says this.
    Refused(&'static str),
}

/// A specimen's name, how it ends, and how it is made.
type Specimen = (&'static str, End, fn(&Pen));

/// What every specimen is made of: a repository with one commit.
static TEMPLATE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let place = tempfile::tempdir().expect("a directory");
    git(place.path(), &["init", "-q", "-b", "main"]);
    fs::write(place.path().join("windlass.yml"), PIPELINE).expect("writable");
    git(place.path(), &["add", "."]);
    git(place.path(), &["commit", "-qm", "first"]);
    place
});

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("writable");
    for entry in fs::read_dir(from).expect("readable") {
        let (from, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("readable");
        if from.is_dir() {
            copy(&from, &to);
        } else {
            let _ = fs::copy(&from, &to).expect("writable");
        }
    }
}

/// A repository in a directory of its own, and what is outside.
struct Pen {
    place: tempfile::TempDir,
}

impl Pen {
    /// With a repository that has one commit, and a secret outside.
    fn new() -> Self {
        let pen = Self { place: tempfile::tempdir().expect("a directory") };
        for name in ["home", "outside"] {
            fs::create_dir(pen.path(name)).expect("writable");
        }
        fs::write(pen.path("outside/secret"), CANARY).expect("writable");
        copy(TEMPLATE.path(), &pen.work());
        pen
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// Made by whatever is run that should not be.
    fn marker(&self) -> PathBuf {
        self.path("ran")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
        drop(fs::remove_file(&path));
        symlink(target, path).expect("writable");
    }

    fn secret(&self) -> PathBuf {
        self.path("outside/secret")
    }

    fn pipe(&self, path: &str) {
        let path = self.work().join(path);
        if path.is_dir() {
            fs::remove_dir_all(&path).expect("ours");
        }
        drop(fs::remove_file(&path));
        fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.work(), arguments)
    }

    /// Stores an object whatever is in it.
    fn object(&self, kind: &str, content: &[u8]) -> String {
        let arguments = ["hash-object", "-t", kind, "--literally", "-w", "--stdin"];
        let mut command = git_command(&self.work());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("git can be run");
        child.stdin.take().expect("a pipe").write_all(content).expect("it reads");
        let output = child.wait_with_output().expect("it was started");
        String::from_utf8(output.stdout).expect("a hash").trim().to_owned()
    }

    /// Stores a tree with these modes, names and objects.
    fn tree(&self, entries: &[(&str, &str, &str)]) -> String {
        let mut content = Vec::new();
        for (mode, name, object) in entries {
            content.extend([mode.as_bytes(), b" ", name.as_bytes(), b"\0"].concat());
            content.extend(
                (0..40).step_by(2).map(|at| u8::from_str_radix(&object[at..at + 2], 16).expect("hex")),
            );
        }
        self.object("tree", &content)
    }

    /// Makes a tree the head's, the pipeline first.
    fn commit(&self, entries: &[(&str, &str, &str)]) {
        let pipeline = self.object("blob", PIPELINE.as_bytes());
        let mut all = entries.to_vec();
        all.push(("100644", "windlass.yml", &pipeline));
        let tree = self.tree(&all);
        self.head(&tree);
    }

    fn head(&self, tree: &str) {
        let text = format!("tree {tree}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nx\n");
        let commit = self.object("commit", text.as_bytes());
        self.write(".git/refs/heads/main", &format!("{commit}\n"));
    }

    fn blob(&self, text: &str) -> String {
        self.object("blob", text.as_bytes())
    }

    fn capture_as(
        &self,
        directory: bool,
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Captured, SourceError> {
        let ledger = Ledger::open(&self.path("home")).expect("a ledger");
        let run = RunId::generate();
        let ledger = ledger.begin(&run).expect("a ledger");
        let captured = if directory {
            capture_directory(&self.path("home"), &self.work(), &run, &ledger, goes_on)
        } else {
            let url = format!("file://{}", self.work().display());
            let from = FromUrl { silence: Duration::from_mins(5), ..FromUrl::new(&url) };
            capture_url(&self.path("home"), from, &run, &ledger, goes_on)
        };
        if captured.is_err() {
            assert_eq!(ledger.open_objects(), [], "an error leaves nothing");
        }
        captured
    }

    /// Everything outside the repository and our own state, with what it holds.
    fn outside(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let all = files(&self.path("outside")).into_iter();
        all.map(|path| (path.clone(), fs::read(&path).unwrap_or_default())).collect()
    }
}

/// Looks at every specimen of a table, some at a time, and says how many there are.
fn visit(directory: bool, specimens: &[Specimen]) -> String {
    let since = Instant::now();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut wrong = Vec::new();
        while let Some(specimen) = specimens.get(next.fetch_add(1, Ordering::Relaxed)) {
            wrong.extend(look(directory, specimen));
        }
        wrong
    };
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("it only looks")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    format!("{} specimens in {:.1} s", specimens.len(), since.elapsed().as_secs_f64())
}

/// Looks at one specimen, and says what is wrong with it.
fn look(directory: bool, (name, end, make): &Specimen) -> Option<String> {
    let pen = Pen::new();
    make(&pen);
    let before = pen.outside();
    let captured = pen.capture_as(directory, &|| true);
    let right = match (&captured, end) {
        (Ok(_), End::Captured) => true,
        (Ok(captured), End::Noted(text)) => captured.notes.iter().any(|note| note.contains(text)),
        (Err(error), End::Refused(text)) => told(error).contains(text) && told(error).lines().count() == 1,
        _ => false,
    };
    captured.iter().for_each(check);
    assert_eq!(pen.outside(), before, "{name}");
    assert!(!pen.marker().exists(), "{name} ran something");
    assert!(!pen.work().join("written").exists(), "{name}");
    let got = captured.as_ref().map(|captured| &captured.notes).map_err(told);
    (!right).then(|| format!("{name}: {end:?} was expected, and it is {got:?}"))
}

/// Nothing of what is outside is in a captured tree, nor anything that belongs to its own.
fn check(captured: &Captured) {
    match &captured.tree {
        Tree::Plain(tree) => check_tree(tree),
        Tree::Layers { lowers, .. } => lowers.iter().for_each(|lower| check_tree(lower)),
    }
}

fn check_tree(tree: &Path) {
    assert!(!tree.join(".git/hooks").exists() && !tree.join(".git/objects/info/alternates").exists());
    for path in files(tree) {
        let about = path.symlink_metadata().expect("there");
        let kind = about.file_type();
        assert!(!kind.is_fifo() && !kind.is_socket() && !kind.is_block_device(), "{}", path.display());
        assert!(kind.is_symlink() || about.permissions().mode() & 0o6000 == 0, "{}", path.display());
        if kind.is_file() {
            let content = fs::read(&path).expect("readable");
            let found = content.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
            assert!(!found, "what is outside is in {}", path.display());
        }
    }
}

/// An error with its causes.
fn told(error: &SourceError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
