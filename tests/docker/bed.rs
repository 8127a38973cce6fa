//! A repository, a state directory, and the program, with nothing of the caller's environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::checks::CANARY;
use crate::executable::executable;

/// The image that all tests use.
pub const IMAGE: &str = "windlass/busybox";

/// A step that is up until it is told that it is [`enough`](Bed::enough), however long that takes.
pub const UNTIL_ENOUGH: &str = "echo up; until [ -e enough ]; do sleep 0.1; done; echo done";

/// What is said of a network that an engine (20.10) does not remove, where containers came and went at once.
pub const LOST_COUNT: &str = "the engine counts containers in it that it does not have";

/// Where the engine listens.
pub fn docker_host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// Has Docker's own client do something, which must work.
pub fn docker(arguments: &[&str]) {
    let output = Command::new("docker").env("DOCKER_HOST", docker_host()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whether sweeps are to be complete: `tests/run --full`.
pub fn full() -> bool {
    std::env::var_os("WINDLASS_TEST_FULL").is_some_and(|value| value == "1")
}

/// The most memory that a run of the program has had resident, in bytes; none before it is the program. A child has
/// the memory of whoever started it for a moment longer than its start takes, and that is a whole test program.
pub fn peak(process: u32) -> Option<u64> {
    let program = fs::read_link(format!("/proc/{process}/exe")).ok()?;
    if program != fs::canonicalize(env!("CARGO_BIN_EXE_windlass")).unwrap() {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// How long a test waits for anything before it gives up: longer than that takes on a machine that is very busy.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// Waits until this is so.
#[track_caller]
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A test's own place.
#[must_use]
pub struct Bed {
    directory: TempDir,
    docker_host: String,
    /// The engine itself, where there is something in between.
    engine: String,
    variables: Vec<(String, OsString)>,
}

/// How a run of the program ended.
#[must_use]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Bed {
    /// A place with this pipeline in a directory that is no repository.
    pub fn new(pipeline: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("windlass-test-").tempdir().unwrap();
        fs::create_dir(directory.path().join("project")).unwrap();
        let bed =
            Self { directory, docker_host: docker_host(), engine: docker_host(), variables: Vec::new() };
        bed.write("windlass.yml", pipeline);
        bed
    }

    /// A pipeline of one step with this script.
    pub fn with_script(script: &str) -> Self {
        Self::with_step(&format!("run: {script:?}"))
    }

    /// A pipeline of one step with these keys beside name and image, in flow form.
    pub fn with_step(keys: &str) -> Self {
        Self::new(&format!("stages: [{{ name: test, steps: [{{ name: unit, image: {IMAGE}, {keys} }}] }}]\n"))
    }

    /// Talks to another address than the engine's own.
    pub fn through(mut self, address: &str) -> Self {
        address.clone_into(&mut self.docker_host);
        self
    }

    /// Talks to another engine.
    pub fn on(mut self, address: &str) -> Self {
        address.clone_into(&mut self.engine);
        self.through(address)
    }

    /// Has this in its environment.
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub fn project(&self) -> PathBuf {
        self.directory.path().join("project")
    }

    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// The program once more, beside the bed's home.
    pub fn program(&self) -> PathBuf {
        let program = self.home().with_file_name("windlass");
        executable(&program, &fs::read(env!("CARGO_BIN_EXE_windlass")).unwrap());
        program
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.current_dir(self.project()).args(["-c", "user.name=t", "-c", "user.email=t@localhost"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The program with these arguments, in the project.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.env_clear().current_dir(self.project()).args(arguments).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("DOCKER_HOST", &self.docker_host);
        command.env("WINDLASS_HOME", self.home()).env("HOME", self.directory.path()).env("CANARY", CANARY);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Cleans up past whatever stands in front of the engine.
    pub fn clean_directly(&self) -> Ran {
        self.command(&["clean"]).env("DOCKER_HOST", &self.engine).output().unwrap().into()
    }

    /// Runs the program to its end.
    pub fn windlass(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Starts the program and goes on.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let out = self.directory.path().join("out");
        let err = self.directory.path().join("err");
        let mut command = self.command(arguments);
        command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
        Running { child: command.spawn().unwrap(), out, err }
    }

    /// The instance that all objects of this place carry.
    pub fn instance(&self) -> String {
        fs::read_to_string(self.home().join("instance")).unwrap_or_default().trim().to_owned()
    }

    /// Everything of this place that its engine knows.
    pub fn objects(&self) -> Vec<String> {
        self.objects_on(&self.engine)
    }

    /// Has the steps of every run of this place see the file that [`UNTIL_ENOUGH`] waits for.
    pub fn enough(&self) {
        let mut containers = self.objects();
        containers.retain(|name| !name.ends_with("-workspace"));
        // One of each run: as soon as it is there, the others may be gone.
        containers.sort();
        containers.dedup_by_key(|name| name.split('-').nth(1).map(str::to_owned));
        for name in &containers {
            let mut command = Command::new("docker");
            command.env("DOCKER_HOST", &self.engine).args(["exec", name, "touch", "/workspace/enough"]);
            let told = command.output().unwrap();
            if !told.status.success() {
                // It may have seen the file and ended before it could be said that the file is there.
                let why = String::from_utf8_lossy(&told.stderr);
                until(&format!("{name} is not told that it is enough: {why}"), || self.has_ended(name));
            }
        }
    }

    /// Whether a container does not run any more, or is gone.
    fn has_ended(&self, container: &str) -> bool {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", &self.engine);
        let asked = ["inspect", "--type", "container", "--format", "{{.State.Running}}", container];
        let output = command.args(asked).output().unwrap();
        let why = String::from_utf8_lossy(&output.stderr).to_lowercase();
        output.stdout.trim_ascii() == b"false" || why.contains("no such container")
    }

    /// Whether all that is left are networks that the engine has lost count of, as this run or clean-up says: nobody
    /// here can mend that.
    pub fn is_forgiven(&self, ran: &Ran) -> bool {
        let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.contains(LOST_COUNT)).collect();
        !lines.is_empty()
            && self.objects().iter().all(|name| lines.iter().any(|line| line.contains(name.as_str())))
    }

    /// Everything of this place that an engine knows.
    pub fn objects_on(&self, engine: &str) -> Vec<String> {
        let filter = format!("label=dev.windlass.instance={}", self.instance());
        let list = |arguments: &[&str]| {
            let mut command = Command::new("docker");
            command.env("DOCKER_HOST", engine).args(arguments).args(["--filter", &filter]);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let mut objects = list(&["ps", "--all", "--format", "{{.Names}}"]);
        objects.extend(list(&["volume", "ls", "--format", "{{.Name}}"]));
        objects.extend(list(&["network", "ls", "--format", "{{.Name}}"]));
        objects
    }

    /// Nothing of a run is left: no object, no row in the ledger, no tree, no mount.
    #[track_caller]
    pub fn assert_clean(&self) {
        self.assert_clean_on(&self.engine);
    }

    /// Likewise, on another engine.
    #[track_caller]
    pub fn assert_clean_on(&self, engine: &str) {
        self.assert_nothing_left_on(engine);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.directory.path().to_str().unwrap()), "a mount is left");
        self.assert_no_process();
    }

    /// The same, where the test itself has mounted something.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        self.assert_nothing_left_on(&self.engine);
    }

    #[track_caller]
    fn assert_nothing_left_on(&self, engine: &str) {
        assert_eq!(self.objects_on(engine), Vec::<String>::new(), "objects are left");
        for directory in ["ledger", "trees"] {
            let left: Vec<_> = fs::read_dir(self.home().join(directory))
                .map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect())
                .unwrap_or_default();
            assert!(left.is_empty(), "left in {directory}: {left:?}");
        }
    }

    /// Where the records of all runs are.
    pub fn records(&self) -> Vec<PathBuf> {
        fs::read_dir(self.home().join("runs")).unwrap().map(|run| run.unwrap().path()).collect()
    }

    /// The stored log of the only run's step.
    pub fn log(&self, step: &str) -> Vec<u8> {
        let records = self.records();
        assert_eq!(records.len(), 1, "one run is kept");
        let path = records[0].join(format!("logs/{step}.1.log"));
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// It ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Its standard output has this in it.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} in:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Its standard error has this in it.
    #[track_caller]
    pub fn warns(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in:\n{}\n{}", self.stderr, self.stdout);
        self
    }

    /// The events of `--output json`.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// How each step ended, by `--output json`: outcome and reason.
    #[track_caller]
    pub fn ends(&self) -> BTreeMap<String, String> {
        let ended = self.events().into_iter().filter(|event| event["event"]["type"] == "step_ended");
        ended
            .map(|event| {
                let (step, end) = (&event["event"]["step"], &event["event"]["end"]);
                let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
                (word(step), format!("{} {}", word(&end["outcome"]), word(&end["reason"])))
            })
            .collect()
    }

    /// The end of this step.
    #[track_caller]
    pub fn end_of(&self, step: &str) -> Value {
        let events = self.events();
        let ended = |event: &&Value| event["event"]["type"] == "step_ended" && event["event"]["step"] == step;
        let event = events.iter().find(ended).unwrap_or_else(|| panic!("{step} has no end: {}", self.stdout));
        event["event"]["end"].clone()
    }
}

/// A program that goes on.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits until it has said this.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let start = Instant::now();
        loop {
            // Asked first: what it said until its end is there then.
            let ended = self.child.try_wait().unwrap();
            let said = self.said();
            if said.contains(text) {
                return;
            }
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "no {text:?}: {said}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it has said this.
    pub fn has_said(&self, text: &str) -> bool {
        self.said().contains(text)
    }

    fn said(&self) -> String {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        format!("{}\n{}", read(&self.out), read(&self.err))
    }

    /// Its end.
    pub fn finish(mut self) -> Ran {
        let status = self.child.wait().unwrap();
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        Ran { status, stdout: read(&self.out), stderr: read(&self.err) }
    }
}
