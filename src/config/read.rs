//! Finds the file and reads it. One mistake is reported, with its place.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::allow::{Written, Wrong};
use super::{CODE, Settings, SettingsError, kubernetes, secret};
use crate::base::{Diagnostic, SourceText, Span};

/// Larger files are no settings.
const LIMIT: u64 = 1 << 20;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    allow: Vec<Written>,
    #[serde(default)]
    secret: Vec<secret::Written>,
    #[serde(default)]
    kubernetes: kubernetes::Written,
}

impl Settings {
    /// Reads the user's settings; without a file, or a place for one, nothing is set.
    ///
    /// # Errors
    /// [`SettingsError`]; nothing may run then.
    pub fn read() -> Result<Self, SettingsError> {
        match place(|name| std::env::var_os(name).filter(|value| !value.is_empty())) {
            Some(path) => Self::read_file(&path),
            None => Ok(Self::default()),
        }
    }

    /// Reads settings from a file; nothing is set where it is not there.
    ///
    /// # Errors
    /// [`SettingsError`]; nothing may run then.
    pub fn read_file(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(error) => return Err(unreadable(error)),
        };
        let about = file.metadata().map_err(unreadable)?;
        let user = rustix::process::geteuid().as_raw();
        // Whoever can write here gives himself what this user may give.
        if about.mode() & 0o022 != 0 || ![0, user].contains(&about.uid()) {
            return Err(SettingsError::NotOurs { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > LIMIT {
            return Err(unreadable(io::Error::new(
                ErrorKind::FileTooLarge,
                format!("it is longer than {LIMIT} bytes"),
            )));
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| unreadable(io::Error::new(ErrorKind::InvalidData, error)))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads settings from a text.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] with the first thing that is wrong.
    pub fn parse(name: &str, text: &str) -> Result<Self, SettingsError> {
        let invalid = |diagnostic| SettingsError::Invalid {
            text: SourceText::new(name, text),
            diagnostic: Box::new(diagnostic),
        };
        let document: Document = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            invalid(Diagnostic::error(CODE, span_of(span, text), error.message().replace('\n', ", ")))
        })?;
        let wrong = |wrong: Box<Wrong>| {
            let (value, problem, help) = *wrong;
            let message = format!("`{}` {problem}", value.get_ref());
            invalid(Diagnostic::error(CODE, span_of(value.span(), text), message).with_help(help))
        };
        let allow = document.allow.into_iter().map(Written::checked).collect::<Result<_, _>>();
        let secrets = document.secret.into_iter().map(secret::Written::checked).collect::<Result<_, _>>();
        let kubernetes = document.kubernetes.checked().map_err(wrong)?;
        Ok(Self { allow: allow.map_err(wrong)?, secrets: secrets.map_err(wrong)?, kubernetes })
    }
}

fn span_of(range: std::ops::Range<usize>, text: &str) -> Span {
    Span { start: range.start.min(text.len()), end: range.end.min(text.len()) }
}

pub(super) fn place(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = folder.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")));
    folder.map(|folder| folder.join("windlass/config.toml"))
}
