//! What a server is offered when it asks who is there: one thing after another, each once.
//!
//! It never asks a person, never offers anything to another host, and shows no secret in what it tells.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use git2::{Cred, CredentialType, ErrorClass, ErrorCode};

use super::credential;
use super::remote::Remote;

/// The key files that are tried, in this order.
const KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];
/// A key file is small.
const LONGEST: u64 = 64 << 10;

/// What may be tried.
enum Attempt {
    Agent,
    Key(PathBuf),
    OfUrl,
    Helpers,
}

/// What is left to try for one connection, and what was tried.
pub(super) struct Logins {
    remote: Remote,
    left: std::vec::IntoIter<Attempt>,
    /// What was offered, in words.
    pub(super) tried: Vec<String>,
    /// Key files that nobody can use without their passphrase.
    pub(super) locked: Vec<PathBuf>,
}

impl Logins {
    /// Everything there is for a URL.
    pub(super) fn new(remote: &Remote, home: Option<&Path>) -> Self {
        let mut attempts = Vec::new();
        let mut locked = Vec::new();
        if remote.scheme == "ssh" {
            if std::env::var_os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty()) {
                attempts.push(Attempt::Agent);
            }
            for path in KEYS.iter().filter_map(|name| Some(home?.join(".ssh").join(name))) {
                match is_locked(&path) {
                    Some(true) => locked.push(path),
                    Some(false) => attempts.push(Attempt::Key(path)),
                    None => {}
                }
            }
        }
        if remote.password.is_some() || (remote.user.is_some() && remote.scheme != "ssh") {
            attempts.push(Attempt::OfUrl);
        }
        if remote.scheme == "https" && remote.password.is_none() {
            attempts.push(Attempt::Helpers);
        }
        Self { remote: remote.clone(), left: attempts.into_iter(), tried: Vec::new(), locked }
    }

    /// The next thing to try.
    ///
    /// # Errors
    /// When nothing is left, or another server asks than the one that was named.
    pub(super) fn next(
        &mut self,
        url: &str,
        user: Option<&str>,
        allowed: CredentialType,
    ) -> Result<Cred, git2::Error> {
        let user = self.remote.user.clone().or(user.map(str::to_owned)).unwrap_or_else(|| "git".to_owned());
        if !self.remote.has_origin_of(url) {
            return Err(refused("credentials are for the named host alone"));
        }
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(&user);
        }
        for attempt in self.left.by_ref() {
            let allows = |kind| allowed.contains(kind);
            match attempt {
                Attempt::Agent if allows(CredentialType::SSH_KEY) => {
                    self.tried.push("the keys of the ssh agent".into());
                    return Cred::ssh_key_from_agent(&user);
                }
                Attempt::Key(path) if allows(CredentialType::SSH_KEY) => {
                    self.tried.push(path.display().to_string());
                    return Cred::ssh_key(&user, None, &path, None);
                }
                Attempt::OfUrl if allows(CredentialType::USER_PASS_PLAINTEXT) => {
                    self.tried.push("the credentials of the URL".into());
                    let password = self.remote.password.as_deref().unwrap_or_default();
                    return Cred::userpass_plaintext(&user, password);
                }
                Attempt::Helpers if allows(CredentialType::USER_PASS_PLAINTEXT) => {
                    if let Some(login) = credential::ask(&self.remote) {
                        self.tried.push("those of git's credential helper".into());
                        return Cred::userpass_plaintext(&login.user, &login.password);
                    }
                }
                _ => {}
            }
        }
        Err(refused("there are no more credentials to try"))
    }
}

fn refused(why: &str) -> git2::Error {
    git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, why)
}

/// Whether a key file wants a passphrase; none when there is no key in it.
fn is_locked(path: &Path) -> Option<bool> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(wants_passphrase(&text)).filter(|_| text.contains("PRIVATE KEY-----"))
}

fn wants_passphrase(text: &str) -> bool {
    if text.contains("ENCRYPTED") {
        return true;
    }
    // OpenSSH's own format names its cipher at the beginning.
    let Some((_, body)) = text.split_once("BEGIN OPENSSH PRIVATE KEY-----") else { return false };
    let body: String = body.chars().take_while(|c| *c != '-').filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(body).is_ok_and(|key| !key.starts_with(b"openssh-key-v1\0\0\0\0\x04none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_a_passphrase_is_told_from_one_without() {
        let openssh = |cipher: &str| {
            let length = u32::try_from(cipher.len()).expect("short").to_be_bytes();
            let key = [b"openssh-key-v1\0", length.as_slice(), cipher.as_bytes(), &[0; 70]].concat();
            let body = STANDARD.encode(key);
            let (first, rest) = body.split_at(60);
            format!(
                "-----BEGIN OPENSSH PRIVATE KEY-----\n{first}\n{rest}\n-----END OPENSSH PRIVATE KEY-----\n"
            )
        };
        assert!(!wants_passphrase(&openssh("none")));
        assert!(wants_passphrase(&openssh("aes256-ctr")));
        assert!(wants_passphrase("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"));
        assert!(wants_passphrase("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        assert!(!wants_passphrase("-----BEGIN RSA PRIVATE KEY-----\nMIIE"));
    }
}
