//! Images in files: every form that is read, and everything that is wrong with one.

mod broken;
mod forms;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::files::digest_of;
use super::{Layer, LocalError, LocalImage};
use crate::base::Tree;
use crate::plan::ImageFile;

/// The layers of the image in these tests: one as it is, one that looks compressed.
const LAYERS: [&[u8]; 2] = [b"the lowest layer", b"\x1f\x8bthe layer above it"];

/// Files by their paths, to be written into a directory or an archive.
#[derive(Clone, Default)]
struct Parts(BTreeMap<String, Vec<u8>>);

impl Parts {
    fn put(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.0.insert(path.into(), content.into());
    }

    /// Adds a blob, and says how a descriptor names it.
    fn blob(&mut self, content: &[u8]) -> Value {
        let digest = digest_of(content);
        self.put(blob(&digest), content);
        json!({ "digest": digest, "size": content.len() })
    }

    /// Adds an image for an architecture, and says how an index names it.
    fn image(&mut self, architecture: &str, names: Value) -> Value {
        let config = self.blob(&config(architecture));
        let layers: Vec<Value> = LAYERS.iter().map(|layer| self.blob(layer)).collect();
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        let mut named = self.blob(manifest.to_string().as_bytes());
        named["annotations"] = names;
        named["platform"] = json!({ "os": "linux", "architecture": architecture });
        named
    }

    fn index(&mut self, manifests: &[Value]) {
        self.put("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        self.put("index.json", json!({ "schemaVersion": 2, "manifests": manifests }).to_string());
    }

    fn write(&self, directory: &Path) {
        for (path, content) in &self.0 {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().expect("it lies in the directory")).expect("there is room");
            fs::write(path, content).expect("there is room");
        }
    }

    fn archive(&self, links: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in &self.0 {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, content.as_slice()).expect("a vector takes all");
        }
        for (path, target) in links {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            archive.append_link(&mut header, path, target).expect("a vector takes all");
        }
        archive.into_inner().expect("a vector takes all")
    }
}

/// A layout with one image for this machine.
fn layout() -> Parts {
    let mut parts = Parts::default();
    let image = parts.image(here(), json!({ "org.opencontainers.image.ref.name": "v1" }));
    parts.index(&[image]);
    parts
}

/// What `docker save` writes of one image, in its first form.
fn saved(tags: Value) -> Parts {
    let mut parts = Parts::default();
    let config = config(here());
    let name = format!("{}.json", digest_of(&config).trim_start_matches("sha256:"));
    parts.put("a/layer.tar", LAYERS[0]);
    parts.put("b/layer.tar", LAYERS[1]);
    let list = json!([{ "Config": name, "RepoTags": tags, "Layers": ["a/layer.tar", "b/layer.tar"] }]);
    parts.put(name, config);
    parts.put("manifest.json", list.to_string());
    parts
}

fn config(architecture: &str) -> Vec<u8> {
    let ids = LAYERS.map(digest_of);
    let rootfs = json!({ "type": "layers", "diff_ids": ids });
    json!({ "os": "linux", "architecture": architecture, "rootfs": rootfs }).to_string().into_bytes()
}

fn here() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn blob(digest: &str) -> String {
    format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"))
}

/// A source with an image at `image`.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room"))
    }

    fn with_layout(parts: &Parts) -> Self {
        let place = Self::new();
        parts.write(&place.path());
        place
    }

    fn with_file(content: &[u8]) -> Self {
        let place = Self::new();
        fs::File::create(place.path()).expect("there is room").write_all(content).expect("there is room");
        place
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("image")
    }

    fn open(&self, name: Option<&str>) -> Result<LocalImage, LocalError> {
        let image = ImageFile { path: "image".to_owned(), name: name.map(str::to_owned) };
        LocalImage::open(&Tree::Plain(self.0.path().to_owned()), &image)
    }

    /// What is said of it.
    #[track_caller]
    fn refused(&self) -> String {
        let error = self.open(None).expect_err("it cannot be used").to_string();
        error.strip_prefix("cannot use the image `./image`: ").expect("it says which").to_owned()
    }
}

fn content(image: &LocalImage, layer: &Layer) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    image.read(layer)?.read_to_end(&mut content).map(|_| content)
}

/// It is the image of these tests, whole.
#[track_caller]
fn check(image: &LocalImage) {
    assert_eq!(image.id(), digest_of(&config(here())));
    assert_eq!(image.config(), config(here()));
    assert_eq!(image.manifest_digest(), digest_of(image.manifest()));
    let layers: Vec<_> =
        image.layers().iter().map(|layer| content(image, layer).expect("it is whole")).collect();
    assert_eq!(layers, LAYERS);
    let digests: Vec<_> = image.layers().iter().map(|layer| layer.digest().to_owned()).collect();
    assert_eq!(digests, LAYERS.map(digest_of));
}
