//! `windlass-helper substitute COUNT PATTERN… NAME…`: makes the files that a step sees in the place of some of the
//! workspace's. It is no PID 1 but the program of a container of its own, and finds the values of the names in its
//! environment. The workspace is only read, and no link in it is followed.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, Permissions, read_dir};
use std::io::{self, BufWriter, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use crate::glob;
use crate::protocol::{LAYER, LAYER_FILE, LAYER_UNUSED, MAX_LAYER};
use crate::substitution::{self, Values};
use crate::sys::{O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK};

const WORKSPACE: &str = "/workspace";
/// Nothing is mounted at a longer path.
const LONGEST_PATH: usize = 4096;

/// Makes the files and says on standard output which they are, and which patterns stand for none; or says on standard
/// error why it cannot.
pub fn substitute(args: impl Iterator<Item = String>) -> ExitCode {
    let made = layer(args).and_then(|mut layer| {
        layer.make()?;
        let mut said = layer.said;
        for (pattern, _) in layer.patterns.iter().filter(|(_, used)| !used) {
            say(&mut said, LAYER_UNUSED, pattern.as_bytes());
        }
        io::stdout().write_all(&said).map_err(|error| error.to_string())
    });
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn layer(mut args: impl Iterator<Item = String>) -> Result<Layer, String> {
    let count = args.next().and_then(|count| count.parse().ok()).ok_or("how many patterns?")?;
    let patterns = args.by_ref().take(count).map(|pattern| (pattern, false)).collect();
    let values = args.filter_map(|name| Some((env::var_os(&name)?.into_vec(), name)));
    let values = values.map(|(value, name)| (name, value)).collect();
    Ok(Layer { patterns, values, made: 0, said: Vec::new() })
}

fn say(to: &mut Vec<u8>, what: u8, text: &[u8]) {
    to.push(what);
    to.extend_from_slice(text);
    to.push(0);
}

struct Layer {
    /// Each with whether it stands for a file.
    patterns: Vec<(String, bool)>,
    values: Values,
    made: usize,
    said: Vec<u8>,
}

/// A directory that is still to be looked into, by its parent.
struct Waiting {
    parent: Rc<File>,
    name: OsString,
    /// From the workspace's root.
    path: Vec<u8>,
}

impl Layer {
    fn make(&mut self) -> Result<(), String> {
        let root = OpenOptions::new().read(true).custom_flags(O_DIRECTORY).open(WORKSPACE);
        let root = root.map_err(|error| format!("cannot read {WORKSPACE}: {error}"))?;
        let mut waiting = Vec::new();
        self.look(root, b"", &mut waiting)?;
        while let Some(Waiting { parent, name, path }) = waiting.pop() {
            if let Some(directory) = open(&parent, &name, O_DIRECTORY).map_err(|error| cannot(&path, &error))? {
                self.look(directory, &path, &mut waiting)?;
            }
        }
        Ok(())
    }

    /// Takes the files of a directory, and notes those directories in it that may have more.
    fn look(&mut self, directory: File, path: &[u8], waiting: &mut Vec<Waiting>) -> Result<(), String> {
        let directory = Rc::new(directory);
        let failed = |error: io::Error| cannot(path, &error);
        let mut entries = read_dir(at(&directory)).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let path = match path {
                b"" => name.as_bytes().to_vec(),
                _ => [path, b"/", name.as_bytes()].concat(),
            };
            // What has gone meanwhile is no file.
            let Ok(kind) = entry.file_type() else { continue };
            if path == b".git" || path.len() > LONGEST_PATH {
            } else if kind.is_dir() {
                if self.patterns.iter().any(|(pattern, _)| glob::may_be_in(pattern.as_bytes(), &path)) {
                    waiting.push(Waiting { parent: Rc::clone(&directory), name, path });
                }
            } else if kind.is_file() && self.is_meant(&path) {
                self.file(&directory, &name, &path)?;
            }
        }
        Ok(())
    }

    fn is_meant(&mut self, path: &[u8]) -> bool {
        let mut meant = false;
        for (pattern, used) in &mut self.patterns {
            let fits = glob::matches(pattern.as_bytes(), path);
            (meant, *used) = (meant | fits, *used | fits);
        }
        meant
    }

    /// Makes what a step sees of a file, if that is another than the file itself.
    fn file(&mut self, directory: &File, name: &OsStr, path: &[u8]) -> Result<(), String> {
        let failed = |error: io::Error| cannot(path, &error);
        let Some(mut original) = open(directory, name, O_NONBLOCK).map_err(failed)? else { return Ok(()) };
        let about = original.metadata().map_err(failed)?;
        if !about.is_file() || !substitution::concerns(&mut original, &self.values).map_err(failed)? {
            return Ok(());
        }
        if self.made == MAX_LAYER {
            return Err(format!("more than {MAX_LAYER} files have something to substitute; name fewer by `substitute`"));
        }
        let place = Path::new(LAYER).join(self.made.to_string());
        let mut made = || {
            original.rewind()?;
            let mut made =
                BufWriter::new(OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&place)?);
            substitution::copy(&mut original, &mut made, &self.values)?;
            let made = made.into_inner()?;
            fchown(&made, Some(about.uid()), Some(about.gid()))?;
            made.set_permissions(Permissions::from_mode(about.mode() & 0o7777))
        };
        made().map_err(failed)?;
        self.made += 1;
        say(&mut self.said, LAYER_FILE, path);
        Ok(())
    }
}

/// Opens what has this name in a directory; none if it is gone, or no longer of the kind that it was.
fn open(directory: &File, name: &OsStr, flags: i32) -> io::Result<Option<File>> {
    const ENOTDIR: i32 = 20;
    const ELOOP: i32 = 40;
    match OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | flags).open(at(directory).join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if matches!(error.raw_os_error(), Some(ENOTDIR | ELOOP)) => Ok(None),
        opened => opened.map(Some),
    }
}

/// A path to an open directory, whatever has its name now.
fn at(directory: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

fn cannot(path: &[u8], error: &io::Error) -> String {
    format!("cannot substitute in `{}`: {error}", String::from_utf8_lossy(path))
}
