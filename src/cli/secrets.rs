//! Secrets from a file of the user's, and from the user at a terminal.
//!
//! No value is ever printed, and none is taken from the command line, which others can read.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::base::Secret;
use crate::base::pairs::{self, LineError};
use crate::runner::{Ask, SecretSources};

/// Bytes that a file of secrets may have.
const LIMIT: u64 = 1 << 20;

/// A file of secrets that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretFileError {
    #[error("cannot read the secrets in `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the secrets in `{}` can be read or changed by other users", path.display())]
    NotAlone { path: PathBuf },
    #[error("the secrets in `{}` are longer than 1Mi", path.display())]
    TooLong { path: PathBuf },
    #[error("in the secrets of `{}` {problem}", path.display())]
    Line { path: PathBuf, problem: LineError },
    #[error("line {line} of the secrets in `{}` gives `{name}` a second time", path.display())]
    Twice { path: PathBuf, line: usize, name: String },
}

impl SecretFileError {
    pub(super) fn help(&self) -> &'static str {
        match self {
            SecretFileError::Unreadable { .. } => "name a file that you may read",
            SecretFileError::NotAlone { .. } => "take all rights of others away: chmod 600",
            SecretFileError::TooLong { .. } => "a file of secrets holds NAME=value lines, and little else",
            SecretFileError::Line { .. } => {
                "write NAME=value, or NAME<<END, the lines of the value, and END on a line of its own; `#` begins a comment"
            }
            SecretFileError::Twice { .. } => "remove one of them",
        }
    }
}

/// Where the secrets of a run come from: these files, the environment, and a person where there is one.
///
/// # Errors
/// [`SecretFileError`] with the first thing that is wrong with a file.
pub(super) fn sources(files: &[PathBuf]) -> Result<SecretSources, SecretFileError> {
    let mut given = BTreeMap::new();
    for path in files {
        read(path, &mut given)?;
    }
    let present = io::stdin().is_terminal() && io::stderr().is_terminal();
    let ask: Option<Ask> = present.then(|| Arc::new(|name| ask(name).boxed()) as Ask);
    Ok(SecretSources { given, environment: true, ask })
}

/// Adds what a file gives; of several files the last counts.
fn read(path: &Path, given: &mut BTreeMap<String, Secret>) -> Result<(), SecretFileError> {
    let unreadable = |source| SecretFileError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    let user = rustix::process::geteuid().as_raw();
    // A pipe is whoever's holds its other end.
    if about.is_file() && (about.mode() & 0o077 != 0 || ![0, user].contains(&about.uid())) {
        return Err(SecretFileError::NotAlone { path: path.to_owned() });
    }
    let mut text = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LIMIT {
        return Err(SecretFileError::TooLong { path: path.to_owned() });
    }
    let mut own = BTreeMap::new();
    for line in pairs::read_with_comments(&text) {
        let line = line.map_err(|problem| SecretFileError::Line { path: path.to_owned(), problem })?;
        let name = line.key.to_owned();
        if own.insert(name.clone(), Secret::unmasked(line.value)).is_some() {
            return Err(SecretFileError::Twice { path: path.to_owned(), line: line.number, name });
        }
    }
    given.extend(own);
    Ok(())
}

/// Asks at the terminal for a secret, without showing what is typed.
///
/// # Cancel safety
/// A dropped future shows again what is typed; the terminal is then still read from.
async fn ask(name: String) -> io::Result<Vec<u8>> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let unseen = Unseen::new(terminal.try_clone()?)?;
    write!(terminal, "secret {name}: ")?;
    terminal.flush()?;
    let reading = tokio::task::spawn_blocking({
        let terminal = terminal.try_clone()?;
        move || {
            let mut line = Vec::new();
            BufReader::new(terminal.take(LIMIT)).read_until(b'\n', &mut line)?;
            Ok::<_, io::Error>(line)
        }
    });
    let line = reading.await.map_err(io::Error::other)?;
    drop(unseen);
    writeln!(terminal)?;
    let mut line = line?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(line)
}

/// A terminal that does not show what is typed, as long as this lives.
struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    fn new(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut unseen = before.clone();
        unseen.local_modes -= LocalModes::ECHO;
        // What was typed before the question is no answer to it.
        tcsetattr(&terminal, OptionalActions::Flush, &unseen)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read_text(text: &str, mode: u32) -> Result<BTreeMap<String, Secret>, String> {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("secrets");
        fs::write(&path, text).expect("the directory is ours");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("the file is ours");
        let mut given = BTreeMap::new();
        read(&path, &mut given).map(|()| given).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_holds_names_and_values() {
        let text = "# ours\nTOKEN=a=b 'c'\n\nKEY<<END\n# one\ntwo\nEND\n";
        let given = read_text(text, 0o600).expect("the file is good");
        let value = |name: &str| String::from_utf8_lossy(given[name].expose()).into_owned();
        assert_eq!((given.len(), value("TOKEN"), value("KEY")), (2, "a=b 'c'".into(), "# one\ntwo".into()));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_without_its_values() {
        for (text, says) in [
            ("TOKEN=1\nhunter2-hunter2\n", "line 2 is neither"),
            ("TOKEN<<END\nhunter2-hunter2\n", "line 1 begins a value"),
            ("TOKEN=hunter2-hunter2\nTOKEN=2\n", "line 2"),
        ] {
            let error = read_text(text, 0o600).expect_err("the file is not good");
            assert!(error.contains(says) && !error.contains("hunter2"), "{error}");
        }
        for mode in [0o640, 0o604, 0o620, 0o644] {
            let error = read_text("TOKEN=1\n", mode).expect_err("others can read it");
            assert!(error.contains("other users"), "{mode:o} {error}");
        }
    }
}
