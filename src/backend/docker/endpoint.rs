//! Where a Docker engine may listen: `DOCKER_HOST`, then the current `docker context`, then the
//! sockets that engines are known to use, Podman's among them.

use std::env;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{credentials, dial, error};
use crate::base::hex;

/// An address to try, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: String,
    pub(super) origin: String,
    /// A directory with `ca.pem`, `cert.pem` and `key.pem`, for TLS.
    pub(super) certificates: Option<PathBuf>,
    /// How long the engine may take to say that it is there.
    pub(super) patience: Duration,
}

/// For one that somebody has named: there may be a network between, or a busy machine.
const NAMED: Duration = Duration::from_secs(20);
/// For a socket of this machine that is tried because engines are known to use it, before the next.
const KNOWN: Duration = Duration::from_secs(4);

/// The addresses to try, the first that answers is taken. Whoever names one gets no other.
pub(super) fn candidates(wanted: Option<&str>) -> Vec<Endpoint> {
    let config = credentials::directory();
    let named = |address: String, origin: &str, certificates| {
        vec![Endpoint { address, origin: origin.to_owned(), certificates, patience: NAMED }]
    };
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let from_variables = || {
        let wanted = variable("DOCKER_TLS_VERIFY").is_some();
        wanted.then(|| variable("DOCKER_CERT_PATH").map_or_else(|| config.clone(), PathBuf::from))
    };
    if let Some(address) = wanted {
        return named(address.to_owned(), "asked for", from_variables());
    }
    if let Some(address) = variable("DOCKER_HOST") {
        return named(address, "DOCKER_HOST", from_variables());
    }
    if let Some(context) = current_context(&config) {
        let address = context_address(&config, &context).unwrap_or_default();
        let certificates = context_directory(&config, "tls", &context).join("docker");
        let certificates = certificates.is_dir().then_some(certificates);
        return named(address, &format!("docker context `{context}`"), certificates);
    }
    let home = env::home_dir().unwrap_or_default();
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    known_sockets(&home, runtime.as_deref())
        .into_iter()
        .map(|path| Endpoint {
            address: format!("unix://{}", path.display()),
            origin: "known socket".to_owned(),
            certificates: None,
            patience: KNOWN,
        })
        .collect()
}

impl Endpoint {
    /// The socket, if it is one of this machine.
    pub(super) fn socket(&self) -> Option<&Path> {
        self.address.strip_prefix("unix://").map(Path::new)
    }

    /// The way to the engine. Nothing is sent yet.
    ///
    /// # Errors
    /// In words for people: what is wrong with the address, or with what is needed to use it.
    pub(super) fn open(&self) -> Result<bollard::Docker, String> {
        let said = |error: bollard::errors::Error| error::words(&error);
        let (scheme, rest) = self
            .address
            .split_once("://")
            .ok_or("not an address; write it like unix:///var/run/docker.sock")?;
        match scheme {
            "unix" => {
                // bollard's own error for these does not name the cause.
                match rustix::fs::access(rest, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK) {
                    Ok(()) => {}
                    Err(rustix::io::Errno::NOENT) => return Err("there is no such socket".to_owned()),
                    Err(rustix::io::Errno::ACCESS) => return Err("permission denied".to_owned()),
                    Err(error) => return Err(error.to_string()),
                }
                bollard::Docker::connect_with_unix(rest, super::CALL, bollard::API_DEFAULT_VERSION)
                    .map_err(said)
            }
            "ssh" => dial::client(dial::ssh(rest)?).map_err(said),
            "tcp" | "http" | "https" => {
                let place = rest.trim_end_matches('/');
                let (host, port) = dial::split_port(place)?;
                if let Some(directory) = &self.certificates {
                    let way = dial::tls(host, port.unwrap_or(2376), directory)?;
                    return dial::client(way).map_err(said);
                }
                if scheme == "https" {
                    return Err(NO_CERTIFICATES.to_owned());
                }
                if !is_loopback(host) {
                    return Err(NOT_ENCRYPTED.to_owned());
                }
                let place = port.map_or_else(|| format!("{place}:2375"), |_| place.to_owned());
                bollard::Docker::connect_with_http(&place, super::CALL, bollard::API_DEFAULT_VERSION)
                    .map_err(said)
            }
            other => Err(format!("{other}:// is no way to an engine; there are unix://, tcp:// and ssh://")),
        }
    }
}

