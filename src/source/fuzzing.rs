//! Doors for the fuzz targets to what reads bytes of others in this room. Nothing else uses them.

use super::index::Index;
use super::pattern::Patterns;
use super::remote::{self, Remote};

/// A URL that is fetched from: what is shown of it, its user and its password.
pub fn url(text: &str) -> Option<(String, Option<String>, Option<String>)> {
    Remote::parse(text).ok().map(|remote| (remote.url, remote.user, remote.password))
}

/// What is said of a URL that is refused.
pub fn refusal(text: &str) -> Option<String> {
    Remote::parse(text).err().map(|error| error.to_string())
}

/// Whether a branch, tag or commit may be asked for.
pub fn reference(text: &str) -> bool {
    remote::check_reference(text).is_ok()
}

/// How many entries a git index has.
pub fn index(data: &[u8]) -> Option<usize> {
    Index::parse(data).ok().map(|index| index.entries().len())
}

/// What an ignore file says of a path.
pub fn ignored(file: &[u8], path: &[u8], is_directory: bool) -> Option<bool> {
    Patterns::parse(file).decide(path, is_directory)
}
