//! A registry on loopback, which engines talk to without TLS: it serves one real image, and answers
//! for others as the test wants.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::bed::{Bed, IMAGE, docker};
use crate::executable::executable;

pub struct Registry {
    port: u16,
    digest: String,
    /// The paths that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

type Blobs = HashMap<String, (&'static str, Vec<u8>)>;

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// The image's parts as a registry has them, by the ends of their paths.
fn parts(label: &str) -> Blobs {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    // Without its tag, all tags of that name would be saved, in no order.
    docker(&["save", "--output", at("image.tar").to_str().unwrap(), &format!("{IMAGE}:latest")]);
    let status = Command::new("tar").arg("-C").arg(directory.path()).arg("-xf").arg(at("image.tar")).status();
    assert!(status.unwrap().success());
    let read = |path: &Path| fs::read(path).unwrap();
    let list: Value = serde_json::from_slice(&read(&at("manifest.json"))).unwrap();
    let mut config: Value = serde_json::from_slice(&read(&at(list[0]["Config"].as_str().unwrap()))).unwrap();
    // An id that no other image has, so that removing this one removes nothing else.
    config["config"]["Labels"] = json!({ "test": label });
    let config = serde_json::to_vec(&config).unwrap();
    let layer = read(&at(list[0]["Layers"][0].as_str().unwrap()));
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": digest(&config) },
        "layers": [{ "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": layer.len(), "digest": digest(&layer) }],
    }))
    .unwrap();
    HashMap::from([
        (format!("/blobs/{}", digest(&config)), ("application/octet-stream", config)),
        (format!("/blobs/{}", digest(&layer)), ("application/octet-stream", layer)),
        (format!("/manifests/{}", digest(&manifest)), (MANIFEST, manifest.clone())),
        ("/manifests/1".to_owned(), (MANIFEST, manifest)),
    ])
}

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

impl Registry {
    pub fn start(label: &str) -> Self {
        Self::with_door(label, false)
    }

    /// `locked`: it asks for a name and a password before anything else.
    fn with_door(label: &str, locked: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (blobs, seen) = (Arc::new(parts(label)), Arc::clone(&asked));
        let digest = digest(&blobs["/manifests/1"].1);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (blobs, seen) = (Arc::clone(&blobs), Arc::clone(&seen));
                thread::spawn(move || answer(client, locked, &blobs, &seen));
            }
        });
        Self { port, digest, asked }
    }

    pub fn image(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// The digest of the image that it serves.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn asked_for(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.as_str() == path).count()
    }
}

/// Answers one request; the name of the image says how.
fn answer(mut client: TcpStream, locked: bool, blobs: &Blobs, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
    let head = lines.next().unwrap_or_default();
    let headers: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    // `me:secret`, as `docker login` would have it.
    let known = headers.iter().any(|header| header.eq_ignore_ascii_case("authorization: Basic bWU6c2VjcmV0"));
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    asked.lock().unwrap().push(format!("{method} {path}"));
    let error = |code: &str| {
        format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"as asked\"}}]}}").into_bytes()
    };
    let found = blobs.iter().find(|(end, _)| path.ends_with(end.as_str()));
    let (status, kind, body) = match found {
        // An engine sends what it knows only to a registry that asks for it at the door.
        _ if path == "/v2/" && locked && !known => {
            ("401 Unauthorized", "application/json", error("UNAUTHORIZED"))
        }
        _ if path == "/v2/" => ("200 OK", "application/json", b"{}".to_vec()),
        _ if path.contains("/missing/") => ("404 Not Found", "application/json", error("MANIFEST_UNKNOWN")),
        _ if path.contains("/private/") && !known => {
            ("401 Unauthorized", "application/json", error("UNAUTHORIZED"))
        }
        _ if path.contains("/broken/") => ("500 Internal Server Error", "application/json", error("UNKNOWN")),
        Some((_, (kind, body))) => ("200 OK", *kind, body.clone()),
        None => ("404 Not Found", "application/json", error("MANIFEST_UNKNOWN")),
    };
    let _ = write!(
        client,
        "HTTP/1.1 {status}\r\nWWW-Authenticate: Basic realm=\"test\"\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\nConnection: close\r\n\r\n",
        body.len(),
        digest(&body)
    );
    if method != "HEAD" {
        let _ = client.write_all(&body);
    }
}