/// An engine with TLS, and nothing to answer it with.
pub(super) const NO_CERTIFICATES: &str = "it speaks TLS, and there are no certificates for it: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to a \
                               directory with ca.pem, cert.pem and key.pem";
/// Whoever reads along has the secrets, and whoever can connect is root there.
const NOT_ENCRYPTED: &str = "it is on the network and not encrypted: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to \
                             a directory with ca.pem, cert.pem and key.pem, or use ssh://";

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn known_sockets(home: &Path, runtime: Option<&Path>) -> Vec<PathBuf> {
    let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
    sockets.extend(runtime.map(|runtime| runtime.join("docker.sock")));
    for under_home in [
        ".docker/run/docker.sock",
        ".docker/desktop/docker.sock",
        ".colima/default/docker.sock",
        ".orbstack/run/docker.sock",
        ".rd/docker.sock",
    ] {
        sockets.push(home.join(under_home));
    }
    sockets.extend(runtime.map(|runtime| runtime.join("podman/podman.sock")));
    sockets.push(PathBuf::from("/run/podman/podman.sock"));
    sockets
}

/// The context that the docker command would use, when it is not the default one.
fn current_context(config: &Path) -> Option<String> {
    let from_file = || {
        let text = std::fs::read_to_string(config.join("config.json")).ok()?;
        let json: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(json.get("currentContext")?.as_str()?.to_owned())
    };
    let name = env::var("DOCKER_CONTEXT").ok().filter(|name| !name.is_empty()).or_else(from_file)?;
    (name != "default" && !name.is_empty()).then_some(name)
}

/// Contexts are stored under the sha256 of their names.
fn context_directory(config: &Path, part: &str, name: &str) -> PathBuf {
    config.join("contexts").join(part).join(hex(&Sha256::digest(name.as_bytes())))
}

fn context_address(config: &Path, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(context_directory(config, "meta", name).join("meta.json")).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(json.pointer("/Endpoints/docker/Host")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_named_is_the_only_one() {
        let found = candidates(Some("unix:///x"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, "unix:///x");
    }

    #[test]
    fn a_context_is_found_by_the_digest_of_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let meta = directory
            .path()
            .join("contexts/meta/b71199ebd070b36beab7317920c2c2f1d777df8d05e5527d8458fda57cb17a7a");
        std::fs::create_dir_all(&meta).unwrap();
        let json = r#"{"Name":"remote","Endpoints":{"docker":{"Host":"unix:///there.sock"}}}"#;
        std::fs::write(meta.join("meta.json"), json).unwrap();
        std::fs::write(directory.path().join("config.json"), r#"{"currentContext":"remote"}"#).unwrap();
        assert_eq!(context_address(directory.path(), "remote").as_deref(), Some("unix:///there.sock"));
        assert_eq!(context_address(directory.path(), "other"), None);
    }

    #[test]
    fn an_open_port_on_the_network_is_refused() {
        let at = |address: &str| {
            let (address, origin) = (address.to_owned(), String::new());
            Endpoint { address, origin, certificates: None, patience: NAMED }
        };
        for loopback in ["tcp://127.0.0.1:2375", "tcp://localhost", "http://[::1]:1/"] {
            drop(at(loopback).open().unwrap());
        }
        for (address, word) in [
            ("tcp://10.0.0.1:2375", "not encrypted"),
            ("tcp://engine", "not encrypted"),
            ("https://127.0.0.1:2376", "no certificates"),
            ("tcp://127.0.0.1:port", "no port"),
            ("npipe:////./pipe/docker", "no way"),
            ("engine:2375", "not an address"),
        ] {
            let why = at(address).open().unwrap_err();
            assert!(why.contains(word), "{address}: {why}");
        }
    }

    #[test]
    fn podmans_sockets_come_last() {
        let sockets = known_sockets(Path::new("/home/u"), Some(Path::new("/run/user/1")));
        assert_eq!(sockets.first().unwrap(), Path::new("/var/run/docker.sock"));
        assert_eq!(sockets.last().unwrap(), Path::new("/run/podman/podman.sock"));
        assert!(sockets.contains(&PathBuf::from("/run/user/1/docker.sock")));
    }
}
