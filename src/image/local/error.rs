//! Why an image in a file cannot be used.

use std::io;

use crate::base::Reason;
use crate::base::archive::ArchiveError;
use crate::plan::ImageFile;

/// An image that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the image `{image}`: {problem}")]
pub struct LocalError {
    /// Where it was to be.
    pub image: ImageFile,
    /// Why not.
    pub problem: Problem,
}

impl LocalError {
    /// The reason of a step that needs it. It is the same however often it is asked for.
    pub fn reason(&self) -> Reason {
        match self.problem {
            Problem::WrongPlatform { .. } => Reason::ImageWrongPlatform,
            _ => Reason::ImageNotFound,
        }
    }
}

/// What is wrong with an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing is at its path.
    #[error("nothing is there; what git ignores is no part of the source")]
    Absent,
    /// It is neither a file nor a directory.
    #[error("it is neither a file nor a directory")]
    Special,
    /// A symbolic link leads to it, or to a part of it.
    #[error("`{what}` is a symbolic link or lies behind one, and links are not followed")]
    Link {
        /// Its path.
        what: String,
    },
    /// A part of it could not be read.
    #[error("cannot read `{what}`: {source}")]
    Read {
        /// Its path.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The whole file is compressed.
    #[error("it is compressed with {how}; store it decompressed, as `{tool}` leaves it")]
    Compressed {
        /// By what.
        how: &'static str,
        /// What undoes it.
        tool: &'static str,
    },
    /// The archive cannot be read.
    #[error("it is no archive of an image: {0}")]
    Archive(ArchiveError),
    /// It is something else.
    #[error(
        "it is neither an OCI layout nor what `docker save` writes: it has no `index.json` and no `manifest.json`"
    )]
    NoImage,
    /// A directory that is no OCI layout.
    #[error("the directory is no OCI layout: it has no `index.json`")]
    NoLayout,
    /// A part of it is not there.
    #[error("`{what}` is not in it")]
    Missing {
        /// Its path.
        what: String,
    },
    /// A part of it that is read into memory is too large for that.
    #[error("`{what}` has more than {limit} bytes")]
    TooLarge {
        /// Its path.
        what: String,
        /// How many it may have.
        limit: u64,
    },
    /// A part of it is not the JSON that it should be.
    #[error("`{what}` cannot be understood: {source}")]
    Json {
        /// Its path.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A part of it says something that cannot be.
    #[error("`{what}` {why}")]
    Malformed {
        /// Its path.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A part of it does not have the length that it should have.
    #[error("`{what}` has {found} bytes and should have {wanted}")]
    Length {
        /// Its path.
        what: String,
        /// What it is said to have.
        wanted: u64,
        /// What it has.
        found: u64,
    },
    /// A part of it does not have the digest that it should have.
    #[error("`{what}` is damaged: its content is not that of {digest}")]
    Damaged {
        /// Its path.
        what: String,
        /// The digest that it should have.
        digest: String,
    },
    /// It has more than one image, and none was named.
    #[error("it has several images; put `#NAME` after the path, NAME being one of {}", listed(.names))]
    Several {
        /// What they are called.
        names: Vec<String>,
    },
    /// It has no image of the name.
    #[error("it has no image `{name}`, only {}", listed(.names))]
    NoSuchName {
        /// The name.
        name: String,
        /// What its images are called.
        names: Vec<String>,
    },
    /// It has no image at all.
    #[error("it holds no image")]
    Empty,
    /// None of its images is for this machine.
    #[error("it is for {}, this machine is {machine}, and no emulator for it is registered (binfmt_misc)", .there.join(", "))]
    WrongPlatform {
        /// What it is for.
        there: Vec<String>,
        /// What this machine is.
        machine: String,
    },
}

/// No more names than a person reads.
fn listed(names: &[String]) -> String {
    const MOST: usize = 10;
    let mut shown: Vec<String> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    if names.len() > MOST {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}
