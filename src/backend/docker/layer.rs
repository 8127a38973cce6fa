//! Files that one container sees in the place of the workspace's (language L30): where the helper makes them, and how they
//! get over those that they stand for.
//!
//! They are in a volume of the engine's, and are mounted from where the engine itself has it; so it is the same for an
//! engine that sees none of our files.

use bollard::Docker;
use bollard::models::{Mount, MountType, MountVolumeOptions, VolumeCreateRequest};

use super::convert::{self, Common, WORKSPACE};
use super::{call, error};
use crate::backend::StartError;
use crate::backend::helped::layer::Made;
use crate::helper::protocol::LAYER;
use crate::ledger::Object;

/// What a container is given beyond what it asks for.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) mounts: Vec<Mount>,
    /// Where its files are; it goes with the container.
    pub(super) volume: Option<Object>,
    /// What a person should know of it.
    pub(super) warning: Option<String>,
}

/// Makes the volume, or takes over the one that a call made whose answer was lost; where the engine has it.
pub(super) async fn volume(docker: &Docker, common: &Common, name: &str) -> Result<String, StartError> {
    let request = VolumeCreateRequest {
        name: Some(name.to_owned()),
        driver: Some("local".to_owned()),
        labels: Some(convert::labels(&common.instance, &common.run)),
        ..VolumeCreateRequest::default()
    };
    let made = call::repeat(|| docker.create_volume(request.clone())).await;
    made.map(|volume| volume.mountpoint).map_err(|error| {
        let start = error::start(&error);
        StartError { message: format!("cannot make room for `substitute`: {}", start.message), ..start }
    })
}

/// The volume as the container sees it that fills it.
pub(super) fn room(volume: &str) -> Mount {
    let mut mount = convert::mount(MountType::VOLUME, volume.to_owned(), LAYER);
    mount.volume_options = Some(MountVolumeOptions { no_copy: Some(true), ..Default::default() });
    mount
}

/// Files that were made, over those that they stand for; `place` is where the engine has them.
pub(super) fn over(made: Made, place: &str) -> Layer {
    let mounts = made.files.iter().enumerate().map(|(number, path)| {
        convert::mount(MountType::BIND, format!("{place}/{number}"), &format!("{WORKSPACE}/{path}"))
    });
    Layer { mounts: mounts.collect(), volume: None, warning: made.warning }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_mounted_by_their_numbers() {
        let files = vec!["a/b".to_owned(), "d e".to_owned()];
        let layer = over(Made { files, warning: None }, "/volumes/v/_data");
        let pairs: Vec<_> =
            layer.mounts.iter().map(|mount| (mount.source.as_deref(), mount.target.as_deref())).collect();
        assert_eq!(
            pairs,
            [
                (Some("/volumes/v/_data/0"), Some("/workspace/a/b")),
                (Some("/volumes/v/_data/1"), Some("/workspace/d e")),
            ]
        );
    }
}