#[test]
fn a_missing_image_is_pulled_once_however_many_steps_want_it() {
    let registry = Registry::start("pulled-once");
    let image = registry.image("team/tool:1");
    let step = |n: u32| format!("{{ name: step-{n}, image: \"{image}\", run: echo {n} }}");
    let steps = (1..=4).map(step).collect::<Vec<_>>().join(", ");
    let bed = Bed::new(&format!("stages: [{{ name: test, steps: [{steps}] }}]\n"));
    let ran = bed.windlass(&["run", "--output", "json"]).code(0);
    let of_kind = |kind: &str| ran.events().iter().filter(|event| event["event"]["type"] == kind).count();
    assert_eq!((of_kind("image_pull_started"), of_kind("image_pulled")), (1, 1), "{}", ran.stdout);
    let manifests = registry.asked_for("GET /v2/team/tool/manifests/1")
        + registry.asked_for("HEAD /v2/team/tool/manifests/1");
    assert!((1..=2).contains(&manifests), "{:?}", registry.asked.lock().unwrap());
    let before = registry.asked.lock().unwrap().len();
    let _ran = bed.windlass(&["run"]).code(0);
    assert_eq!(registry.asked.lock().unwrap().len(), before, "an image that is there is not asked for");
    bed.assert_clean();
    docker(&["rmi", &image]);
}

#[test]
fn what_a_registry_says_is_one_reason() {
    let registry = Registry::start("reasons");
    for (name, ends, code) in [
        ("missing/tool:1", "failed image_not_found", 1),
        ("private/tool:1", "failed image_refused", 1),
        ("broken/tool:1", "lost image_pull_failed", 6),
    ] {
        let image = registry.image(name);
        let bed = Bed::new(&format!(
            "stages: [{{ name: test, steps: [{{ name: unit, image: \"{image}\", run: echo }}] }}]\n"
        ));
        let ran = bed.windlass(&["run", "--output", "json"]).code(code);
        assert_eq!(ran.ends()["unit"], ends, "{}", ran.stdout);
        assert!(ran.end_of("unit")["message"].as_str().unwrap().contains(&image), "{}", ran.stdout);
        bed.assert_clean();
    }
}

#[test]
fn a_private_image_is_pulled_with_what_docker_login_left() {
    let registry = Registry::with_door("private", true);
    let image = registry.image("private/tool:1");
    let bed = Bed::new(&format!(
        "stages: [{{ name: test, steps: [{{ name: unit, image: \"{image}\", run: echo }}] }}]\n"
    ));
    let directory = bed.home().with_file_name(".docker");
    fs::create_dir(&directory).unwrap();
    let host = image.split('/').next().unwrap();
    let config = json!({ "auths": { host: { "auth": "bWU6c2VjcmV0" } } });
    fs::write(directory.join("config.json"), config.to_string()).unwrap();
    let _ran = bed.windlass(&["run"]).code(0);
    bed.assert_clean();
    docker(&["rmi", &image]);
}

/// A project whose image is behind the door, and a program that knows the way in, as `name`.
fn with_program(image: &str, config: &Value, name: &str, script: &str) -> Bed {
    let bed = Bed::new(&format!(
        "stages: [{{ name: test, steps: [{{ name: unit, image: \"{image}\", run: echo }}] }}]\n"
    ));
    let directory = bed.home().with_file_name(".docker");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("config.json"), config.to_string()).unwrap();
    let program = directory.join(format!("docker-credential-{name}"));
    executable(&program, format!("#!/bin/sh\n{script}\n").as_bytes());
    let path = std::env::var("PATH").unwrap();
    bed.with("PATH", format!("{}:{path}", directory.display()))
}

#[test]
fn a_program_that_keeps_credentials_is_asked() {
    let registry = Registry::with_door("kept", true);
    let image = registry.image("private/tool:1");
    let host = image.split('/').next().unwrap().to_owned();
    let script = format!(
        "read server; test \"$1 $server\" = 'get {host}' || exit 9; echo '{{\"ServerURL\":\"{host}\",\"Username\":\"me\",\"Secret\":\"secret\"}}'"
    );
    for config in
        [json!({ "credsStore": "test" }), json!({ "credHelpers": { &host: "test" }, "credsStore": "other" })]
    {
        let bed = with_program(&image, &config, "test", &script);
        let _ran = bed.windlass(&["run"]).code(0);
        bed.assert_clean();
        docker(&["rmi", &image]);
    }
}

#[test]
fn what_is_wrong_with_the_program_is_said_with_the_refusal() {
    let registry = Registry::with_door("kept-badly", true);
    let image = registry.image("private/tool:1");
    for (script, why) in [
        ("echo the key ring is locked >&2; exit 1", "docker-credential-test failed: the key ring is locked"),
        ("echo no json", "docker-credential-test did not answer in JSON"),
        ("exec sleep 60", "docker-credential-test did not answer in 10 s"),
    ] {
        let bed = with_program(&image, &json!({ "credsStore": "test" }), "test", script);
        let ran = bed.windlass(&["run", "--output", "json"]).code(1);
        assert_eq!(ran.ends()["unit"], "failed image_refused");
        assert!(ran.end_of("unit")["message"].as_str().unwrap().contains(why), "{}", ran.stdout);
        bed.assert_clean();
    }
    let bed = with_program(&image, &json!({ "credsStore": "absent" }), "test", "");
    let ran = bed.windlass(&["run", "--output", "json"]).code(1);
    assert!(
        ran.end_of("unit")["message"]
            .as_str()
            .unwrap()
            .contains("docker-credential-absent is not in the PATH")
    );
}
