//! Credentials for registries, from where `docker login` puts them.
//!
//! The engine gets them with a pull and they are written nowhere. Credential helpers are programs of
//! their own and are not asked.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bollard::auth::DockerCredentials;

use crate::image::Reference;

/// Docker's configuration directory.
pub(super) fn directory() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".docker");
    std::env::var_os("DOCKER_CONFIG").map_or_else(home, PathBuf::from)
}

/// The credentials for the registry of an image, when there are any.
pub(super) fn find(directory: &Path, image: &Reference) -> Option<DockerCredentials> {
    let text = std::fs::read_to_string(directory.join("config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).ok()?;
    let host = image.registry();
    let names = if host == "docker.io" {
        vec!["https://index.docker.io/v1/".to_owned(), "docker.io".to_owned()]
    } else {
        vec![host.to_owned(), format!("https://{host}"), format!("https://{host}/v2/")]
    };
    let entry = names.iter().find_map(|name| config.get("auths")?.get(name))?;
    let decoded = BASE64_STANDARD.decode(entry.get("auth")?.as_str()?).ok()?;
    let (username, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(DockerCredentials {
        username: Some(username.to_owned()),
        password: Some(password.trim_end_matches('\0').to_owned()),
        serveraddress: Some(names.into_iter().next()?),
        ..DockerCredentials::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_registry_gets_its_own_and_no_other() {
        let place = tempfile::tempdir().unwrap();
        let auth = |text: &str| BASE64_STANDARD.encode(text);
        let config = serde_json::json!({ "auths": {
            "https://index.docker.io/v1/": { "auth": auth("hub:a:b") },
            "host:5000": { "auth": auth("me:secret") },
            "https://other.example": { "auth": "%" },
        }});
        std::fs::write(place.path().join("config.json"), config.to_string()).unwrap();
        let find = |image: &str| {
            let found = find(place.path(), &Reference::parse(image).unwrap())?;
            Some((found.username.unwrap(), found.password.unwrap()))
        };
        assert_eq!(find("busybox"), Some(("hub".to_owned(), "a:b".to_owned())));
        assert_eq!(find("host:5000/team/tool"), Some(("me".to_owned(), "secret".to_owned())));
        assert_eq!(find("other.example/tool"), None);
        assert_eq!(find("third.example/tool"), None);
    }
}
