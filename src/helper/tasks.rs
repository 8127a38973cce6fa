//! What the helper does where it is no PID 1: one small thing, and its end says how that went.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;

use crate::sha256::Sha256;
use crate::shared_files::HOSTS;
use crate::{SILENCE, refuse, refuse_in_pod, sys};

/// When a runner was last heard of that tends to a program whose PID 1 we are not, in seconds since the machine's start.
const TENDED: &str = "/windlass/tended";

/// Removes directory trees as root, for a runner that may not.
pub fn remove(paths: impl Iterator<Item = String>) -> ExitCode {
    for path in paths {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return refuse(&format!("cannot remove {path}: {error}"));
            }
            _ => {}
        }
    }
    ExitCode::SUCCESS
}

/// Says by its code whether the image's own user is root.
pub fn is_root() -> ExitCode {
    if sys::own_user().0 == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `windlass-helper names FILE [ADDRESS NAME]...`: writes a file of names for another container of the same pod, whose
/// own nobody but root could write to: what is in the one here, and these.
pub fn names(mut args: impl Iterator<Item = String>) -> ExitCode {
    let Some(file) = args.next() else { return refuse("there is no file for the names") };
    let named: Vec<String> = args.collect();
    let written = || {
        let mut text = fs::read_to_string(HOSTS)?;
        for pair in named.chunks(2) {
            text.push_str(&format!("\n{}", pair.join("\t")));
        }
        let part = format!("{file}.part");
        fs::write(&part, text + "\n")?;
        // Whoever the other one is, it may add to it.
        fs::set_permissions(&part, Permissions::from_mode(0o666))?;
        fs::write(TENDED, uptime()?.to_string())?;
        fs::rename(&part, &file)
    };
    match written() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse_in_pod(&io::Error::to_string(&error)),
    }
}

/// `windlass-helper install FILE SHA256`: makes a file of the program that this is, for the other containers of its pod,
/// if it is the one that they expect: whoever speaks to it speaks the protocol of that one.
pub fn install(mut args: impl Iterator<Item = String>) -> ExitCode {
    let (Some(file), Some(expected)) = (args.next(), args.next()) else {
        return refuse_in_pod("install needs a file and the digest of what is to be there");
    };
    let installed = || {
        let program = fs::read("/proc/self/exe")?;
        let mut digest = Sha256::new();
        digest.update(&program);
        let found: String = digest.finish().iter().map(|byte| format!("{byte:02x}")).collect();
        if found != expected {
            let why = format!(
                "the helper in this image is not that of this windlass: its sha256 is {found}, expected was {expected}"
            );
            return Err(io::Error::other(why));
        }
        let part = format!("{file}.part");
        fs::write(&part, program)?;
        // Whoever the others are.
        fs::set_permissions(&part, Permissions::from_mode(0o555))?;
        fs::rename(&part, &file)
    };
    match installed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse_in_pod(&io::Error::to_string(&error)),
    }
}

/// Says that a runner is there.
pub fn tend() -> ExitCode {
    match uptime().and_then(|now| fs::write(TENDED, now.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string()),
    }
}

/// Whether a runner was there lately; what its cluster asks, which ends the program if not.
pub fn is_tended() -> ExitCode {
    let said = || -> io::Result<u64> { fs::read_to_string(TENDED)?.parse().map_err(io::Error::other) };
    match (said(), uptime()) {
        (Ok(said), Ok(now)) if now.saturating_sub(said) > SILENCE.as_secs() => refuse("its runner is gone"),
        // What cannot be known is nobody's end.
        _ => ExitCode::SUCCESS,
    }
}

fn uptime() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/uptime")?;
    let seconds = text.split('.').next().unwrap_or_default();
    seconds.parse().map_err(io::Error::other)
}
