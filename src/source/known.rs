//! What the user's repository says of itself, read on a thread that may be given up on: libgit2 comes to no
//! end with some damaged objects.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::error::{SourceError, io_at};
use super::fetch::SILENCE;
use super::fresh::Fresh;
use super::git::Source;
use super::index::Index;
use super::patience::{self, Pulse, Waited};
use super::watch::Watch;
use crate::plan::facts::GitFacts;

/// What a repository says of itself.
pub(super) struct Known {
    pub(super) source: Source,
    pub(super) index: Index,
    pub(super) fresh: Fresh,
    pub(super) facts: GitFacts,
    /// Paths whose index entry differs from the commit.
    pub(super) changed: BTreeSet<Vec<u8>>,
}

/// Opens and reads the repository that a directory is in; none when there is no repository.
///
/// # Errors
/// [`SourceError::Stuck`] when it comes to no end; as [`Source::open`] and [`Source::read`].
pub(super) fn read(directory: &Path, watch: Watch<'_>) -> Result<Option<Known>, SourceError> {
    let place = directory.to_owned();
    let read = move |pulse: &Arc<Pulse>| {
        let Some(source) = Source::open(&place)? else { return Ok(None) };
        let (index, fresh) = source.read(pulse)?;
        let facts = source.facts()?;
        let mut changed = BTreeSet::new();
        source.staged(&index, &mut changed)?;
        Ok(Some(Known { source, index, fresh, facts, changed }))
    };
    match patience::wait(SILENCE, watch, read).map_err(io_at("start a thread for", directory))? {
        Waited::Done(read) => read,
        Waited::Stopped => watch.check().map(|()| None),
        Waited::Silent => Err(SourceError::Stuck { path: directory.to_owned(), seconds: SILENCE.as_secs() }),
    }
}
