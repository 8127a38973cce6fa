//! Which runs are recorded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::base::RunId;

/// The runs that are recorded under a state directory, the oldest first.
///
/// # Errors
/// [`StoreError::Read`]; a state directory without records is none.
pub fn runs(home: &Path) -> Result<Vec<RunId>, StoreError> {
    let path = directory(home);
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let entries = entries.map_err(|source| StoreError::Read { path, source })?;
    let is_run = |name: &String| name.len() == 26 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let names = entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
    let mut runs: Vec<_> = names.filter(is_run).map(RunId::new).collect();
    runs.sort();
    Ok(runs)
}

/// The run that was recorded last.
///
/// # Errors
/// [`StoreError::Read`].
pub fn last(home: &Path) -> Result<Option<RunId>, StoreError> {
    Ok(runs(home)?.pop())
}

/// Where the records of a state directory are.
pub(super) fn directory(home: &Path) -> PathBuf {
    home.join("runs")
}
