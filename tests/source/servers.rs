//! Git servers of the tests' own, on loopback, and ended by their process: https with an authority made
//! for one test, and OpenSSH's `sshd`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};

use crate::place::{done, end, until};

/// An authority that signs certificates.
pub(crate) struct Authority {
    directory: PathBuf,
}

impl Authority {
    pub(crate) fn new(directory: &Path) -> Self {
        let directory = directory.join("authority");
        fs::create_dir_all(&directory).expect("writable");
        let authority = Self { directory };
        authority.openssl("req -x509 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=windlass-tests");
        authority
    }

    /// What somebody who trusts it points to.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// A certificate for a name and its key, valid for so many days from now.
    pub(crate) fn certificate(&self, name: &str, days: &str) -> (PathBuf, PathBuf) {
        let extensions = format!("subjectAltName=DNS:{name}");
        fs::write(self.directory.join("extensions"), extensions).expect("writable");
        self.openssl(&format!("req -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} -extfile extensions -out {name}.pem"
        ));
        (self.directory.join(format!("{name}.pem")), self.directory.join(format!("{name}.key")))
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(&self.directory).stdin(Stdio::null());
        if arguments.starts_with("req") {
            command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        }
        done(&mut command);
    }
}

/// The https server of `https.py`.
pub(crate) struct Https {
    child: Child,
    pub(crate) port: u16,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Https {
    pub(crate) fn start(root: &Path, (certificate, key): (PathBuf, PathBuf)) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/source/https.py"))
            .args([root, &certificate, &key])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 can be run");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let port = lines.next().and_then(Result::ok).and_then(|line| line.parse().ok()).expect("a port");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                read.lock().expect("nobody panics with it").push(line);
            }
        });
        Self { child, port, lines: seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.port)
    }

    /// Method, path and authorization of every request so far. It tells of them in order: once it has told of
    /// one of our own, it has told of all before.
    pub(crate) fn requests(&self) -> Vec<String> {
        let path = format!("/sync-{}", self.lines().len());
        let _connection = self.get(&path);
        let line = format!("GET {path} -");
        until("the server's lines are read", || self.lines().contains(&line));
        self.seen()
    }

    /// Those that it is known to have told of.
    pub(crate) fn seen(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| !line.starts_with("GET /sync-"));
        lines
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panics with it").clone()
    }

    /// Asks for a page, whoever the server is; it may overlook that when the connection is dropped at once.
    fn get(&self, path: &str) -> SslStream<TcpStream> {
        let mut connector = SslConnector::builder(SslMethod::tls()).expect("OpenSSL");
        connector.set_verify(SslVerifyMode::NONE);
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let mut stream = connector.build().connect("localhost", stream).expect("it speaks TLS");
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it listens");
        stream
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        end(&mut self.child).expect("it is ours");
    }
}

/// An `sshd` for every connection, which serves whoever has the key in `authorized`.
pub(crate) struct Sshd {
    pub(crate) port: u16,
    directory: PathBuf,
    ended: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Sshd {
    pub(crate) fn start(directory: &Path) -> Self {
        let directory = directory.join("sshd");
        fs::create_dir_all(&directory).expect("writable");
        for kind in ["ed25519", "rsa"] {
            make_key(&directory.join(format!("host_{kind}")), kind, "");
        }
        fs::write(directory.join("authorized"), "").expect("writable");
        // As root it wants this one, and nobody else to be able to write to it, whatever the umask is.
        drop(fs::DirBuilder::new().mode(0o755).create("/run/sshd"));
        let at = |name: &str| directory.join(name).display().to_string();
        let config = format!(
            "HostKey {}\nHostKey {}\nPidFile none\nStrictModes no\nUsePAM no\nAuthorizedKeysFile {}\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*\n",
            at("host_ed25519"),
            at("host_rsa"),
            at("authorized"),
        );
        fs::write(directory.join("config"), config).expect("writable");
        let socket = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
        let port = socket.local_addr().expect("it has one").port();
        let ended = Arc::new(AtomicBool::new(false));
        let (config, log, last) = (at("config"), at("log"), Arc::clone(&ended));
        let listener = std::thread::spawn(move || {
            let mut children = Vec::new();
            for connection in socket.incoming().map_while(Result::ok) {
                if last.load(Ordering::Relaxed) {
                    break;
                }
                let mut sshd = Command::new("/usr/sbin/sshd");
                sshd.args(["-i", "-f", &config, "-E", &log]).stderr(Stdio::null());
                let other = connection.try_clone().expect("a descriptor");
                sshd.stdin(OwnedFd::from(connection)).stdout(OwnedFd::from(other));
                children.push(sshd.spawn().expect("openssh-server is installed"));
            }
            for mut child in children {
                end(&mut child).expect("it is ours");
            }
        });
        Self { port, directory, ended, listener: Some(listener) }
    }

    /// Lets a key in.
    pub(crate) fn authorize(&self, key: &Path) {
        let public = fs::read_to_string(key.with_extension("pub")).expect("a key has its other half");
        fs::write(self.directory.join("authorized"), public).expect("writable");
    }

    /// The line of `known_hosts` for one of its keys; `name` is the host as it is to be written there.
    pub(crate) fn known(&self, name: &str, kind: &str) -> String {
        let public = fs::read_to_string(self.directory.join(format!("host_{kind}.pub"))).expect("a key");
        let words: Vec<_> = public.split_whitespace().take(2).collect();
        format!("{name} {}\n", words.join(" "))
    }

    /// The fingerprint of one of its keys, as OpenSSH says it.
    pub(crate) fn fingerprint(&self, kind: &str) -> String {
        let key = self.directory.join(format!("host_{kind}.pub"));
        let said = done(Command::new("ssh-keygen").arg("-lf").arg(key));
        said.split_whitespace().nth(1).expect("the second word").to_owned()
    }

    pub(crate) fn url(&self, repository: &Path) -> String {
        let user = done(Command::new("id").arg("-un"));
        format!("ssh://{}@127.0.0.1:{}{}", user.trim(), self.port, repository.display())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.listener.take().map(JoinHandle::join).expect("it is taken once").expect("it does not panic");
    }
}

/// Makes a key pair, with a passphrase unless that is empty.
pub(crate) fn make_key(path: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    // Nobody waits for long keys, nor relies on these.
    let bits: &[&str] = if kind == "rsa" { &["-b", "2048"] } else { &[] };
    done(command.args(["-q", "-t", kind, "-N", passphrase]).args(bits).arg("-f").arg(path));
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("ours");
}
