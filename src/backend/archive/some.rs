//! What fits some patterns of a tree on this machine, as the helper packs it elsewhere.

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Stat, readlinkat, statat};
use tar::{Builder, EntryType, Header};

use super::each;
use crate::backend::Fetched;
use crate::base::archive::stays_inside;
use crate::base::safe_dir::{EntryKind, SafeDir};
use crate::base::{Tree, glob};

/// Writes what fits the patterns, but for `.git` in the root, and says what fits and was left out.
///
/// # Errors
/// When a part of the tree cannot be read, or nobody takes the stream any more.
pub(super) fn some(to: &mut dyn Write, tree: &Tree, patterns: &[String]) -> io::Result<Fetched> {
    let patterns = || patterns.iter().map(String::as_bytes);
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    let may_have = |path: &Path| {
        path != Path::new(".git") && patterns().any(|pattern| glob::may_be_in(pattern, &bytes(path)))
    };
    let (mut archive, mut left_out) = (Builder::new(to), Fetched::default());
    each(tree, &may_have, &mut |layer, path, kind| {
        if !patterns().any(|pattern| glob::matches(pattern, &bytes(path))) || path == Path::new(".git") {
            return Ok(());
        }
        let added = add(&mut archive, layer, path, kind).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot read `{}`: {error}", path.display()))
        });
        if !added? {
            left_out.leave_out(path.display().to_string());
        }
        Ok(())
    })?;
    archive.finish()?;
    Ok(left_out)
}

/// Adds something; false when it cannot be had elsewhere.
fn add(
    archive: &mut Builder<&mut dyn Write>,
    layer: &SafeDir,
    path: &Path,
    kind: EntryKind,
) -> io::Result<bool> {
    let header = |kind: EntryType, stat: &Stat, size: u64| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o777);
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
        header.set_size(size);
        header
    };
    let stat = statat(layer, path, AtFlags::SYMLINK_NOFOLLOW)?;
    match kind {
        EntryKind::Directory => {
            archive.append_data(&mut header(EntryType::Directory, &stat, 0), path, io::empty())?;
        }
        EntryKind::File => {
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            let mut content = layer.open_file(path)?.take(size);
            archive.append_data(&mut header(EntryType::Regular, &stat, size), path, &mut content)?;
            if content.limit() > 0 {
                return Err(io::Error::other("it got shorter meanwhile"));
            }
        }
        EntryKind::Link => {
            let target = readlinkat(layer, path, Vec::new())?;
            let depth = path.iter().count().saturating_sub(1);
            if stays_inside(depth, target.as_bytes()).is_err() {
                return Ok(false);
            }
            let target = std::ffi::OsStr::from_bytes(target.as_bytes());
            archive.append_link(&mut header(EntryType::Symlink, &stat, 0), path, target)?;
        }
        EntryKind::Other => return Ok(false),
    }
    Ok(true)
}
