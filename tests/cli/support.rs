//! The program as a person starts it, in a place of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory to stand in, a state directory, and an environment without anything else.
#[must_use]
pub(crate) struct TestHome {
    place: tempfile::TempDir,
    /// Variables besides those that always are there.
    env: Vec<(String, String)>,
}

/// What a program left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestHome {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().expect("tests have a directory for temporary files");
        fs::create_dir(place.path().join("work")).expect("the directory was just made");
        Self { place, env: Vec::new() }
    }

    /// A place with this pipeline file in it.
    pub(crate) fn with_pipeline(text: &str) -> Self {
        let home = Self::new();
        home.write("windlass.yml", text);
        home
    }

    /// Where the program is started.
    pub(crate) fn work(&self) -> PathBuf {
        self.place.path().join("work")
    }

    /// Where it keeps its state.
    pub(crate) fn state(&self) -> PathBuf {
        self.place.path().join("state")
    }

    /// A socket that nobody made.
    pub(crate) fn socket(&self) -> PathBuf {
        self.place.path().join("docker.sock")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.work().join(name), text).expect("the directory is ours");
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// The program, ready to start.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command
            .args(args)
            .current_dir(self.work())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("WINDLASS_HOME", self.state())
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            // Nothing ever reads it; a test that hangs here has found something that does.
            .stdin(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let mut child = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cargo has built the program");
        let stdin = child.stdin.take();
        let output = child.wait_with_output().expect("the program was started");
        drop(stdin);
        self.ended(&output)
    }

    /// What a program left, with everything that differs from one test run to the next redacted.
    pub(crate) fn ended(&self, output: &Output) -> Ended {
        let text = |bytes: &[u8]| self.redact(&String::from_utf8_lossy(bytes));
        Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    fn redact(&self, text: &str) -> String {
        text.replace(&self.place.path().display().to_string(), "[PLACE]")
            .replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
    }

    /// What is in the state directory, as far down as the runs.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut found = Vec::new();
        for directory in ["runs", "ledger", "trees"] {
            let entries = fs::read_dir(self.state().join(directory)).into_iter().flatten();
            let names = entries.map(|entry| entry.expect("it was listed").file_name());
            found.extend(names.map(|name| format!("{directory}/{}", Path::new(&name).display())));
        }
        found
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn stdout(&self, text: &str) -> &Self {
        assert_eq!(self.stdout, text, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn stderr(&self, text: &str) -> &Self {
        assert_eq!(self.stderr, text, "{self:#?}");
        self
    }

    /// Standard error says each of these, in any order.
    #[track_caller]
    pub(crate) fn says(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.stderr.contains(text), "no `{text}` in {self:#?}");
        }
        self
    }
}
