//! An OCI image layout: from its index to the manifest of one image.
//!
//! # Source
//! OCI image specification 1.1, "Image Layout", "Image Index", "Image Manifest"; the names that containerd and
//! Docker give to images by annotations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::choose::{Candidate, Platform, choose};
use super::error::Problem;
use super::files::{Files, shown};
use super::{Blob, Found};

/// The index of a layout.
pub(super) const INDEX: &str = "index.json";
/// Annotations that name an image.
const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];
/// Says that a manifest describes another one, and is no image.
const ABOUT_ANOTHER: &str = "vnd.docker.reference.type";
/// How deep indexes may lie in indexes.
const DEEPEST: usize = 4;

/// An index or a manifest: which of them, its fields say.
#[derive(Deserialize)]
struct Document {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

/// Names a blob.
#[derive(Clone, Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Reads the image of this name, or the only one.
pub(super) fn read(files: &Files, index: Vec<u8>, wanted: Option<&str>) -> Result<Found, Problem> {
    let mut name = PathBuf::from(INDEX);
    let mut bytes = index;
    let mut wanted = wanted;
    for _ in 0..DEEPEST {
        let document: Document = parse(&name, &bytes)?;
        match (document.manifests, document.config, document.layers) {
            (Some(manifests), None, None) => {
                let chosen = choose(candidates(manifests), wanted.take())?;
                name = blob(&chosen.digest, &name)?;
                bytes = files.read_blob(&name, &chosen.digest)?;
            }
            (None, Some(config), Some(layers)) if name != Path::new(INDEX) => {
                let at = blob(&config.digest, &name)?;
                let layer = |layer: Descriptor| {
                    let (at, length) = (blob(&layer.digest, &name)?, Some(layer.size));
                    Ok(Blob { at, digest: Some(layer.digest), length })
                };
                let layers = layers.into_iter().map(layer).collect::<Result<_, Problem>>()?;
                let config = (files.read_blob(&at, &config.digest)?, at);
                return Ok(Found { config, layers, manifest: Some(bytes) });
            }
            _ => return Err(malformed(&name, "is neither an index nor the manifest of an image")),
        }
    }
    Err(malformed(&name, "is an index in an index in an index, deeper than anybody needs"))
}

/// The images of an index. Two names of one image stand in two entries.
fn candidates(manifests: Vec<Descriptor>) -> Vec<Candidate<Descriptor>> {
    let mut found = Vec::<Candidate<Descriptor>>::new();
    for one in manifests {
        let unknown = one.platform.as_ref().is_some_and(|platform| platform.os == "unknown");
        if unknown || one.annotations.contains_key(ABOUT_ANOTHER) {
            continue;
        }
        let names = NAMES.iter().filter_map(|key| one.annotations.get(*key).cloned());
        if let Some(same) = found.iter_mut().find(|other| other.of.digest == one.digest) {
            same.names.extend(names);
        } else {
            let (names, platform) = (names.collect(), one.platform.clone());
            found.push(Candidate { names, platform, of: one });
        }
    }
    if found.iter().filter(|one| one.names.is_empty() && one.platform.is_none()).count() > 1 {
        // By something they must be told apart.
        for one in &mut found {
            one.names.insert(one.of.digest.clone());
        }
    }
    found
}

/// Where a blob lies.
fn blob(digest: &str, named_by: &Path) -> Result<PathBuf, Problem> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| is_sha256(hex));
    let hex = hex.ok_or_else(|| malformed(named_by, "names something by no digest of SHA-256"))?;
    Ok(Path::new("blobs/sha256").join(hex))
}

/// Whether a text is a digest without its kind.
pub(super) fn is_sha256(hex: &str) -> bool {
    hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Reads JSON, of which fields that are not known mean nothing.
pub(super) fn parse<T: DeserializeOwned>(name: &Path, bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|source| Problem::Json { what: shown(name), source })
}

pub(super) fn malformed(name: &Path, why: &'static str) -> Problem {
    Problem::Malformed { what: shown(name), why }
}
