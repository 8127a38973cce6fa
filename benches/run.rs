//! What a run on Docker costs, each figure as a ratio against the engine's own way of doing the same,
//! measured in turn. Needs a Docker engine (`DOCKER_HOST`) with the image `windlass/busybox`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is for")]

mod table;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use serde_json::Value;
use table::{compare, timed};

const IMAGE: &str = "windlass/busybox";
const ROUNDS: usize = 7;
const FLOOD: &str = "yes a line of about fifty bytes, as many programs print | head -c 64000000";
const NAP: Duration = Duration::from_millis(400);

fn main() {
    let bed = Bed::new();
    let rows = [
        compare(
            "ten sequential trivial steps : ten `docker run --rm`",
            0.5,
            ROUNDS,
            || timed(|| bed.run("sequential", &[])),
            || timed(|| (0..10).for_each(|_| docker_run(&["true"]))),
        ),
        compare(
            "what each of ten sequential steps of 0.4 s takes beyond its own time : one `docker run --rm`",
            0.05,
            ROUNDS,
            || bed.overhead_per_step("naps"),
            || timed(|| docker_run(&["true"])),
        ),
        compare(
            "sixteen parallel trivial steps : sixteen `docker run --rm` at once",
            1.05,
            ROUNDS,
            || timed(|| bed.run("parallel", &["--jobs", "16"])),
            || timed(|| docker_run_at_once(16)),
        ),
        compare(
            "exec to the first step's output : create + start by raw API calls",
            1.5,
            2 * ROUNDS,
            || bed.first_output("sequential"),
            || bed.create_and_start(),
        ),
        compare(
            "64 MB that a step prints : what `docker run` of the same prints, counted by `wc -c`",
            1.1,
            3,
            || timed(|| bed.run("flood", &["--log-limit", "128Mi"])),
            || timed(|| docker_run_counted(FLOOD)),
        ),
    ];
    table::print("A run on Docker", &rows);
}

/// A repository with the pipelines, a state directory, and a connection to the engine.
struct Bed {
    directory: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    docker: Docker,
}

impl Bed {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let repository = directory.path().join("repository");
        let mut naps = String::from("stages:\n");
        let mut sequential = String::from("stages:\n");
        for i in 0..10 {
            for (text, script) in [(&mut sequential, "echo"), (&mut naps, "sleep 0.4")] {
                let step = format!("{{ name: step-{i}, image: {IMAGE}, run: {script} }}");
                writeln!(text, "  - {{ name: stage-{i}, steps: [{step}] }}").expect("text grows");
            }
        }
        let mut parallel = String::from("stages:\n  - name: all\n    steps:\n");
        for i in 0..16 {
            writeln!(parallel, "      - {{ name: step-{i}, image: {IMAGE}, run: echo }}")
                .expect("text grows");
        }
        std::fs::create_dir(&repository).expect("the directory is ours");
        let flood = format!(
            "stages: [{{ name: all, steps: [{{ name: flood, image: {IMAGE}, run: {FLOOD:?} }}] }}]\n"
        );
        let files = [("naps", naps), ("sequential", sequential), ("parallel", parallel), ("flood", flood)];
        for (name, text) in files {
            std::fs::write(repository.join(format!("{name}.yml")), text).expect("the directory is ours");
        }
        git(&repository, &["init", "--quiet"]);
        git(&repository, &["add", "."]);
        git(&repository, &["-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "b"]);
        let address =
            std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
        let docker = runtime.block_on(async {
            let docker = Docker::connect_with_unix(&address, 120, bollard::API_DEFAULT_VERSION)?;
            docker.negotiate_version().await
        });
        Self { directory, runtime, docker: docker.expect("a Docker engine answers at DOCKER_HOST") }
    }

    fn command(&self, pipeline: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.arg("run").arg(self.directory.path().join("repository"));
        command.arg("--file").arg(format!("{pipeline}.yml")).args(arguments);
        command.env("WINDLASS_HOME", self.directory.path().join("home")).stdin(Stdio::null());
        command
    }

    fn run(&self, pipeline: &str, arguments: &[&str]) {
        succeed(&mut self.command(pipeline, arguments));
    }

    fn events(&self, pipeline: &str) -> Vec<Value> {
        let output = self.command(pipeline, &["--output", "json"]).output().expect("windlass starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("events are UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("an event is JSON")).collect()
    }

    /// From the first step's start to the last one's end, without their own time, by the step.
    fn overhead_per_step(&self, pipeline: &str) -> Duration {
        let events = self.events(pipeline);
        let times = |kind: &'static str| {
            events
                .iter()
                .filter(move |event| event["event"]["type"] == kind)
                .filter_map(|event| event["elapsed_ms"].as_u64())
        };
        let (start, end) = (times("step_started").min(), times("step_ended").max());
        let whole = end.zip(start).map_or(0, |(end, start)| end - start);
        (Duration::from_millis(whole).saturating_sub(10 * NAP) / 10).max(Duration::from_micros(1))
    }

    fn first_output(&self, pipeline: &str) -> Duration {
        use std::io::{BufRead, BufReader};
        let start = Instant::now();
        let mut command = self.command(pipeline, &["--output", "json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("windlass starts");
        let lines = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
        let mut first = None;
        for line in lines {
            let line = line.expect("events are UTF-8");
            if first.is_none() && line.contains("\"type\":\"output\"") {
                first = Some(start.elapsed());
            }
        }
        assert!(child.wait().expect("it can be waited for").success());
        first.expect("the first step prints a line")
    }

    fn create_and_start(&self) -> Duration {
        self.runtime.block_on(async {
            let name = format!("windlass-bench-{}", std::process::id());
            let start = Instant::now();
            let options = CreateContainerOptionsBuilder::new().name(&name).build();
            let body = ContainerCreateBody {
                image: Some(IMAGE.to_owned()),
                cmd: Some(vec!["echo".to_owned()]),
                host_config: Some(HostConfig::default()),
                ..ContainerCreateBody::default()
            };
            self.docker.create_container(Some(options), body).await.expect("the engine creates it");
            self.docker.start_container(&name, None).await.expect("the engine starts it");
            let time = start.elapsed();
            let options = RemoveContainerOptionsBuilder::new().force(true).build();
            self.docker.remove_container(&name, Some(options)).await.expect("the engine removes it");
            time
        })
    }
}

fn docker_run(arguments: &[&str]) {
    succeed(Command::new("docker").args(["run", "--rm", IMAGE]).args(arguments));
}

fn docker_run_counted(script: &str) {
    let pipe = format!("docker run --rm {IMAGE} sh -c '{script}' | wc -c");
    succeed(Command::new("sh").args(["-c", &pipe]));
}

fn docker_run_at_once(count: usize) {
    let start = |_| {
        let mut command = Command::new("docker");
        command.args(["run", "--rm", IMAGE, "true"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("docker starts")
    };
    for mut child in (0..count).map(start).collect::<Vec<_>>() {
        assert!(child.wait().expect("it can be waited for").success());
    }
}

fn git(directory: &Path, arguments: &[&str]) {
    succeed(Command::new("git").arg("-C").arg(directory).args(arguments));
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
