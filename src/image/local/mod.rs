//! Images that lie in files: an OCI layout in a directory, the same in an archive, and what `docker save` writes.
//!
//! Owns how such an image is found and taken apart. All of it is named by digests once it is opened: whoever changes
//! a file of it meanwhile gets an error and no other image. No layer is ever in memory as a whole, nothing is
//! decompressed, and nothing is written; what is made of the layers is a backend's business.

mod choose;
mod error;
mod files;
mod layout;
mod saved;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use self::choose::Platform;
use self::files::{Content, Files, digest_of, shown, unread};
use self::layout::{is_sha256, malformed, parse};
use crate::base::{Tree, hex};
use crate::plan::ImageFile;

pub use self::error::{LocalError, Problem};

/// Layers of one image; each may have to be read to its end before a run.
const MAX_LAYERS: usize = 512;

/// An image in files.
#[derive(Debug)]
pub struct LocalImage {
    files: Files,
    id: String,
    config: Vec<u8>,
    manifest: Vec<u8>,
    layers: Vec<Layer>,
}

/// A layer of an image, a tar archive that may be compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    at: PathBuf,
    digest: String,
    length: u64,
    compression: Compression,
}

/// How a layer is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all, or in a way that images do not have.
    None,
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

/// What an archive or layout says of one image.
struct Found {
    /// Its configuration, and where that lies.
    config: (Vec<u8>, PathBuf),
    layers: Vec<Blob>,
    /// Its OCI manifest, if it has one.
    manifest: Option<Vec<u8>>,
}

/// What is said of a layer.
struct Blob {
    at: PathBuf,
    digest: Option<String>,
    length: Option<u64>,
}

/// What matters here of an image's configuration.
#[derive(Deserialize)]
struct Config {
    #[serde(flatten)]
    platform: Platform,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

impl LocalImage {
    /// Opens an image of a tree, as the tree was before a run wrote in it. Blocks; where layers of an archive have no
    /// digest that is written down, it reads them.
    ///
    /// # Errors
    /// [`LocalError`] when there is no such image, it is not for this machine, or it is damaged as far as was seen.
    pub fn open(tree: &Tree, image: &ImageFile) -> Result<Self, LocalError> {
        let opened = Self::open_at(tree, Path::new(&image.path), image.name.as_deref());
        opened.map_err(|problem| LocalError { image: image.clone(), problem })
    }

    /// Opens an image of this machine, whose path is absolute.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_here(image: &ImageFile) -> Result<Self, LocalError> {
        let path = Path::new(&image.path);
        let (folder, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
        let opened = Self::open_at(&Tree::Plain(folder.to_owned()), Path::new(name), image.name.as_deref());
        opened.map_err(|problem| LocalError { image: image.clone(), problem })
    }

    fn open_at(tree: &Tree, path: &Path, name: Option<&str>) -> Result<Self, Problem> {
        let files = Files::open(tree, path)?;
        let index = files.read(Path::new(layout::INDEX))?;
        let found = match (&files, index) {
            (_, Some(index)) => layout::read(&files, index, name)?,
            (Files::Directory { .. }, None) => return Err(Problem::NoLayout),
            (Files::Archive { .. }, None) => {
                let manifest = files.read(Path::new(saved::MANIFEST))?.ok_or(Problem::NoImage)?;
                saved::read(&files, &manifest, name)?
            }
        };
        let (bytes, at) = found.config;
        let config: Config = parse(&at, &bytes)?;
        config.platform.check()?;
        let ids = config.rootfs.diff_ids;
        if ids.len() != found.layers.len() {
            return Err(malformed(&at, "speaks of another number of layers than there are"));
        }
        if ids.len() > MAX_LAYERS {
            return Err(malformed(&at, "has more layers than any engine can use"));
        }
        let layers = found.layers.into_iter().zip(ids);
        let layers = layers.map(|(blob, id)| layer(&files, blob, id)).collect::<Result<Vec<_>, _>>()?;
        let id = digest_of(&bytes);
        let manifest = found.manifest.unwrap_or_else(|| manifest(&id, bytes.len(), &layers));
        Ok(Self { files, id, config: bytes, manifest, layers })
    }

    /// The digest of its configuration, which names it and all that is in it: `sha256:` and 64 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its configuration, as JSON.
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// Its OCI manifest, as JSON: its own, or one made of what the archive says.
    pub fn manifest(&self) -> &[u8] {
        &self.manifest
    }

    /// The digest of [`manifest`](Self::manifest).
    pub fn manifest_digest(&self) -> String {
        digest_of(&self.manifest)
    }

    /// Its layers, the lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Reads a layer of this image, as it is stored. Its digest is checked on the way: what does not have it ends in an error.
    ///
    /// # Errors
    /// When it is not there any more, or is a link.
    pub fn read(&self, layer: &Layer) -> io::Result<impl Read + use<>> {
        let content = self.files.get(&layer.at).map_err(invalid)?;
        if content.length() != layer.length {
            let (what, wanted, found) = (shown(&layer.at), layer.length, content.length());
            return Err(invalid(Problem::Length { what, wanted, found }));
        }
        Ok(Checked { content, seen: Sha256::new(), layer: layer.clone() })
    }
}

impl Layer {
    /// The digest of its bytes as they are stored.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many bytes are stored.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How they are compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }
}

/// What is known of a layer before it is read.
fn layer(files: &Files, blob: Blob, diff_id: String) -> Result<Layer, Problem> {
    let Blob { at, digest, length } = blob;
    if !diff_id.strip_prefix("sha256:").is_some_and(is_sha256) {
        return Err(malformed(&at, "is a layer that the configuration names by no digest of SHA-256"));
    }
    let content = files.get(&at)?;
    let found = content.length();
    if let Some(wanted) = length.filter(|wanted| *wanted != found) {
        return Err(Problem::Length { what: shown(&at), wanted, found });
    }
    let compression = match content.first().map_err(|error| unread(&at, error))?.as_slice() {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::None,
    };
    let digest = match digest {
        Some(digest) => digest,
        // What is not compressed is what the configuration speaks of.
        None if compression == Compression::None => diff_id,
        None => digest_of_all(content).map_err(|error| unread(&at, error))?,
    };
    Ok(Layer { at, digest, length: found, compression })
}

fn digest_of_all(mut content: Content) -> io::Result<String> {
    let mut seen = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(format!("sha256:{}", hex(&seen.finalize()))),
            read => seen.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// The manifest of an image that has none. The same image has the same one every time.
fn manifest(id: &str, config: usize, layers: &[Layer]) -> Vec<u8> {
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            let end = match layer.compression {
                Compression::None => "",
                Compression::Gzip => "+gzip",
                Compression::Zstd => "+zstd",
            };
            let kind = format!("application/vnd.oci.image.layer.v1.tar{end}");
            json!({ "mediaType": kind, "digest": layer.digest, "size": layer.length })
        })
        .collect();
    let kind = "application/vnd.oci.image.config.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": kind, "digest": id, "size": config },
        "layers": layers,
    });
    manifest.to_string().into_bytes()
}

/// A layer that is being read.
struct Checked {
    content: Content,
    seen: Sha256,
    layer: Layer,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.content.read(buffer)?;
        self.seen.update(buffer.get(..read).unwrap_or_default());
        if read == 0 && format!("sha256:{}", hex(&self.seen.clone().finalize())) != self.layer.digest {
            let (what, digest) = (shown(&self.layer.at), self.layer.digest.clone());
            return Err(invalid(Problem::Damaged { what, digest }));
        }
        Ok(read)
    }
}

fn invalid(problem: Problem) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, problem.to_string())
}
