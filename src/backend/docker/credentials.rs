//! Credentials for registries, from where `docker login` puts them: Docker's configuration file, or the
//! program that it names.
//!
//! The engine gets them with a pull and they are written nowhere. A program that fails is no end: most
//! images are for everybody, and a registry that refuses says so.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::image::Reference;

/// How long a program may take: it may have to open a key ring, and must not ask anybody.
const PATIENCE: Duration = Duration::from_secs(10);

/// Docker's configuration directory.
pub(super) fn directory() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".docker");
    std::env::var_os("DOCKER_CONFIG").map_or_else(home, PathBuf::from)
}

/// What is known of a registry.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) credentials: Option<DockerCredentials>,
    /// Why the program that should know did not say.
    pub(super) problem: Option<String>,
}

/// Looks for the credentials for the registry of an image.
pub(super) async fn find(directory: &Path, image: &Reference) -> Known {
    let config = std::fs::read_to_string(directory.join("config.json")).unwrap_or_default();
    let config: Value = serde_json::from_str(&config).unwrap_or_default();
    let host = image.registry();
    let names = if host == "docker.io" {
        vec!["https://index.docker.io/v1/".to_owned(), "docker.io".to_owned()]
    } else {
        vec![host.to_owned(), format!("https://{host}"), format!("https://{host}/v2/")]
    };
    let server = names.first().cloned().unwrap_or_default();
    let mut known = Known::default();
    if let Some(program) = helper(&config, &names) {
        match ask(program, &server).await {
            Ok(found) => known.credentials = found,
            Err(why) => known.problem = Some(format!("docker-credential-{program} {why}")),
        }
    }
    let stored = || names.iter().find_map(|name| from_file(config.get("auths")?.get(name)?));
    let credentials = known.credentials.take().or_else(stored);
    known.credentials = credentials
        .map(|credentials| DockerCredentials { serveraddress: Some(server.clone()), ..credentials });
    known
}

/// The program that keeps a registry's credentials: its own, or the one for all.
fn helper<'a>(config: &'a Value, names: &[String]) -> Option<&'a str> {
    let own = names.iter().find_map(|name| config.get("credHelpers")?.get(name));
    own.or_else(|| config.get("credsStore"))?.as_str().filter(|name| !name.is_empty())
}

fn from_file(entry: &Value) -> Option<DockerCredentials> {
    let text = |name: &str| entry.get(name)?.as_str().filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Some(with_token(token));
    }
    let decoded = BASE64_STANDARD.decode(text("auth")?).ok()?;
    let (username, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(with_password(username, password.trim_end_matches('\0')))
}

fn with_password(username: &str, password: &str) -> DockerCredentials {
    let (username, password) = (Some(username.to_owned()), Some(password.to_owned()));
    DockerCredentials { username, password, ..DockerCredentials::default() }
}

fn with_token(token: &str) -> DockerCredentials {
    DockerCredentials { identitytoken: Some(token.to_owned()), ..DockerCredentials::default() }
}

/// Asks a program of `docker-credential-*`; none when it has none. The error goes on after its name.
async fn ask(program: &str, server: &str) -> Result<Option<DockerCredentials>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let mut command = Command::new(format!("docker-credential-{program}"));
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "is not in the PATH".to_owned(),
        _ => format!("cannot be run: {error}"),
    })?;
    let asked = async {
        if let Some(mut input) = child.stdin.take() {
            // One that does not listen may answer all the same.
            let _ = input.write_all(server.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = match timeout(PATIENCE, asked).await {
        Ok(output) => output.map_err(|error| format!("cannot be heard: {error}"))?,
        Err(_) => return Err(format!("did not answer in {} s", PATIENCE.as_secs())),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        // What it said holds a secret, and is not shown.
        let answer: Answer = serde_json::from_str(&said).map_err(|_| "did not answer in JSON".to_owned())?;
        // The name that stands for a token in place of a password.
        return Ok(Some(match answer.username.as_str() {
            "<token>" => with_token(&answer.secret),
            username => with_password(username, &answer.secret),
        }));
    }
    if said.contains("credentials not found") {
        return Ok(None);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let why = [said.trim(), errors.trim()].join(" ");
    Err(format!("failed: {}", why.trim().chars().take(200).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_registry_gets_its_own_and_no_other() {
        let place = tempfile::tempdir().unwrap();
        let auth = |text: &str| BASE64_STANDARD.encode(text);
        let config = serde_json::json!({ "auths": {
            "https://index.docker.io/v1/": { "auth": auth("hub:a:b") },
            "host:5000": { "auth": auth("me:secret") },
            "https://other.example": { "auth": "%" },
            "token.example": { "auth": "", "identitytoken": "long" },
        }});
        std::fs::write(place.path().join("config.json"), config.to_string()).unwrap();
        let find = async |image: &str| {
            let found = find(place.path(), &Reference::parse(image).unwrap()).await.credentials?;
            match found.identitytoken {
                Some(token) => Some(token),
                None => Some(format!("{}:{}", found.username?, found.password?)),
            }
        };
        assert_eq!(find("busybox").await.unwrap(), "hub:a:b");
        assert_eq!(find("host:5000/team/tool").await.unwrap(), "me:secret");
        assert_eq!(find("token.example/tool").await.unwrap(), "long");
        assert_eq!(find("other.example/tool").await, None);
        assert_eq!(find("third.example/tool").await, None);
    }

    #[test]
    fn a_registrys_own_program_goes_before_the_one_for_all() {
        let config = serde_json::json!({ "credsStore": "all", "credHelpers": { "host:5000": "own" } });
        let asked = |host: &str| helper(&config, &[host.to_owned()]).map(str::to_owned);
        assert_eq!(asked("host:5000").as_deref(), Some("own"));
        assert_eq!(asked("other").as_deref(), Some("all"));
        assert_eq!(helper(&Value::Null, &["host".to_owned()]), None);
    }
}
