//! A person with a home directory of their own, who starts the program; and repositories for them.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A pipeline, so that a capture that works shows in a plan.
pub(crate) const PIPELINE: &str =
    "stages: [{ name: s, steps: [{ name: captured, image: busybox, run: 'true' }] }]\n";

/// A home directory, a state directory and an environment without anything else.
pub(crate) struct Place {
    place: tempfile::TempDir,
    env: Vec<(String, String)>,
}

/// What a program left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { place: tempfile::tempdir().expect("a directory"), env: Vec::new() };
        for name in ["home/.ssh", "state", "repositories"] {
            fs::create_dir_all(place.path().join(name)).expect("the directory was just made");
        }
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Where servers find repositories.
    pub(crate) fn repositories(&self) -> PathBuf {
        self.path().join("repositories")
    }

    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<Path>) {
        self.env.push((name.to_owned(), value.as_ref().display().to_string()));
    }

    /// A bare repository with a pipeline and two commits; `path` is where it is.
    pub(crate) fn repository(&self, name: &str) -> PathBuf {
        let work = self.path().join(format!("{name}-work"));
        fs::create_dir_all(&work).expect("writable");
        git(&work, &["init", "-q", "-b", "main"]);
        fs::write(work.join("windlass.yml"), PIPELINE).expect("writable");
        for (content, message) in [("one\n", "first"), ("two\n", "second")] {
            fs::write(work.join("a"), content).expect("writable");
            git(&work, &["add", "."]);
            git(&work, &["commit", "-qm", message]);
        }
        let bare = self.repositories().join(format!("{name}.git"));
        git(&work, &["clone", "-q", "--bare", ".", &bare.display().to_string()]);
        bare
    }

    /// The program, ready to start.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("WINDLASS_HOME", self.state())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).spawn().expect("cargo has built the program")
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Ended::of(&self.command(args).output().expect("cargo has built the program"))
    }

    /// Captures a source and plans its pipeline: no container is needed for that.
    pub(crate) fn plan(&self, source: &str) -> Ended {
        self.run(&["plan", source])
    }

    /// Nothing of a run is left, and no half-made base.
    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        for name in ["runs", "ledger", "trees"] {
            let left: Vec<_> = fs::read_dir(self.state().join(name)).into_iter().flatten().collect();
            assert!(left.is_empty(), "{name}: {left:?}");
        }
        let all = files(&self.state());
        assert!(all.iter().all(|path| !path.display().to_string().contains("/draft")), "{all:?}");
    }

    /// No file of the state directory holds this, by name or content.
    #[track_caller]
    pub(crate) fn holds_no(&self, secret: &str) {
        for path in files(&self.state()) {
            let named = path.as_os_str().as_encoded_bytes();
            let content = fs::read(&path).unwrap_or_default();
            for bytes in [named, &content] {
                let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!found, "`{secret}` is in {}", path.display());
            }
        }
    }
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().or(output.status.signal().map(|signal| 128 + signal));
        Self { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// The source was captured and its pipeline was found.
    #[track_caller]
    pub(crate) fn captured(&self) {
        assert!(self.code == Some(0) && self.stdout.contains("captured"), "{self:#?}");
    }

    /// The source was refused with one error and one help, which say all of these.
    #[track_caller]
    pub(crate) fn refused(&self, texts: &[&str]) {
        let lines = |word: &str| self.stderr.lines().filter(|line| line.starts_with(word)).count();
        let one = self.code == Some(2) && lines("error: ") == 1 && lines("help: ") == 1;
        assert!(one && self.stdout.is_empty() && self.stderr.lines().count() == 2, "{self:#?}");
        for text in texts {
            assert!(self.stderr.contains(text), "no `{text}` in {self:#?}");
        }
    }
}

/// Every file below a directory, without following links.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry.expect("readable").path();
            if path.symlink_metadata().is_ok_and(|about| about.is_dir()) {
                todo.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

/// git with no configuration but the repository's.
pub(crate) fn git_command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("HOME", "/nonexistent")])
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b")])
        .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@b")])
        .args(["-c", "protocol.file.allow=always"])
        .stdin(Stdio::null());
    command
}

pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    done(git_command(directory).args(arguments))
}

/// Runs a command that must succeed, and gives its output.
#[track_caller]
pub(crate) fn done(command: &mut Command) -> String {
    let output = command.output().expect("it can be run");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until something is so; a test that comes to the end of its patience has found something.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(5);
    while !so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends a process of ours.
pub(crate) fn end(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}
