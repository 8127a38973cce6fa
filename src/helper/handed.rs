//! Files in memory between runner and program: secrets on their way in, outputs on their way out.
//!
//! What lies at a secret's path is a link into memory, so that no value is ever on a disk.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::Path;

use crate::protocol::{Go, Hidden, MAX_OUTPUT, OUTPUT};
use crate::sys::O_NONBLOCK;
use crate::user::User;

const SECRETS: &str = "/windlass/secrets";

/// Makes the file of outputs and those of secrets.
///
/// The error is for the user, and holds no value.
pub fn prepare(go: &Go, user: &User) -> Result<(), String> {
    output_file().map_err(|error| format!("cannot make the file of outputs {OUTPUT}: {error}"))?;
    for (number, (path, value)) in go.secret_files.iter().enumerate() {
        secret_file(number, Path::new(path), value, user)
            .map_err(|error| format!("cannot put a secret at {path}: {error}"))?;
    }
    Ok(())
}

/// What the program wrote to its file of outputs; nothing when it put something else in its place.
pub fn outputs() -> Vec<u8> {
    let mut outputs = Vec::new();
    // Without waiting, should it be a pipe now.
    if let Ok(file) = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(OUTPUT)
        && file.metadata().is_ok_and(|about| about.is_file())
    {
        // What could not be read is missing then, and that is said of an output by its name.
        let _ = file.take(MAX_OUTPUT).read_to_end(&mut outputs);
    }
    outputs
}

/// Removes the secrets, for a container that stays.
pub fn forget() {
    // There may be none.
    let _ = fs::remove_dir_all(SECRETS);
}

fn output_file() -> io::Result<()> {
    File::create(OUTPUT)?;
    // Any user of the image may be the one who writes it.
    fs::set_permissions(OUTPUT, Permissions::from_mode(0o666))
}

fn secret_file(number: usize, path: &Path, value: &Hidden, user: &User) -> io::Result<()> {
    fs::create_dir_all(SECRETS)?;
    fs::set_permissions(SECRETS, Permissions::from_mode(0o711))?;
    let kept = Path::new(SECRETS).join(number.to_string());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&kept)?;
    file.write_all(&value.0)?;
    chown(&kept, Some(user.uid), Some(user.gid))?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(&kept, path)
}
