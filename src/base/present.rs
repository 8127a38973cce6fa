//! Whether something is at a path of a workspace now, while steps write in it.
//!
//! It follows no link, reads no file, and looks at the layers as an overlay mount shows them.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::Tree;
use super::safe_dir::SafeDir;

/// The mark of a directory under which nothing of the layers below shows. Only root may read it.
const OPAQUE: &str = "trusted.overlay.opaque";

impl Tree {
    /// Says whether something is at a path now: a file, a directory, or a link, wherever that leads.
    ///
    /// # Errors
    /// When it may not be looked at.
    pub fn has(&self, path: &Path) -> io::Result<bool> {
        let layers: Vec<_> = match self {
            Tree::Plain(root) => vec![root],
            Tree::Layers { lowers, upper, .. } => std::iter::once(upper).chain(lowers).collect(),
        };
        for layer in layers {
            match seen(&SafeDir::open(layer)?, path)? {
                Seen::There => return Ok(true),
                Seen::Gone => return Ok(false),
                Seen::Absent => {}
            }
        }
        Ok(false)
    }
}

/// What a layer says of a path.
enum Seen {
    There,
    /// It is not, and layers below do not matter.
    Gone,
    Absent,
}

fn seen(layer: &SafeDir, path: &Path) -> io::Result<Seen> {
    let mut opaque = false;
    let ways: Vec<&Path> = path.ancestors().filter(|way| !way.as_os_str().is_empty()).collect();
    for way in ways.into_iter().rev() {
        let about = match layer.metadata(way) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(if opaque { Seen::Gone } else { Seen::Absent });
            }
            Err(error) => return Err(error),
        };
        let whiteout = about.file_type().is_char_device() && about.rdev() == 0;
        if way == path {
            return Ok(if whiteout { Seen::Gone } else { Seen::There });
        }
        if !about.is_dir() {
            return Ok(Seen::Gone);
        }
        opaque |= is_opaque(layer, way);
    }
    Ok(Seen::Absent)
}

fn is_opaque(layer: &SafeDir, directory: &Path) -> bool {
    let mut mark = [0; 1];
    let opened = layer.open_dir(directory);
    opened.is_ok_and(|opened| rustix::fs::fgetxattr(&opened, OPAQUE, &mut mark).is_ok() && mark == *b"y")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode, mknodat};

    use super::*;

    #[test]
    fn a_path_is_there_as_an_overlay_mount_would_show_it() {
        // Where temporary files lie on an overlay, the kernel makes no whiteout.
        let place = tempfile::tempdir_in("/dev/shm").expect("there is room");
        let [lower, upper] = ["lower", "upper"].map(|name| place.path().join(name));
        for directory in ["lower/kept", "lower/removed", "upper/kept"] {
            fs::create_dir_all(place.path().join(directory)).expect("there is room");
        }
        for file in ["lower/kept/old", "lower/removed/old", "lower/gone", "upper/kept/new"] {
            fs::write(place.path().join(file), "").expect("there is room");
        }
        symlink("/nowhere", upper.join("link")).expect("there is room");
        symlink(&lower, upper.join("way")).expect("there is room");
        for name in ["gone", "removed"] {
            let device = rustix::fs::FileType::CharacterDevice;
            let made = mknodat(CWD, upper.join(name), device, Mode::empty(), 0);
            made.expect("any user may make a whiteout");
        }
        let tree = Tree::Layers { lowers: vec![lower.clone()], upper, work: place.path().join("work") };
        let present = |tree: &Tree, path: &str| tree.has(Path::new(path)).expect("all may be read");
        for there in ["kept", "kept/old", "kept/new", "./kept/new", "link"] {
            assert!(present(&tree, there), "{there}");
        }
        for absent in ["no", "no/no", "gone", "removed", "removed/old", "way/gone", "kept/new/x"] {
            assert!(!present(&tree, absent), "{absent}");
        }
        assert!(present(&Tree::Plain(lower.clone()), "gone") && !present(&Tree::Plain(lower), "gone/x"));
    }
}
