//! What is sent to an engine, and where it goes.

use std::io::{self, Write};
use std::path::Path;

use bollard::models::Mount;

use crate::backend::archive;
use crate::base::Tree;
use crate::helper;

/// The helper in its volume.
pub(super) const HELPER: &str = "windlass-helper";

/// What goes into a volume.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Helper,
    Tree(Tree),
}

/// A volume and what goes into it.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) volume: Mount,
    pub(super) content: Content,
}

impl Content {
    /// Writes it as an archive, below `under`.
    ///
    /// # Errors
    /// When it cannot be read, or nobody takes it any more.
    pub(super) fn write(&self, to: &mut dyn Write, under: &Path) -> io::Result<()> {
        match self {
            Self::Helper => archive::executable(to, &under.join(HELPER), helper::EXECUTABLE),
            Self::Tree(tree) => archive::tree(to, tree, under),
        }
    }
}
