//! ssh: whose key the host has, which of ours we show, and what is never done.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::place::{Place, done, end, until};
use crate::servers::{Sshd, make_key};

/// A person with a repository on a server that knows nobody yet.
fn strangers() -> (Place, Sshd, String) {
    let place = Place::new();
    let repository = place.repository("a");
    let sshd = Sshd::start(place.path());
    let url = sshd.url(&repository);
    (place, sshd, url)
}

/// The same, with a key of the person's that the server lets in.
fn friends() -> (Place, Sshd, String) {
    let (place, sshd, url) = strangers();
    let key = place.home().join(".ssh/id_ed25519");
    make_key(&key, "ed25519", "");
    sshd.authorize(&key);
    (place, sshd, url)
}

fn know(place: &Place, lines: &str) {
    fs::write(place.home().join(".ssh/known_hosts"), lines).expect("writable");
}

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        end(&mut self.0).expect("it is ours");
    }
}

fn agent(socket: &Path) -> Agent {
    let mut command = Command::new("ssh-agent");
    let child = command.args(["-D", "-a"]).arg(socket).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let agent = Agent(child.expect("openssh-client is installed"));
    until("the agent listens", || UnixStream::connect(socket).is_ok());
    agent
}

#[test]
fn a_known_host_is_talked_to_by_whatever_name_it_is_known() {
    let (place, sshd, url) = friends();
    let full = format!("[127.0.0.1]:{}", sshd.port);
    for name in [full.as_str(), "127.0.0.1", "*", &format!("other,{full}")] {
        know(&place, &sshd.known(name, "ed25519"));
        place.plan(&url).captured();
    }
    // Only the key of an older type is known: that one is asked for.
    know(&place, &sshd.known(&full, "rsa"));
    place.plan(&url).captured();
    know(&place, &sshd.known(&full, "ed25519"));
    done(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(place.home().join(".ssh/known_hosts")));
    let hashed = fs::read_to_string(place.home().join(".ssh/known_hosts")).expect("readable");
    assert!(hashed.starts_with("|1|"), "{hashed}");
    place.plan(&url).captured();
    place.nothing_is_left();
}

#[test]
fn an_unknown_a_changed_and_a_revoked_key_are_refused() {
    let (place, sshd, url) = friends();
    let full = format!("[127.0.0.1]:{}", sshd.port);
    let shown = sshd.fingerprint("ed25519");
    let scan = format!("ssh-keyscan -t ssh-ed25519 -p {} 127.0.0.1 >>", sshd.port);
    let ended = place.plan(&url);
    assert!(ended.stderr.contains("its key is not known: "), "{ended:?}");
    know(&place, &sshd.known(&full, "ed25519"));
    place.plan(&url).captured();
    // The same host and port, and another key.
    let other = Sshd::start(&place.path().join("other"));
    know(&place, &other.known(&full, "ed25519"));
    place.plan(&url).refused(&[
        "its key has changed",
        &shown,
        &other.fingerprint("ed25519"),
        "known_hosts:1",
        &format!("ssh-keygen -R '{full}'"),
        &scan,
    ]);
    know(&place, &(sshd.known("@revoked *", "ed25519") + &sshd.known(&full, "ed25519")));
    place.plan(&url).refused(&["is revoked by", "known_hosts:1", &shown]);
    know(&place, &sshd.known("elsewhere", "ed25519"));
    place.plan(&url).refused(&["its key is not known", "compare it with"]);
    place.nothing_is_left();
}

#[test]
fn keys_come_from_the_agent_and_from_files() {
    let (mut place, sshd, url) = strangers();
    know(&place, &sshd.known("127.0.0.1", "ed25519"));
    place.plan(&url).refused(&["asks for credentials, and there are none", "ssh-add"]);
    let file = |name: &str| -> PathBuf { place.home().join(".ssh").join(name) };
    for (name, kind) in [("id_ed25519", "ed25519"), ("id_ecdsa", "ecdsa"), ("id_rsa", "rsa")] {
        make_key(&file(name), kind, "");
        place.plan(&url).refused(&["refused the credentials", name]);
        sshd.authorize(&file(name));
        place.plan(&url).captured();
        fs::remove_file(file(name)).expect("ours");
    }
    make_key(&file("id_ed25519"), "ed25519", "passphrase");
    sshd.authorize(&file("id_ed25519"));
    place.plan(&url).refused(&["asks for credentials", "id_ed25519 has a passphrase: ssh-add"]);
    fs::remove_file(file("id_ed25519")).expect("ours");
    let own = place.path().join("key");
    make_key(&own, "ed25519", "");
    sshd.authorize(&own);
    let socket = place.path().join("agent");
    let _agent = agent(&socket);
    place.set("SSH_AUTH_SOCK", &socket);
    place.plan(&url).refused(&["offered the keys of the ssh agent"]);
    done(Command::new("ssh-add").arg("-q").arg(&own).env("SSH_AUTH_SOCK", &socket).stderr(Stdio::null()));
    place.plan(&url).captured();
    place.nothing_is_left();
}

#[test]
fn what_is_not_there_and_who_is_not_there() {
    let (place, sshd, url) = friends();
    know(&place, &sshd.known("127.0.0.1", "ed25519"));
    place.plan(&url.replace("/a.git", "/none.git")).refused(&["there is no git repository"]);
    // The user's ssh configuration could run programs, and has no part in it.
    let marker = place.path().join("ran");
    let config = format!("Host *\n  ProxyCommand touch {}\n", marker.display());
    fs::write(place.home().join(".ssh/config"), config).expect("writable");
    place.plan(&url).captured();
    assert!(!marker.exists());
    place.nothing_is_left();
}
