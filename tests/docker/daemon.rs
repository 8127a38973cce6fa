//! A Docker daemon of a test's own, to be killed, paused and started again.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::bed::{IMAGE, PATIENCE, docker_host};
use crate::bridge::Bridge;

/// A running daemon; all that it made goes with it.
pub struct Daemon {
    directory: TempDir,
    /// Carried by its bridge, its cgroup and its processes.
    token: String,
    bridge: Bridge,
    habit: Habit,
    child: Option<Child>,
}

/// What a daemon does that others do not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    None,
    /// Containers go on while it is away; and it has eight networks to give away.
    LiveRestore,
    /// It has eight networks to give away. Such a one is never started again: without live-restore it then removes
    /// the machine's `docker0`, whoever's that is.
    FewNetworks,
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    output.status.success()
}

impl Daemon {
    /// Starts one that has the tests' image.
    pub fn start(habit: Habit) -> Self {
        let directory = tempfile::Builder::new().prefix("wl-d-").rand_bytes(6).tempdir().unwrap();
        let bridge = Bridge::new(directory.path().file_name().unwrap().to_str().unwrap());
        let mut daemon = Self { token: bridge.name.clone(), bridge, directory, habit, child: None };
        daemon.restart();
        let load = "docker --host \"$1\" save \"$2\" | docker --host \"$3\" load";
        assert!(run(
            "sh",
            &["-c", load, "sh", &docker_host(), &format!("{IMAGE}:latest"), &daemon.address()]
        ));
        daemon
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.path("docker.sock"))
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Starts it, again, and waits until it answers.
    pub fn restart(&mut self) {
        fs::write(self.path("daemon.json"), "{}").unwrap();
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let address = self.address();
        let mut command = Command::new("dockerd");
        for (key, value) in [
            ("--config-file", self.path("daemon.json")),
            ("--host", address),
            ("--group", "0".to_owned()),
            ("--data-root", self.path("data")),
            ("--exec-root", self.path("exec")),
            ("--pidfile", self.path("pid")),
            ("--containerd-namespace", self.token.clone()),
            ("--containerd-plugins-namespace", format!("{}-plugins", self.token)),
            ("--exec-opt", "native.cgroupdriver=cgroupfs".to_owned()),
            ("--cgroup-parent", format!("/{}", self.token)),
            ("--bridge", self.token.clone()),
        ] {
            command.args([key, &value]);
        }
        command.args(["--iptables=false", "--ip-forward=false", "--ip-masq=false"]);
        if self.habit != Habit::None {
            let pool = format!("base={}0/25,size=28", self.bridge.subnet.replacen("203", "204", 1));
            command.args(["--default-address-pool", &pool]);
        }
        if self.habit == Habit::LiveRestore {
            command.arg("--live-restore");
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let start = Instant::now();
        while !run("docker", &["--host", &self.address(), "version"]) {
            assert!(start.elapsed() < PATIENCE, "{}", fs::read_to_string(self.path("log")).unwrap());
            sleep(Duration::from_millis(100));
        }
    }

    pub fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            kill_process(Pid::from_child(child), signal).unwrap();
        }
    }

    /// Kills it, as a crash would; its containers go on.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        // Where a stranger has its id by now, the next one would not start.
        let _ = fs::remove_file(self.path("pid"));
        // Its containerd dies with it; where nobody takes note of that, the next one would wait for it.
        let file = self.path("exec/containerd/containerd.pid");
        let containerd = fs::read_to_string(&file).unwrap();
        let start = Instant::now();
        while fs::read_to_string(format!("/proc/{}/cmdline", containerd.trim()))
            .is_ok_and(|line| line.contains(&self.token))
        {
            assert!(start.elapsed() < PATIENCE, "containerd goes on");
            sleep(Duration::from_millis(20));
        }
        fs::remove_file(file).unwrap();
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process(Pid::from_child(&child), Signal::TERM);
            let start = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && start.elapsed() < PATIENCE {
                sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Everything of it that a leak would change.
    pub fn snapshot(&self) -> Vec<String> {
        let mut all = Vec::new();
        for what in [
            ["ps", "--all", "--quiet"].as_slice(),
            &["volume", "ls", "--quiet"],
            &["network", "ls", "--format", "{{.Name}}"],
        ] {
            let output =
                Command::new("docker").args(["--host", &self.address()]).args(what).output().unwrap();
            all.extend(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned));
        }
        all.extend(mounts(self.directory.path()));
        all.extend(self.cgroups());
        all
    }

    /// The cgroups of its containers.
    fn cgroups(&self) -> Vec<String> {
        let mut found = Vec::new();
        let controllers = fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path());
        for parent in controllers.chain(["/sys/fs/cgroup".into()]).map(|path| path.join(&self.token)) {
            let below = fs::read_dir(&parent).into_iter().flatten().filter_map(Result::ok);
            found.extend(
                below.filter(|entry| entry.path().is_dir()).map(|entry| entry.path().display().to_string()),
            );
        }
        found
    }
}

fn mounts(below: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(str::to_owned);
    points.filter(|point| point.starts_with(below.to_str().unwrap())).collect()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            let pid = Pid::from_child(&child);
            let _ = kill_process(pid, Signal::CONT);
            run(
                "sh",
                &[
                    "-c",
                    "docker --host \"$1\" ps -aq | xargs -r docker --host \"$1\" rm -f",
                    "sh",
                    &self.address(),
                ],
            );
            self.child = Some(child);
            self.stop();
        }
        for process in fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok) {
            // What is left when a test ends in the middle: containerd and its shims.
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let ours = String::from_utf8_lossy(&line).contains("containerd")
                && String::from_utf8_lossy(&line).contains(&self.token);
            let pid = process.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
            if let Some(pid) = pid.filter(|_| ours) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        for cgroup in self.cgroups() {
            let processes = fs::read_to_string(Path::new(&cgroup).join("cgroup.procs")).unwrap_or_default();
            for pid in processes.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        for point in mounts(self.directory.path()).iter().rev() {
            run("umount", &["--lazy", point]);
        }
        for parent in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().filter_map(Result::ok) {
            let _ = fs::remove_dir(parent.path().join(&self.token));
        }
    }
}
