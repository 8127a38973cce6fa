//! Engines of the tests' own, each in one directory, ended with all that it started.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::bed::{IMAGE, PATIENCE, docker_host};
use crate::bridge::Bridge;
use crate::executable::executable;

/// A Docker daemon in a mount namespace in which nothing of our directories exists. It listens on a
/// socket, and on a port with TLS.
pub struct Elsewhere {
    directory: TempDir,
    daemon: Child,
    pub port: u16,
    _bridge: Bridge,
}

/// Hides the directory for temporary files, but for the daemon's own.
const HIDDEN: &str = r#"
set -e
engine=$1 hidden=$2
shift 2
mount --make-rprivate /
mount --bind "$engine" /mnt
mount -t tmpfs tmpfs "$hidden"
mkdir -p "$engine"
mount --bind /mnt "$engine"
exec "$@"
"#;

impl Elsewhere {
    /// The one that all tests share, as long as one of them uses it.
    pub fn engine() -> Arc<Self> {
        static SHARED: Mutex<Weak<Elsewhere>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let engine = Arc::new(Self::start());
            *shared = Arc::downgrade(&engine);
            engine
        })
    }

    fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("wl-e-").tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        fs::create_dir(at("engine")).unwrap();
        fs::write(at("engine/daemon.json"), "{}").unwrap();
        certificates(&directory.path().join("engine/tls"));
        // A port may be taken between here and there; then the daemon ends, and says so in its log.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", HIDDEN, "sh", &at("engine")]).arg(std::env::temp_dir());
        command.args(["dockerd", "--config-file", &at("engine/daemon.json"), "--group", "0"]);
        command.args(["--host", &format!("unix://{}", at("engine/docker.sock"))]);
        command.args(["--host", &format!("tcp://127.0.0.1:{port}"), "--tlsverify"]);
        for (option, file) in
            [("--tlscacert", "ca.pem"), ("--tlscert", "server.pem"), ("--tlskey", "server-key.pem")]
        {
            command.args([option, &at(&format!("engine/tls/{file}"))]);
        }
        command.args(["--data-root", &at("engine/data"), "--exec-root", &at("engine/exec")]);
        command.args(["--pidfile", &at("engine/pid"), "--iptables=false"]);
        command.args(["--ip-forward=false", "--ip-masq=false", "--exec-opt", "native.cgroupdriver=cgroupfs"]);
        let name = directory.path().file_name().unwrap().to_str().unwrap().to_owned();
        let bridge = Bridge::new(&name);
        command.args(["--bridge", &name, "--cgroup-parent", &format!("/{name}")]).process_group(0);
        let log = fs::File::create(at("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut engine = Self { daemon: command.spawn().unwrap(), directory, port, _bridge: bridge };
        let (address, log) = (engine.address(), engine.directory.path().join("log"));
        wait(&mut engine.daemon, &address, &log);
        load(&address);
        engine
    }

    pub fn address(&self) -> String {
        format!("unix://{}/engine/docker.sock", self.directory.path().display())
    }

    /// `ca.pem`, `cert.pem` and `key.pem` that it accepts, and others.
    pub fn certificates(&self) -> PathBuf {
        self.directory.path().join("engine/tls")
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        end(&mut self.daemon);
        let name = self.directory.path().file_name().unwrap().to_owned();
        for group in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let _ = fs::remove_dir(group.path().join(&name));
        }
    }
}

/// Podman's service, which answers as Docker does.
pub struct Podman {
    directory: TempDir,
    service: Child,
    _bridge: Bridge,
}

