//! Files that are only pointers to content that git-lfs keeps elsewhere. That content is never fetched;
//! it is said that it is not there.

use std::path::Path;

use super::beneath;
use super::error::{SourceError, io_at};
use super::listing::{Listing, join};
use super::watch::Watch;

const BEGIN: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
/// What a pointer is no longer than, by git-lfs' own definition.
const LONGEST: u64 = 1024;
const SHOWN: usize = 3;

/// What the user should know; none where no file is kept by git-lfs, or each is there with its content.
///
/// # Errors
/// [`SourceError::Io`] when the tree cannot be opened; [`SourceError::Cancelled`].
pub(super) fn note(root: &Path, listing: &Listing, watch: Watch<'_>) -> Result<Option<String>, SourceError> {
    let opened = beneath::open_root(root).map_err(io_at("open", root))?;
    let read = |directory: &[u8], name: &[u8]| {
        let directory = beneath::open_directory(&opened, directory).ok()?;
        beneath::read_small(directory, std::str::from_utf8(name).ok()?).ok()?
    };
    let uses = listing.files().filter_map(|pick| listing.get(pick)).any(|(directory, entry)| {
        directory.name(entry) == b".gitattributes"
            && read(&directory.path, b".gitattributes")
                .is_some_and(|text| text.windows(10).any(|part| part == b"filter=lfs"))
    });
    if !uses {
        return Ok(None);
    }
    let (mut names, mut count) = (Vec::new(), 0usize);
    for (directory, entry) in listing.files().filter_map(|pick| listing.get(pick)) {
        watch.check()?;
        let fits = !entry.symlink && (BEGIN.len() as u64..=LONGEST).contains(&entry.marks.size);
        let name = directory.name(entry);
        if fits && read(&directory.path, name).is_some_and(|text| text.starts_with(BEGIN)) {
            count += 1;
            if names.len() < SHOWN {
                names.push(String::from_utf8_lossy(&join(&directory.path, name)).into_owned());
            }
        }
    }
    if count > names.len() {
        names.push("…".into());
    }
    let files =
        if count == 1 { "1 file is a pointer".to_owned() } else { format!("{count} files are pointers") };
    Ok((count > 0).then(|| format!("{files} of git-lfs, whose content is not fetched: {}", names.join(", "))))
}
