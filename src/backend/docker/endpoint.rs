//! Where a Docker engine may listen: `DOCKER_HOST`, then the current `docker context`, then the
//! sockets that engines are known to use, Podman's among them.

use std::env;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::credentials;
use crate::base::hex;

/// An address to try, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: String,
    pub(super) origin: String,
}

/// The addresses to try, the first that answers is taken. Whoever names one gets no other.
pub(super) fn candidates(wanted: Option<&str>) -> Vec<Endpoint> {
    let named = |address: String, origin: &str| vec![Endpoint { address, origin: origin.to_owned() }];
    if let Some(address) = wanted {
        return named(address.to_owned(), "asked for");
    }
    if let Some(address) = env::var("DOCKER_HOST").ok().filter(|address| !address.is_empty()) {
        return named(address, "DOCKER_HOST");
    }
    let home = env::home_dir().unwrap_or_default();
    let config = credentials::directory();
    if let Some(context) = current_context(&config) {
        let address = context_address(&config, &context).unwrap_or_default();
        return named(address, &format!("docker context `{context}`"));
    }
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    known_sockets(&home, runtime.as_deref())
        .into_iter()
        .map(|path| Endpoint {
            address: format!("unix://{}", path.display()),
            origin: "known socket".to_owned(),
        })
        .collect()
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
fn context_address(config: &Path, name: &str) -> Option<String> {
    let directory = hex(&Sha256::digest(name.as_bytes()));
    let text =
        std::fs::read_to_string(config.join("contexts/meta").join(directory).join("meta.json")).ok()?;
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
    fn podmans_sockets_come_last() {
        let sockets = known_sockets(Path::new("/home/u"), Some(Path::new("/run/user/1")));
        assert_eq!(sockets.first().unwrap(), Path::new("/var/run/docker.sock"));
        assert_eq!(sockets.last().unwrap(), Path::new("/run/podman/podman.sock"));
        assert!(sockets.contains(&PathBuf::from("/run/user/1/docker.sock")));
    }
}
