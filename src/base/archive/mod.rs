//! The one extractor of archives: an uncompressed tar stream into an empty directory, of whoever's
//! making it may be. And the one index of them, for archives of which only some files are read.
//!
//! Whoever wrote the archive wants a file outside of the directory read, written or given other
//! rights, or wants a scanner to see something else than what is extracted. So nothing is ever
//! opened but beneath the directory's handle and through no link; files and directories come
//! first, links last, and only those that stay inside; nothing is ever overwritten; devices, pipes,
//! sparse files and programs with a set-user-id bit are refused; and so is whatever two programs
//! could read in two ways (`entries`, `header`).
//!
//! An archive cannot grow: every byte that is written was read, and each entry took at least 512. A
//! caller that decompresses first bounds what comes out of that by [`Limits::bytes`].
//!
//! It never sets an owner, an extended attribute or an ACL, never makes anything of what is
//! compressed, and removes nothing: after an error the caller throws the directory away.

mod entries;
mod error;
mod extract;
mod header;
mod index;
mod inside;
mod names;
mod pax;

pub use error::{ArchiveError, Place};
pub use extract::extract;
pub use index::{Index, Section, index};
pub use inside::stays_inside;

/// What an archive may have. The default is far beyond what people store on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Headers of any kind.
    pub entries: u64,
    /// Bytes of all files together.
    pub bytes: u64,
    /// Bytes of one path and its final zero; Linux takes no more than 4,096.
    pub path: usize,
    /// Directories that one lies in, and itself.
    pub depth: usize,
    /// Bytes of the paths that are kept in memory until the end: those of directories and links.
    pub kept: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1_000_000, bytes: 64 << 30, path: 4096, depth: 256, kept: 64 << 20 }
    }
}

/// What was extracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Files, directories and links that the archive names.
    pub entries: u64,
    /// Bytes of all files together.
    pub bytes: u64,
}
