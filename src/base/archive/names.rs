//! Which names and link targets of an archive stay inside the directory it is extracted into.
//!
//! Pure: it never looks at the file system.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Limits;
use super::inside::stays_inside;

/// The longest name of a single file that Linux file systems have.
const LONGEST_NAME: usize = 255;

/// The path of an entry below the root of the archive; empty for the root itself.
///
/// # Errors
/// What is wrong with the name.
pub(super) fn inside(name: &[u8], limits: &Limits) -> Result<PathBuf, &'static str> {
    if name.is_empty() {
        return Err("has no name");
    }
    if name.starts_with(b"/") {
        return Err("has an absolute name");
    }
    if name.len() >= limits.path {
        return Err("has a name that is too long");
    }
    let mut path = PathBuf::new();
    let mut depth = 0;
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err("has a name with `..` in it"),
            part if part.contains(&0) => return Err("has a name with a zero byte in it"),
            part if part.len() > LONGEST_NAME => return Err("has a name that is too long"),
            part => {
                depth += 1;
                path.push(OsStr::from_bytes(part));
            }
        }
    }
    if depth > limits.depth { Err("lies too deep") } else { Ok(path) }
}

/// The target of a symbolic link at `path`, when it [stays inside](stays_inside).
///
/// # Errors
/// What is wrong with the target.
pub(super) fn target<'a>(path: &Path, target: &'a [u8], limits: &Limits) -> Result<&'a Path, &'static str> {
    if target.len() >= limits.path || target.contains(&0) {
        return Err("is a link with a target that no file system takes");
    }
    stays_inside(path.iter().count().saturating_sub(1), target)?;
    Ok(Path::new(OsStr::from_bytes(target)))
}
