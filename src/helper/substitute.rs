//! `windlass-helper substitute DIR COUNT PATTERN… NAME…`: makes the files that a step sees in the place of some of the
//! workspace's, in a directory that need not be there. It is no PID 1 but the program of a container of its own, and finds the values of the names in its
//! environment. The workspace is only read, and no link in it is followed.

use std::env;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions, create_dir_all};
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::beneath::{self, LONGEST_PATH, open};
use crate::glob;
use crate::protocol::{LAYER_FILE, LAYER_UNUSED, MAX_LAYER};
use crate::substitution::{self, Values};
use crate::sys::{self, O_NONBLOCK};

/// Makes the files and says on standard output which they are, and which patterns stand for none; or says on standard
/// error why it cannot.
pub fn substitute(args: impl Iterator<Item = String>) -> ExitCode {
    let made = layer(args).and_then(|mut layer| {
        layer.make()?;
        let mut said = layer.said;
        for (pattern, _) in layer.patterns.iter().zip(&layer.used).filter(|(_, used)| !**used) {
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
    let directory = PathBuf::from(args.next().ok_or("where to?")?);
    create_dir_all(&directory)
        .map_err(|error| format!("cannot make room for what is substituted: {error}"))?;
    let count = args.next().and_then(|count| count.parse().ok()).ok_or("how many patterns?")?;
    let patterns: Vec<_> = args.by_ref().take(count).collect();
    let used = vec![false; patterns.len()];
    let values = args.filter_map(|name| Some((env::var_os(&name)?.into_vec(), name)));
    let values = values.map(|(value, name)| (name, value)).collect();
    Ok(Layer { directory, patterns, used, values, made: 0, said: Vec::new() })
}

fn say(to: &mut Vec<u8>, what: u8, text: &[u8]) {
    to.push(what);
    to.extend_from_slice(text);
    to.push(0);
}

struct Layer {
    directory: PathBuf,
    patterns: Vec<String>,
    /// Whether each stands for a file.
    used: Vec<bool>,
    values: Values,
    made: usize,
    said: Vec<u8>,
}

impl Layer {
    fn make(&mut self) -> Result<(), String> {
        beneath::walk(&self.patterns.clone(), cannot, &mut |found| {
            if found.path.len() <= LONGEST_PATH && found.kind.is_file() && self.is_meant(&found.path) {
                self.file(&found.directory, &found.name, &found.path)?;
            }
            Ok(())
        })
    }

    fn is_meant(&mut self, path: &[u8]) -> bool {
        let mut meant = false;
        for (pattern, used) in self.patterns.iter().zip(&mut self.used) {
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
            return Err(format!(
                "more than {MAX_LAYER} files have something to substitute; name fewer by `substitute`"
            ));
        }
        let place = self.directory.join(self.made.to_string());
        let mut made = || {
            original.rewind()?;
            let mut made = BufWriter::new(
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&place)?,
            );
            substitution::copy(&mut original, &mut made, &self.values)?;
            let made = made.into_inner()?;
            // Who is not root makes his own alone, and is who sees them.
            if sys::own_user().0 == 0 {
                fchown(&made, Some(about.uid()), Some(about.gid()))?;
            }
            made.set_permissions(Permissions::from_mode(about.mode() & 0o7777))
        };
        made().map_err(failed)?;
        self.made += 1;
        say(&mut self.said, LAYER_FILE, path);
        Ok(())
    }
}

fn cannot(path: &[u8], error: &io::Error) -> String {
    format!("cannot substitute in `{}`: {error}", String::from_utf8_lossy(path))
}