impl Podman {
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("wl-p-").tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        // Its own limits may be higher than a root without all capabilities can set.
        let limits = "default_ulimits = [\"nofile=4096:4096\", \"nproc=8192:8192\"]";
        let engine = "cgroup_manager = \"cgroupfs\"\nruntime = \"runc\"\nevents_logger = \"none\"";
        fs::write(at("containers.conf"), format!("[containers]\n{limits}\n[engine]\n{engine}\n")).unwrap();
        fs::write(
            at("registries.conf"),
            "unqualified-search-registries = []\n[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n",
        )
        .unwrap();
        let bridge = Bridge::new(directory.path().file_name().unwrap().to_str().unwrap());
        // Without its own network, whose plugins would write into the machine's firewall.
        let addresses = json!({
            "type": "host-local",
            "dataDir": at("addresses"),
            "ranges": [[{ "subnet": format!("{}0/24", bridge.subnet) }]],
        });
        let plugin =
            json!({ "type": "bridge", "bridge": &bridge.name, "isGateway": true, "ipam": addresses });
        let network = json!({ "cniVersion": "0.4.0", "name": "podman", "plugins": [plugin] });
        fs::create_dir(at("networks")).unwrap();
        fs::write(at("networks/podman.conflist"), network.to_string()).unwrap();
        let mut command = Command::new("podman");
        command.env("CONTAINERS_CONF", at("containers.conf"));
        command.env("CONTAINERS_REGISTRIES_CONF", at("registries.conf"));
        command.args(["--root", &at("root"), "--runroot", &at("run"), "--tmpdir", &at("tmp")]);
        command.args(["--network-config-dir", &at("networks"), "system", "service", "--time=0"]);
        command.arg(format!("unix://{}", at("podman.sock"))).process_group(0);
        let log = fs::File::create(at("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut podman = Self { service: command.spawn().unwrap(), directory, _bridge: bridge };
        let (address, log) = (podman.address(), podman.directory.path().join("log"));
        wait(&mut podman.service, &address, &log);
        load(&address);
        // It loads what has no registry in its name as one of its own.
        let mut tag = Command::new("docker");
        tag.args(["--host", &address, "tag", &format!("localhost/{IMAGE}"), &format!("docker.io/{IMAGE}")]);
        assert!(tag.status().unwrap().success());
        podman
    }

    pub fn address(&self) -> String {
        format!("unix://{}/podman.sock", self.directory.path().display())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        end(&mut self.service);
        // Its storage is mounted onto itself.
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let ours = mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect::<Vec<_>>();
        for mount in
            ours.into_iter().rev().filter(|mount| Path::new(mount).starts_with(self.directory.path()))
        {
            let _ = Command::new("umount").arg(mount).status();
        }
    }
}

/// Waits until an engine answers.
fn wait(process: &mut Child, address: &str, log: &Path) {
    let start = Instant::now();
    let answers = || {
        let mut command = Command::new("docker");
        command.args(["--host", address, "version"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().unwrap().success()
    };
    while !answers() {
        let over = process.try_wait().unwrap().is_some() || start.elapsed() > PATIENCE;
        assert!(!over, "no engine of our own:\n{}", fs::read_to_string(log).unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ends a process that ends what it started, and waits for it.
pub fn end(process: &mut Child) {
    let _ = rustix::process::kill_process(
        rustix::process::Pid::from_child(process),
        rustix::process::Signal::TERM,
    );
    let start = Instant::now();
    while process.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(20) {
            let _ = process.kill();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Gives an engine the image of the tests, without a registry.
fn load(address: &str) {
    let mut save = Command::new("docker");
    save.args(["--host", &docker_host(), "save", &format!("{IMAGE}:latest")]).stdout(Stdio::piped());
    let mut save = save.spawn().unwrap();
    let mut load = Command::new("docker");
    load.args(["--host", address, "load", "--quiet"])
        .stdin(save.stdout.take().unwrap())
        .stdout(Stdio::null());
    assert!(load.status().unwrap().success() && save.wait().unwrap().success());
}

/// A private authority, a server's certificate for 127.0.0.1, a client's, and one of a stranger.
fn certificates(directory: &Path) {
    fs::create_dir(directory).unwrap();
    let script = r#"
set -e
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
authority() { key "$1-key.pem"; openssl req -x509 -new -key "$1-key.pem" -subj "/CN=$1" -days 2 -out "$1.pem"; }
signed() { # NAME AUTHORITY EXTENSION
  key "$1-key.pem"
  echo "$3" >"$1.ext"
  openssl req -new -key "$1-key.pem" -subj "/CN=$1" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2-key.pem" -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.pem"
}
authority ca
authority stranger
signed server ca 'subjectAltName=IP:127.0.0.1'
signed client ca 'extendedKeyUsage=clientAuth'
signed intruder stranger 'extendedKeyUsage=clientAuth'
bundle() { mkdir "$1"; cp "$2" "$1/ca.pem"; cp "$3.pem" "$1/cert.pem"; cp "$3-key.pem" "$1/key.pem"; }
bundle good ca.pem client
bundle wrong-client ca.pem intruder
bundle wrong-authority stranger.pem client
"#;
    let made = Command::new("sh").args(["-c", script]).current_dir(directory).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// An ssh server on loopback, and the key and configuration to log in to it.
pub struct SshServer {
    directory: TempDir,
    server: Child,
    pub port: u16,
}

impl SshServer {
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("wl-s-").tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        for key in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]).status();
            assert!(made.unwrap().success());
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = |name: &str| fs::read_to_string(at(name)).unwrap();
        fs::write(at("authorized"), text("user.pub")).unwrap();
        fs::write(at("known"), format!("[127.0.0.1]:{port} {}", text("host.pub"))).unwrap();
        fs::write(
            at("client"),
            format!(
                "IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nGlobalKnownHostsFile none\n",
                at("user"),
                at("known")
            ),
        )
        .unwrap();
        fs::write(
            at("server"),
            format!(
                "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
                 StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nMaxStartups 100\n",
                at("host"),
                at("authorized")
            ),
        )
        .unwrap();
        fs::create_dir(at("bin")).unwrap();
        let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", at("client"));
        executable(Path::new(&at("bin/ssh")), script.as_bytes());
        // Where the package's own start script has not run.
        let _ = fs::DirBuilder::new().mode(0o755).create("/run/sshd");
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.args(["-D", "-e", "-f", &at("server")]).stdin(Stdio::null()).process_group(0);
        sshd.stderr(fs::File::create(at("log")).unwrap());
        let mut server = Self { server: sshd.spawn().unwrap(), directory, port };
        server.wait();
        server
    }

    fn wait(&mut self) {
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let over = self.server.try_wait().unwrap().is_some() || start.elapsed() > PATIENCE;
            let log = || fs::read_to_string(self.directory.path().join("log")).unwrap();
            assert!(!over, "no sshd of our own:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A directory with an `ssh` that can log in.
    pub fn client(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    /// The client knows the server's key no more.
    pub fn forget(&self) {
        fs::write(self.directory.path().join("known"), "").unwrap();
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        end(&mut self.server);
    }
}
