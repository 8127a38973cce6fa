//! Whether the trees of a run can be layers of an overlay mount. Asks the system, and mounts nothing.

use std::fs;
use std::path::Path;

use rustix::fs::{AtFlags, statfs, unlinkat};
use rustix::system::uname;

use super::beneath;
use super::place;

/// File systems that overlayfs cannot write to, or cannot trust.
const UNFIT: [(u64, &str); 8] = [
    (0x794c_7630, "overlayfs"),
    (0x6969, "NFS"),
    (0x6573_5546, "FUSE"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9p"),
    (0xf15f, "eCryptfs"),
    (0x4d44, "FAT"),
];

/// Says why a directory cannot hold layers; none when it can.
pub(super) fn obstacle(directory: &Path) -> Option<String> {
    let about = statfs(directory).ok()?;
    let magic = u64::try_from(about.f_type).unwrap_or_default() & u64::from(u32::MAX);
    if let Some((_, name)) = UNFIT.iter().find(|(unfit, _)| *unfit == magic) {
        return Some(format!("the state directory is on {name}"));
    }
    if !is_known() {
        return Some("the kernel has no overlayfs".into());
    }
    (!can_mark(directory)).then(|| "the file system of the state directory cannot mark deleted files".into())
}

/// Whether the kernel has overlayfs, or would load it for whoever mounts.
fn is_known() -> bool {
    let listed = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if listed.lines().any(|line| line.split_whitespace().next_back() == Some("overlay")) {
        return true;
    }
    let release = uname().release().to_string_lossy().into_owned();
    let modules = fs::read_to_string(format!("/lib/modules/{release}/modules.dep")).unwrap_or_default();
    modules.lines().any(|line| line.split(':').next().is_some_and(|file| file.contains("/overlay.ko")))
}

fn can_mark(directory: &Path) -> bool {
    const PROBE: &[u8] = b".whiteout";
    beneath::open_root(directory).is_ok_and(|opened| {
        place::whiteout(&opened, PROBE).is_ok() && unlinkat(&opened, PROBE, AtFlags::empty()).is_ok()
    })
}
