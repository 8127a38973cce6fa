//! One talk with a server: who it is, who we are to it, and in our words what went wrong.
//!
//! Certificates and host keys are always checked, and no switch turns that off.

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use git2::cert::Cert;
use git2::{CertificateCheckStatus, ErrorClass, ErrorCode, RemoteCallbacks};
use rustix::time::{ClockId, clock_gettime};

use super::certificate;
use super::error::SourceError;
use super::hosts::{self, Judgement, KnownHosts};
use super::logins::Logins;
use super::patience::Pulse;
use super::remote::Remote;

/// What one talk knows.
pub(super) struct Talk {
    pub(super) remote: Remote,
    pub(super) pulse: Arc<Pulse>,
    logins: RefCell<Logins>,
    /// Why we do not go on, where that is our own decision.
    verdict: RefCell<Option<SourceError>>,
    /// The certificate that the server has shown.
    shown: RefCell<Vec<u8>>,
}

impl Talk {
    /// A talk with nobody yet.
    pub(super) fn new(remote: Remote, pulse: Arc<Pulse>) -> Self {
        let logins = RefCell::new(Logins::new(&remote, home().as_deref()));
        Self { remote, pulse, logins, verdict: RefCell::default(), shown: RefCell::default() }
    }

    /// What libgit2 asks and tells while it talks.
    pub(super) fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks
            .credentials(|url, user, allowed| self.logins.borrow_mut().next(url, user, allowed))
            .certificate_check(|shown, _| self.check(shown))
            .sideband_progress(|_| self.pulse.beat())
            .transfer_progress(|_| self.pulse.beat());
        callbacks
    }

    fn check(&self, shown: &Cert<'_>) -> Result<CertificateCheckStatus, git2::Error> {
        if let Some(certificate) = shown.as_x509() {
            // OpenSSL has looked at it; this is for the message.
            certificate.data().clone_into(&mut self.shown.borrow_mut());
            return Ok(CertificateCheckStatus::CertificatePassthrough);
        }
        let key = shown.as_hostkey().and_then(git2::cert::CertHostkey::hostkey).unwrap_or_default();
        let known = KnownHosts::read(home().as_deref());
        match self.judge(known.judge(&self.remote.host, self.remote.port(), key), key) {
            None => Ok(CertificateCheckStatus::CertificateOk),
            Some(verdict) => {
                self.verdict.replace(Some(verdict));
                Err(git2::Error::new(ErrorCode::Certificate, ErrorClass::Ssh, "the host key is refused"))
            }
        }
    }

    fn judge(&self, judged: Judgement, key: &[u8]) -> Option<SourceError> {
        let host = self.remote.host.clone();
        let shown = format!("{} {}", hosts::kind(key), hosts::fingerprint(key));
        let port = match self.remote.port() {
            22 => String::new(),
            port => format!("-p {port} "),
        };
        let name = if port.is_empty() { host.clone() } else { format!("'[{host}]:{}'", self.remote.port()) };
        let scan = format!("ssh-keyscan -t {} {port}{host} >>~/.ssh/known_hosts", hosts::kind(key));
        let (problem, help) = match judged {
            Judgement::Known => return None,
            Judgement::Unknown(kinds) if kinds.is_empty() => (
                format!("its key is not known: {shown}"),
                format!("compare it with what the host's owner says; if it is the same: {scan}"),
            ),
            Judgement::Unknown(kinds) => (
                format!("its key is not known: {shown}; known are others, of type {}", kinds.join(", ")),
                format!("compare it with what the host's owner says; if it is the same: {scan}"),
            ),
            Judgement::Changed { known, place } => (
                format!(
                    "its key has changed: it is {shown}, and {place} says {}",
                    hosts::fingerprint(&known)
                ),
                format!(
                    "somebody may be in between; if the host's owner says that it changed: ssh-keygen -R {name}, then {scan}"
                ),
            ),
            Judgement::Revoked { place } => (
                format!("its key {shown} is revoked by {place}"),
                "do not use this host until its owner has given it another key".to_owned(),
            ),
        };
        Some(SourceError::Unverified { url: self.remote.url.clone(), problem, help })
    }

    /// Says in our words what libgit2 said.
    pub(super) fn error(&self, source: git2::Error) -> SourceError {
        if let Some(verdict) = self.verdict.take() {
            return verdict;
        }
        let url = self.remote.url.clone();
        let text = source.message().to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        match (source.code(), source.class()) {
            (_, ErrorClass::Http) if says(&["status code: 403"]) => {
                SourceError::Forbidden { url, source: source.into() }
            }
            (ErrorCode::Auth, _) => self.refused(),
            (ErrorCode::Certificate, _) => self.unverified(&text),
            (ErrorCode::Owner, _) => {
                let path = url.strip_prefix("file://").unwrap_or(&url).into();
                SourceError::Repository { path, source }
            }
            (_, ErrorClass::Http) if says(&["status code: 401"]) => self.refused(),
            (_, ErrorClass::Http) if says(&["404", "410"]) => {
                SourceError::NoRepository { url, source: source.into() }
            }
            // The list of a shallow repository's last commits comes before libgit2 expects it.
            (_, ErrorClass::Net) if says(&["invalid packet line"]) => SourceError::Unread { url },
            _ if says(&["redirect"]) => SourceError::Redirected { url, source: source.into() },
            (_, ErrorClass::Ssl) if says(&["certificate"]) => self.unverified(&text),
            // What libgit2 makes of a certificate that names no address at all.
            (ErrorCode::Eof, ErrorClass::Ssl) if self.remote.host.parse::<IpAddr>().is_ok() => {
                SourceError::Unverified {
                    url,
                    problem: format!("it showed no certificate for the address `{}`", self.remote.host),
                    help: "use the name that its certificate is for".into(),
                }
            }
            (_, ErrorClass::Os) if url.starts_with("file:") => {
                SourceError::NoRepository { url, source: source.into() }
            }
            (ErrorCode::NotFound, _) => SourceError::NoRepository { url, source: source.into() },
            _ if says(&[
                "not found",
                "could not find repository",
                "not appear to be a git",
                "content-type",
                "not a git",
            ]) =>
            {
                SourceError::NoRepository { url, source: source.into() }
            }
            (_, ErrorClass::Net | ErrorClass::Os | ErrorClass::Ssl | ErrorClass::Ssh) => {
                SourceError::Unreachable { url, source: source.into() }
            }
            _ => SourceError::Fetch { url, source: source.into() },
        }
    }

    fn refused(&self) -> SourceError {
        let logins = self.logins.borrow();
        SourceError::Refused {
            url: self.remote.url.clone(),
            tried: logins.tried.clone(),
            locked: logins.locked.first().cloned(),
        }
    }

    fn unverified(&self, text: &str) -> SourceError {
        let host = &self.remote.host;
        let now = certificate::time_of(clock_gettime(ClockId::Realtime).tv_sec);
        let day = |time: &str| {
            let part = |range| time.get(range).unwrap_or_default();
            format!("{}-{}-{}", part(0..4), part(4..6), part(6..8))
        };
        let clock = "the server needs another certificate; is the clock of this machine right?";
        let (problem, help) = match certificate::validity(&self.shown.borrow()) {
            _ if text.contains("hostname") => (
                format!("its certificate is for another name than `{host}`"),
                "use the name that the certificate is for".to_owned(),
            ),
            Some([_, until]) if until < now => {
                (format!("its certificate expired on {}", day(&until)), clock.to_owned())
            }
            Some([from, _]) if from > now => {
                (format!("its certificate is not valid before {}", day(&from)), clock.to_owned())
            }
            _ => (
                "its certificate is not from an authority that this machine trusts".to_owned(),
                "put the authority's certificate into a file, and its path into SSL_CERT_FILE (git's http.sslCAInfo is not read)"
                    .to_owned(),
            ),
        };
        SourceError::Unverified { url: self.remote.url.clone(), problem, help }
    }
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}
