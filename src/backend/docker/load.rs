//! Images that lie in files: looked up by their digests, and loaded into the engine when it does not have them.
//!
//! No tag is ever made or moved: the archive that is loaded has none, and containers are made by the image's id.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ImageInspect;
use bollard::query_parameters::ImportImageOptionsBuilder;
use futures_util::StreamExt;
use serde_json::json;
use tar::{Builder, EntryType, Header};
use tokio::time::interval;

use super::image::{ImageFacts, persist, usable};
use super::upload::{NO_LIMIT, STALLED, Sending, sending, stalled};
use super::{call, error};
use crate::backend::{PullProgress, StartError};
use crate::base::Reason;
use crate::image::local::{Compression, Layer, LocalImage};

/// How often progress is told.
const TELL: Duration = Duration::from_millis(200);
const BLOBS: &str = "blobs/sha256";

/// Looks an image up by what is in it, and loads it when it is not there.
pub(super) async fn ensure(
    docker: &Docker,
    shown: &str,
    image: &Arc<LocalImage>,
    progress: &(dyn Fn(PullProgress) + Send + Sync),
) -> Result<ImageFacts, StartError> {
    if let Some(found) = find(docker, image).await? {
        return usable(shown, found);
    }
    let lost = || StartError {
        reason: Reason::ImagePullFailed,
        message: format!("cannot load `{shown}`: the engine took it, and does not have it"),
    };
    let found = persist(|| async {
        load(docker, shown, image, progress).await?;
        find(docker, image).await?.ok_or_else(lost)
    });
    usable(shown, found.await?)
}

/// The engine's image: most name it by its configuration, those that keep images as registries do by its manifest.
async fn find(docker: &Docker, image: &LocalImage) -> Result<Option<ImageInspect>, StartError> {
    for id in [image.id(), &image.manifest_digest()] {
        match call::repeat(|| docker.inspect_image(id)).await {
            Ok(found) => return Ok(Some(found)),
            Err(error) if error::is_not_found(&error) => {}
            Err(error) => return Err(error::start(&error)),
        }
    }
    Ok(None)
}

async fn load(
    docker: &Docker,
    shown: &str,
    image: &Arc<LocalImage>,
    progress: &(dyn Fn(PullProgress) + Send + Sync),
) -> Result<(), StartError> {
    let total = image.layers().iter().map(Layer::length).sum();
    progress(PullProgress { current: 0, total });
    let written = Arc::clone(image);
    let Sending { body, written, count } = sending(move |to| write(&written, to));
    let options = ImportImageOptionsBuilder::new().build();
    let docker = docker.clone().with_timeout(NO_LIMIT);
    let mut answers = docker.import_image(options, bollard::body_try_stream(body), None);
    let mut told = interval(TELL);
    let stalls = stalled(&count);
    tokio::pin!(stalls);
    let loaded = loop {
        tokio::select! {
            answer = answers.next() => match answer {
                None => break Ok(()),
                // What it says of its own work counts like a byte that it takes.
                Some(Ok(_)) => {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Some(Err(error)) => break Err(refused(image, shown, &error)),
            },
            _ = told.tick() => {
                progress(PullProgress { current: count.load(Ordering::Relaxed).min(total), total });
            }
            () = &mut stalls => break Err(StartError {
                reason: Reason::ImagePullFailed,
                message: format!("cannot load `{shown}`: the engine has done nothing for {} s", STALLED.as_secs()),
            }),
        }
    };
    drop(answers);
    match written.await {
        // The engine takes no more of what it has refused.
        Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(StartError {
            reason: Reason::ImageNotFound,
            message: format!("cannot load `{shown}`: {error}"),
        }),
        Ok(_) => loaded,
        Err(_) => Err(StartError {
            reason: Reason::ImagePullFailed,
            message: format!("cannot load `{shown}`: reading it broke down"),
        }),
    }
}

/// Why the engine did not load an image. What is wrong with its content will be so the next time.
fn refused(image: &LocalImage, shown: &str, error: &Error) -> StartError {
    const OF_CONTENT: [&str; 6] =
        ["invalid diffid", "archive/tar", "tar header", "gzip:", "flate:", "unexpected eof"];
    let said = error::words(error);
    let lower = said.to_lowercase();
    let answered = error::status(error).is_some() || matches!(error, Error::DockerStreamError { .. });
    let reason = if !answered {
        Reason::DaemonLost
    } else if OF_CONTENT.iter().any(|words| lower.contains(words)) {
        Reason::ImageNotFound
    } else {
        Reason::ImagePullFailed
    };
    let zstd = image.layers().iter().any(|layer| layer.compression() == Compression::Zstd);
    let more = if zstd && answered {
        "; its layers are compressed with zstd, which engines before 23.0 do not read: use a newer one, or store \
         the image with gzip"
    } else {
        ""
    };
    StartError { reason, message: format!("cannot load `{shown}`: {said}{more}") }
}

/// Writes an image as engines load it, old ones by its list of files, new ones as a layout.
fn write(image: &LocalImage, to: &mut dyn Write) -> io::Result<()> {
    let mut archive = Builder::new(to);
    let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
    let blob = |digest: &str| format!("{BLOBS}/{}", hex(digest));
    let layers: Vec<String> = image.layers().iter().map(|layer| blob(layer.digest())).collect();
    let list = json!([{ "Config": blob(image.id()), "RepoTags": null, "Layers": layers }]);
    let kind = serde_json::from_slice::<serde_json::Value>(image.manifest())?;
    let kind = kind.get("mediaType").and_then(|kind| kind.as_str());
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": kind.unwrap_or("application/vnd.oci.image.manifest.v1+json"),
            "digest": image.manifest_digest(),
            "size": image.manifest().len(),
        }],
    });
    for (name, content) in [
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.as_slice()),
        ("index.json".to_owned(), index.to_string().as_bytes()),
        ("manifest.json".to_owned(), list.to_string().as_bytes()),
        (blob(&image.manifest_digest()), image.manifest()),
        (blob(image.id()), image.config()),
    ] {
        archive.append_data(&mut header(content.len() as u64), name, content)?;
    }
    let mut written = Vec::new();
    for layer in image.layers() {
        // One that is there twice is one file.
        if !written.contains(&layer.digest()) {
            written.push(layer.digest());
            archive.append_data(&mut header(layer.length()), blob(layer.digest()), image.read(layer)?)?;
        }
    }
    archive.finish()
}

fn header(length: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(length);
    header
}
