//! Files that one container sees in the place of the workspace's (language L30): a pod of the helper's makes them in a
//! directory of the run's volume, and each is mounted over the one that it stands for.
//!
//! No other container sees that directory. It goes with the volume, when the run ends.

use super::manifest::{self, Common, Volume, boot};
use super::options::Options;
use crate::backend::helped::layer;
use crate::backend::{ContainerSpec, Substitution};

/// The container that makes the files of another.
pub(super) struct Maker {
    pub(super) spec: ContainerSpec,
    /// What it sees of the volume.
    pub(super) volume: Volume,
    /// What the files are known by.
    pub(super) layer: String,
}

/// Says who makes the files of a container that sees this of the volume.
pub(super) fn maker(
    common: &Common,
    options: &Options,
    spec: &ContainerSpec,
    substitution: &Substitution,
    volume: &Volume,
) -> Maker {
    let layer = manifest::of_container(&common.run, spec);
    let (volume, directory) = volume.under_layer(&layer);
    let made = layer::maker(spec, substitution, boot(), directory);
    // Where nobody is root, who sees the files makes them.
    let user = if options.restricted { spec.user.clone() } else { made.user.clone() };
    Maker { spec: ContainerSpec { user, ..made }, volume, layer }
}
