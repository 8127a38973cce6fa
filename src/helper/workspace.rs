//! `windlass-helper look PATH`: whether something is at a path of the workspace now.
//!
//! It is no PID 1 but a second program in a container that holds the workspace for this, and only reads.

use std::ffi::OsStr;
use std::fs::symlink_metadata;
use std::io::{self, Write};
use std::path::{Component, Path};
use std::process::ExitCode;

use crate::beneath::{self, at};
use crate::protocol::{ABSENT, PRESENT};
use crate::sys::{O_DIRECTORY, O_PATH};

/// Says on standard output whether something is there, a link too, wherever it leads; or on standard error why that
/// cannot be known.
pub fn look(mut args: impl Iterator<Item = String>) -> ExitCode {
    let path = args.next().unwrap_or_default();
    let said = is_there(Path::new(&path))
        .and_then(|there| io::stdout().write_all(&[if there { PRESENT } else { ABSENT }]));
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn is_there(path: &Path) -> io::Result<bool> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let names = parts.map(|part| if let Component::Normal(name) = part { Some(name) } else { None });
    let names = names
        .collect::<Option<Vec<&OsStr>>>()
        .ok_or_else(|| io::Error::other("it leads out of the workspace"))?;
    let Some((last, above)) = names.split_last() else { return Ok(false) };
    let mut directory = beneath::root()?;
    for name in above {
        match beneath::open(&directory, name, O_PATH | O_DIRECTORY)? {
            Some(next) => directory = next,
            None => return Ok(false),
        }
    }
    match symlink_metadata(at(&directory).join(last)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
