//! The state directory: where it is, whose it is, and the instance it stands for.
//!
//! Owns the choice of the place, its mode and the `instance` file. It never looks into what the
//! other rooms keep there.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::base::InstanceId;

const INSTANCE: &str = "instance";
/// What it is called until it is whole.
const DRAFT: &str = ".instance";

/// A state directory that is ours and can be written.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
    instance: InstanceId,
}

/// A state directory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Nothing says where it is.
    #[error("no place for the state directory: neither WINDLASS_HOME nor XDG_STATE_HOME nor HOME is set")]
    NoPlace,
    /// Something on the way to it failed.
    #[error("cannot {operation} the state directory `{}`", path.display())]
    Unusable {
        /// What was tried.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is somebody else's.
    #[error("the state directory `{}` belongs to user {owner}, not to user {user}", path.display())]
    NotOurs {
        /// Where.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this program.
        user: u32,
    },
    /// It is a directory with another purpose.
    #[error("`{}` holds other files and is no state directory of windlass", path.display())]
    Occupied {
        /// Where.
        path: PathBuf,
    },
    /// Its `instance` file does not hold an id.
    #[error("`{}` does not hold an instance id", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl HomeError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            HomeError::NoPlace => "set WINDLASS_HOME to a directory for windlass to keep its state in",
            HomeError::Unusable { .. } => {
                "make the directory writable, free space on its disk, or set WINDLASS_HOME to another place"
            }
            HomeError::NotOurs { .. } | HomeError::Occupied { .. } => {
                "set WINDLASS_HOME to a directory of your own, empty or not there yet"
            }
            HomeError::Damaged { .. } => {
                "restore the file; a new id would hide what runs under the old one left behind"
            }
        }
    }
}

impl Home {
    /// Opens `$WINDLASS_HOME`, else `$XDG_STATE_HOME/windlass`, else `~/.local/state/windlass`.
    ///
    /// # Errors
    /// As of [`Home::at`], and [`HomeError::NoPlace`] when no variable names a place.
    pub fn open() -> Result<Self, HomeError> {
        Self::at(&Self::place().ok_or(HomeError::NoPlace)?)
    }

    /// Where that is, whether or not it is there.
    pub fn place() -> Option<PathBuf> {
        place(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    /// Opens a state directory, making it where it is not there yet.
    ///
    /// # Errors
    /// [`HomeError`] when it cannot be made or written, is somebody else's, or holds other things.
    pub fn at(path: &Path) -> Result<Self, HomeError> {
        let failed =
            |operation| move |source| HomeError::Unusable { operation, path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create"))?;
        let path = fs::canonicalize(path).map_err(failed("resolve"))?;
        let metadata = fs::metadata(&path).map_err(failed("read"))?;
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            return Err(HomeError::NotOurs { path, owner: metadata.uid(), user });
        }
        // A directory of another purpose must not have its mode changed, and its files not mixed with ours.
        if occupied(&path).map_err(failed("read"))? {
            return Err(HomeError::Occupied { path });
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed("protect"))?;
        }
        rustix::fs::access(&path, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| failed("write to")(error.into()))?;
        let instance = instance(&path).map_err(failed("write to"))?;
        let instance = instance.ok_or_else(|| HomeError::Damaged { path: path.join(INSTANCE) })?;
        Ok(Self { path, instance })
    }

    /// Where it is: absolute, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The instance it stands for.
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }
}

fn place(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    variable("WINDLASS_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("XDG_STATE_HOME").map(|state| Path::new(&state).join("windlass")))
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".local/state/windlass")))
}

/// Reads the instance id, making one first where there is none; none when the file holds no id.
fn instance(home: &Path) -> io::Result<Option<InstanceId>> {
    let path = home.join(INSTANCE);
    if !path.try_exists()? {
        // Of several that are first only one makes it; whoever is killed meanwhile leaves a draft, which
        // the next one writes anew.
        let lock = File::open(home)?;
        lock.lock()?;
        if !path.try_exists()? {
            let draft = home.join(DRAFT);
            write(&draft, InstanceId::generate().as_str())?;
            fs::rename(&draft, &path)?;
        }
    }
    let text = fs::read_to_string(&path)?;
    let id = text.trim_end();
    let valid = id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    Ok(valid.then(|| InstanceId::new(id)))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

/// Whether the directory holds something, but not what every state directory holds first.
fn occupied(home: &Path) -> io::Result<bool> {
    let instance = home.join(INSTANCE);
    if instance.try_exists()? {
        return Ok(false);
    }
    for entry in fs::read_dir(home)? {
        // Another process may be opening the same new directory right now.
        if entry?.file_name() != DRAFT {
            return Ok(!instance.try_exists()?);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_home_is_private_and_keeps_its_id() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = Home::at(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(INSTANCE)), 0o600);
        assert_eq!(Home::at(&path).unwrap().instance(), first.instance());
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_that_a_killed_process_left_is_no_other_purpose_and_does_not_stay() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join(DRAFT), "half").unwrap();
        Home::at(parent.path()).unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_directory_of_ours_is_made_private() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Home::at(parent.path()).unwrap();
        assert_eq!(mode(parent.path()), 0o700);
    }

    #[test]
    fn a_directory_of_another_purpose_is_left_as_it_is() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("notes"), "mine").unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Home::at(parent.path()), Err(HomeError::Occupied { .. })));
        assert_eq!(mode(parent.path()), 0o755);
    }

    #[test]
    fn a_damaged_id_is_never_replaced() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join(INSTANCE), "").unwrap();
        assert!(matches!(Home::at(parent.path()), Err(HomeError::Damaged { .. })));
    }

    #[test]
    fn a_file_in_its_place_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "").unwrap();
        assert!(matches!(Home::at(&path), Err(HomeError::Unusable { operation: "create", .. })));
    }

    #[test]
    fn all_who_open_a_new_home_at_once_get_one_id() {
        let parent = tempfile::tempdir().unwrap();
        let ids: Vec<InstanceId> = std::thread::scope(|scope| {
            let openers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| Home::at(parent.path()).unwrap().instance)).collect();
            openers.into_iter().map(|opener| opener.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    #[test]
    fn the_first_variable_that_is_set_names_the_place() {
        let check = |set: &[(&str, &str)], expect: Option<&str>| {
            let lookup = |name: &str| {
                set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(*value))
            };
            assert_eq!(place(lookup).as_deref(), expect.map(Path::new));
        };
        check(&[("WINDLASS_HOME", "/w"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")], Some("/w"));
        check(&[("XDG_STATE_HOME", "/x"), ("HOME", "/h")], Some("/x/windlass"));
        check(&[("HOME", "/h")], Some("/h/.local/state/windlass"));
        check(&[], None);
    }
}
