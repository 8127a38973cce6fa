//! Files that one container sees in the place of the workspace's (language L30).
//!
//! The helper makes them in a volume of the engine's, in a container of its own that ends before the step's is created;
//! each is then mounted over the path that it stands for, from where the engine itself has it. So the runner reads and
//! writes none of them, and it is the same for an engine that sees none of our files.

use bollard::Docker;
use bollard::models::{Mount, MountType, MountVolumeOptions, VolumeCreateRequest};
use futures_util::StreamExt;

use super::convert::{self, Common, WORKSPACE};
use super::{call, error};
use crate::backend::{
    ContainerSpec, Ended, GivenSecret, Hosts, How, Privileges, ProgramSpec, Progress, SecretPlace,
    StartError, Started, Substitution, no_file,
};
use crate::base::Reason;
use crate::event::Stream;
use crate::helper::protocol::{LAYER, LAYER_FILE, LAYER_UNUSED};
use crate::ledger::Object;
use crate::plan::Network;

/// More than the paths of all its files and all its patterns.
const MOST_SAID: u64 = 8 << 20;
/// Bytes of an error that are passed on.
const LONGEST_ERROR: usize = 8 << 10;

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

/// The container that makes the files of another.
pub(super) fn maker(spec: &ContainerSpec, substitution: &Substitution, helper: &str) -> ContainerSpec {
    // What the program itself would see counts for more.
    let secrets = substitution.secrets.iter().filter(|(name, _)| !spec.env.contains_key(*name));
    let secrets = secrets.map(|(name, value)| GivenSecret {
        value: value.clone(),
        place: SecretPlace::Variable(name.clone()),
    });
    let patterns = &substitution.patterns;
    let mut command = vec![helper.to_owned(), "substitute".to_owned(), patterns.len().to_string()];
    command.extend(patterns.iter().chain(spec.env.keys()).chain(substitution.secrets.keys()).cloned());
    ContainerSpec {
        program: ProgramSpec::Command(command),
        secrets: secrets.collect(),
        user: Some("0:0".to_owned()),
        workdir: Some("/".to_owned()),
        network: Network::None,
        among_services: false,
        log_limit: MOST_SAID,
        lane: None,
        privileges: Privileges::default(),
        substitution: None,
        ..spec.clone()
    }
}

/// Lets the files be made, below this place of the engine's, and returns once all are there.
pub(super) async fn read(mut started: Started, place: &str) -> Result<Layer, StartError> {
    started.control.go(Hosts::new()).await;
    let (mut said, mut why) = (Vec::new(), Vec::new());
    while let Some(progress) = started.progress.next().await {
        match progress {
            Progress::Output(Stream::Stdout, bytes) => said.extend_from_slice(&bytes),
            Progress::Output(Stream::Stderr, bytes) => {
                let room = LONGEST_ERROR.saturating_sub(why.len());
                why.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
            }
            Progress::Warned(_) => {}
            Progress::Ended(Ended { how: How::Exited(0), .. }) => return mounts(&said, place),
            Progress::Ended(ended) => return Err(failed(ended, &why)),
        }
    }
    Err(failed(Ended { how: How::Stopped, message: None, usage: None, output: Vec::new() }, &why))
}

/// What was said of the files, as mounts.
fn mounts(said: &[u8], place: &str) -> Result<Layer, StartError> {
    let (mut mounts, mut unused) = (Vec::new(), Vec::new());
    for line in said.split(|&byte| byte == 0) {
        match line.split_first() {
            Some((&LAYER_FILE, path)) => {
                let shown = String::from_utf8_lossy(path);
                if std::str::from_utf8(path).is_err() {
                    let message = format!("cannot substitute in `{shown}`: its name is not UTF-8");
                    return Err(StartError { reason: Reason::CouldNotStart, message });
                }
                let source = format!("{place}/{}", mounts.len());
                mounts.push(convert::mount(MountType::BIND, source, &format!("{WORKSPACE}/{shown}")));
            }
            Some((&LAYER_UNUSED, pattern)) => unused.push(String::from_utf8_lossy(pattern)),
            _ => {}
        }
    }
    let warning = (!unused.is_empty()).then(|| no_file(&unused));
    Ok(Layer { mounts, volume: None, warning })
}

/// Why there is no layer, in the words of a start.
fn failed(ended: Ended, why: &[u8]) -> StartError {
    let reason = match ended.how {
        How::Lost(reason) => reason,
        How::TimedOut => Reason::Timeout,
        How::OutOfMemory => Reason::OutOfMemory,
        How::Stopped => Reason::RunnerLost,
        How::CouldNotStart | How::Exited(_) | How::Signalled(_) => Reason::CouldNotStart,
    };
    let said = String::from_utf8_lossy(why).trim().to_owned();
    let said = Some(said).filter(|said| !said.is_empty()).or(ended.message);
    let message = match (said, ended.how) {
        (Some(said), _) => said,
        (None, How::TimedOut) => "substitution took longer than the step's time limit".to_owned(),
        (None, how) => format!("substitution did not come to its end: {how:?}"),
    };
    StartError { reason, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_mounted_by_their_numbers_and_the_rest_is_said() {
        let layer = mounts(b"fa/b\0uc*\0fd e\0ux/**\0", "/volumes/v/_data").unwrap();
        let pairs: Vec<_> =
            layer.mounts.iter().map(|mount| (mount.source.as_deref(), mount.target.as_deref())).collect();
        assert_eq!(
            pairs,
            [
                (Some("/volumes/v/_data/0"), Some("/workspace/a/b")),
                (Some("/volumes/v/_data/1"), Some("/workspace/d e")),
            ]
        );
        let warning = "no file of the workspace fits `c*`, `x/**`, which `substitute` names";
        assert_eq!(layer.warning.as_deref(), Some(warning));
        assert_eq!(mounts(b"", "/").unwrap().warning, None);
        let error = mounts(b"f\xff\0", "/").unwrap_err();
        assert_eq!(error.reason, Reason::CouldNotStart);
    }

    #[test]
    fn what_went_wrong_has_the_reason_of_a_start() {
        let failed = |how, message: Option<&str>, why: &[u8]| {
            let ended = Ended { how, message: message.map(str::to_owned), usage: None, output: Vec::new() };
            let StartError { reason, message } = failed(ended, why);
            format!("{reason}: {message}")
        };
        let said = b"cannot substitute in `a`: No space left on device (os error 28)\n";
        assert_eq!(
            failed(How::Exited(1), None, said),
            "could_not_start: cannot substitute in `a`: No space left on device (os error 28)"
        );
        let gone = How::Lost(Reason::Deleted);
        assert_eq!(failed(gone, Some("it was removed"), b""), "deleted: it was removed");
        let late = "timeout: substitution took longer than the step's time limit";
        assert_eq!(failed(How::TimedOut, None, b""), late);
    }
}
