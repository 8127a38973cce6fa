//! What the objects of a run are called.

use sha2::{Digest, Sha256};

use super::Volume;
use crate::backend::ContainerSpec;
use crate::base::{RunId, hex};

/// A name that also names a host is no longer.
pub(super) const MAX_NAME: usize = 63;

/// The name of a run's lease, and the beginning of all others.
pub(in super::super) fn run_name(run: &RunId) -> String {
    format!("windlass-{run}")
}

/// The name of something of a run: valid whatever it is called, and no other's.
pub(in super::super) fn name(run: &RunId, label: &str, attempt: u32) -> String {
    let (begin, end) = (run_name(run), format!("-{attempt}"));
    let room = MAX_NAME - begin.len() - 1 - end.len();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if label.len() <= room && label.chars().all(plain) && !label.starts_with('-') {
        return format!("{begin}-{label}{end}");
    }
    let digest = hex(&Sha256::digest(label.as_bytes()));
    let shown: String = label.to_lowercase().chars().map(|c| if plain(c) { c } else { '-' }).collect();
    let shown: String = shown.trim_matches('-').chars().take(room - 9).collect();
    format!("{begin}-{shown}-{}{end}", &digest[..8])
}

/// The name of a container's pod.
pub(in super::super) fn of_container(run: &RunId, spec: &ContainerSpec) -> String {
    name(run, &spec.label(), spec.attempt)
}

/// The name of the pod that fetches an image, and what its helper does there: it says whether the image's own user
/// is root.
pub(in super::super) fn fetching(run: &RunId, image: &str) -> (String, [String; 1]) {
    (name(run, &format!("image.{image}"), 1), ["root".to_owned()])
}

/// The name of the pod that fills the workspace, the volume as it sees it, and what its helper is told.
pub(in super::super) fn filling(run: &RunId, volume: &Volume) -> (String, Volume, [String; 2]) {
    let (whole, what) = unpacking(volume);
    (name(run, "workspace.upload", 1), whole, what)
}

/// The volume as who fills it sees it, and what the helper is told there.
pub(super) fn unpacking(volume: &Volume) -> (Volume, [String; 2]) {
    let (whole, workspace) = volume.whole();
    (whole, ["unpack".to_owned(), workspace])
}

/// The name of one part of the helper.
pub(super) fn helper_name(run: &RunId, number: usize) -> String {
    format!("{}-helper-{number}", run_name(run))
}
