//! What `docker save` writes, in its first form, with a folder for each layer, and in all later ones that have no
//! index.
//!
//! # Source
//! The Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format".

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::choose::{Candidate, choose};
use super::error::Problem;
use super::files::{Files, digest_of, shown};
use super::layout::{is_sha256, malformed, parse};
use super::{Blob, Found};

/// The list of images.
pub(super) const MANIFEST: &str = "manifest.json";

/// One image of the archive.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: PathBuf,
    repo_tags: Option<Vec<String>>,
    layers: Vec<PathBuf>,
}

/// Reads the image of this name, or the only one.
pub(super) fn read(files: &Files, manifest: &[u8], wanted: Option<&str>) -> Result<Found, Problem> {
    let name = Path::new(MANIFEST);
    let all: Vec<Saved> = parse(name, manifest)?;
    let candidates = all.into_iter().map(|one| {
        let mut tags = one.repo_tags.clone().unwrap_or_default();
        if tags.is_empty() {
            tags.push(shown(&one.config));
        }
        Candidate { names: tags.into_iter().collect(), platform: None, of: one }
    });
    let chosen = choose(candidates.collect(), wanted)?;
    let all_inside = [&chosen.config].into_iter().chain(&chosen.layers).all(|path| path.is_relative());
    if !all_inside {
        return Err(malformed(name, "names an absolute path"));
    }
    let missing = || Problem::Missing { what: shown(&chosen.config) };
    let config = files.read(&chosen.config)?.ok_or_else(missing)?;
    if let Some(digest) = named(&chosen.config)
        && digest_of(&config) != digest
    {
        return Err(Problem::Damaged { what: shown(&chosen.config), digest });
    }
    let layer = |at: PathBuf| Blob { digest: named(&at), at, length: None };
    let layers = chosen.layers.into_iter().map(layer).collect();
    Ok(Found { config: (config, chosen.config), layers, manifest: None })
}

/// The digest that a file is named by: `blobs/sha256/HEX`, or `HEX.json`.
fn named(path: &Path) -> Option<String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let blob = folder == Path::new("blobs/sha256") && path.extension().is_none();
    let config = folder == Path::new("") && path.extension().is_some_and(|end| end == "json");
    let hex = path.file_stem()?.to_str().filter(|hex| is_sha256(hex))?;
    (blob || config).then(|| format!("sha256:{hex}"))
}
