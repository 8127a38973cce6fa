//! What of this machine an engine can use: found by trying, never by where it listens.
//!
//! An engine in a mount namespace of its own has our kernel and not our files; one in a virtual machine
//! may be given our paths and still mount no layers from them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::linux::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, SystemVersion};
use bollard::query_parameters::CreateContainerOptions;
use rustix::fs::StatVfsMountFlags;

use super::error;
use crate::base::InstanceId;
use crate::base::awake::timeout;

/// How long an engine may take to look at a path, and how often it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);
const TRIES: usize = 2;

/// What an engine can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Our directories can be mounted.
    pub(super) files: bool,
    /// Our helper can be mounted and executed.
    pub(super) helper: bool,
}

/// Finds out what an engine that says this of itself can use of the state directory.
///
/// `socket` is the unix socket it listens on, if it does.
pub(super) async fn of(
    docker: &Docker,
    version: &SystemVersion,
    socket: Option<&Path>,
    state: &Path,
) -> Reach {
    let ours = rustix::system::uname();
    let same_kernel =
        version.kernel_version.as_deref().is_some_and(|kernel| kernel == ours.release().to_string_lossy());
    let platform = version.platform.as_ref().map(|platform| platform.name.as_str());
    // It runs in a machine of its own, and its front door translates paths.
    let desktop = platform.is_some_and(|name| name.contains("Docker Desktop"));
    let files = same_kernel && !desktop && sees(docker, socket, state).await;
    let executable =
        rustix::fs::statvfs(state).is_ok_and(|about| !about.f_flag.contains(StatVfsMountFlags::NOEXEC));
    Reach { files, helper: files && executable }
}

/// Whether the engine sees a file that was just made in the state directory.
async fn sees(docker: &Docker, socket: Option<&Path>, state: &Path) -> bool {
    let Ok(marker) = Marker::new(state) else { return false };
    // An engine looks at what is to be mounted before it looks for the image.
    let refuses = async |path: &Path| {
        for _ in 0..TRIES {
            let created = docker.create_container(None::<CreateContainerOptions>, vain(path));
            if let Ok(Err(error)) = timeout(PATIENCE, created).await
                && let Some(status) = error::status(&error)
            {
                return Some(status == 400);
            }
        }
        None
    };
    // Where nothing is known, nothing is mounted.
    if refuses(&marker.0).await != Some(false) {
        return false;
    }
    let absent = marker.0.with_extension("absent");
    // One that refuses neither, as Podman, does not look; then the other end of the socket may be seen.
    refuses(&absent).await == Some(true) || beyond(socket, &marker.0).await
}

/// A container that cannot be created: of an image that cannot be there.
fn vain(path: &Path) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(format!("sha256:{}", "0".repeat(64))),
        host_config: Some(HostConfig {
            mounts: Some(vec![Mount {
                target: Some("/marker".to_owned()),
                source: Some(path.display().to_string()),
                typ: Some(MountType::BIND),
                read_only: Some(true),
                ..Mount::default()
            }]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Whether the process that listens on a socket has the same file at this path.
async fn beyond(socket: Option<&Path>, marker: &Path) -> bool {
    let Some(socket) = socket else { return false };
    let Ok(connected) = tokio::net::UnixStream::connect(socket).await else { return false };
    let Ok(Some(process)) = connected.peer_cred().map(|peer| peer.pid()) else { return false };
    let theirs = Path::new("/proc")
        .join(process.to_string())
        .join("root")
        .join(marker.strip_prefix("/").unwrap_or(marker));
    match (fs::metadata(marker), fs::metadata(theirs)) {
        (Ok(ours), Ok(theirs)) => (ours.st_dev(), ours.st_ino()) == (theirs.st_dev(), theirs.st_ino()),
        _ => false,
    }
}

/// What the names of markers begin with.
const MARKER: &str = ".seen-";

/// A file that is nowhere else, as long as this lives; so long it is locked, and whoever finds one that is not removes it.
struct Marker(PathBuf, File);

impl Marker {
    fn new(directory: &Path) -> io::Result<Self> {
        let path = directory.join(format!("{MARKER}{}", InstanceId::generate()));
        loop {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.lock()?;
            // Until it was locked it looked like one that was left.
            if file.metadata()?.st_nlink() > 0 {
                return Ok(Self(path, file));
            }
        }
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // One that stays is found by the next clean-up.
        let _ = fs::remove_file(&self.0);
        // A child that is just being started may have the file open too.
        let _ = self.1.unlock();
    }
}

/// Removes the markers in a directory that processes left which were killed.
pub(super) fn remove_markers(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_marker = entry.file_name().to_string_lossy().starts_with(MARKER);
        // What cannot be opened or removed now is found by the next one.
        if is_marker
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
            let _ = file.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_that_were_left_are_removed_and_no_other_file() {
        let directory = tempfile::tempdir().unwrap();
        let live = Marker::new(directory.path()).unwrap();
        for name in [".seen-dead", "helper"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        remove_markers(directory.path());
        let names = || fs::read_dir(directory.path()).unwrap().count();
        assert!(live.0.exists() && directory.path().join("helper").exists());
        assert_eq!(names(), 2);
        drop(live);
        assert_eq!(names(), 1);
    }
}
