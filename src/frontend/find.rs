//! Which file is the pipeline: `windlass.yml`, `.windlass.yml`, or the one that was named.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::SourceText;

const NAMES: [&str; 2] = ["windlass.yml", ".windlass.yml"];

/// Why there is no pipeline to compile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// Neither of the usual files is there.
    #[error("there is no `windlass.yml` and no `.windlass.yml` here")]
    NoFile,
    /// Both of the usual files are there.
    #[error("both `windlass.yml` and `.windlass.yml` are here")]
    Both,
    /// The file that was named is not there.
    #[error("there is no file `{}`", .path.display())]
    Missing {
        /// As it was named.
        path: PathBuf,
    },
    /// A file is there but cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file is not UTF-8.
    #[error("`{}` is not UTF-8 text (byte {offset})", .path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
        /// The first byte that does not belong.
        offset: usize,
        /// It looks like the UTF-16 that some editors write.
        utf16: bool,
    },
}

impl FindError {
    /// Says what to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            FindError::NoFile => Some("write one that begins with `stages:`, or name another with `--file`"),
            FindError::Both => Some("remove one of them, or name the one that is meant with `--file`"),
            FindError::Missing { .. } => Some("the path is relative to the source's root"),
            FindError::NotText { utf16: true, .. } => Some("it looks like UTF-16: save it as UTF-8"),
            FindError::NotText { .. } => Some("save it as UTF-8"),
            FindError::Read { .. } => None,
        }
    }
}

/// Finds and reads the pipeline file.
///
/// `read` gives a file's bytes by its path below the source's root, or none when it is not there.
/// `file` names the file instead of the two usual names.
///
/// # Errors
/// When no file is there, both of the usual ones are, or it cannot be read as UTF-8.
pub fn find(
    read: &dyn Fn(&Path) -> io::Result<Option<Vec<u8>>>,
    file: Option<&Path>,
) -> Result<SourceText, FindError> {
    let get = |path: &Path| read(path).map_err(|source| FindError::Read { path: path.to_owned(), source });
    if let Some(path) = file {
        let bytes = get(path)?.ok_or_else(|| FindError::Missing { path: path.to_owned() })?;
        return text(path, bytes);
    }
    let [plain, hidden] = NAMES.map(Path::new);
    match (get(plain)?, get(hidden)?) {
        (Some(bytes), None) => text(plain, bytes),
        (None, Some(bytes)) => text(hidden, bytes),
        (Some(_), Some(_)) => Err(FindError::Both),
        (None, None) => Err(FindError::NoFile),
    }
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<SourceText, FindError> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceText::new(path.to_string_lossy(), text)),
        Err(error) => Err(FindError::NotText {
            path: path.to_owned(),
            offset: error.utf8_error().valid_up_to(),
            utf16: matches!(error.as_bytes(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &[u8])], file: Option<&str>, expect: &str) {
        let files: BTreeMap<_, _> = files.iter().copied().collect();
        let read = |path: &Path| {
            let path = path.to_str().expect("tests use UTF-8 paths");
            if path == "locked.yml" {
                return Err(io::Error::from(io::ErrorKind::PermissionDenied));
            }
            Ok(files.get(path).map(|bytes| bytes.to_vec()))
        };
        let found = match find(&read, file.map(Path::new)) {
            Ok(source) => format!("{}: {}", source.name, source.text),
            Err(error) => format!("{error}; {}", error.hint().unwrap_or("no hint")),
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn either_name_is_found() {
        check(&[("windlass.yml", b"a")], None, "windlass.yml: a");
        check(&[(".windlass.yml", b"b")], None, ".windlass.yml: b");
        check(&[("windlass.yml", b"a"), ("ci/x.yml", b"c")], Some("ci/x.yml"), "ci/x.yml: c");
    }

    #[test]
    fn what_is_not_there_or_not_text_is_said() {
        check(
            &[],
            None,
            "there is no `windlass.yml` and no `.windlass.yml` here; write one that begins with `stages:`, or \
             name another with `--file`",
        );
        check(
            &[("windlass.yml", b"a"), (".windlass.yml", b"b")],
            None,
            "both `windlass.yml` and `.windlass.yml` are here; remove one of them, or name the one that is \
             meant with `--file`",
        );
        check(&[], Some("x.yml"), "there is no file `x.yml`; the path is relative to the source's root");
        check(&[], Some("locked.yml"), "cannot read `locked.yml`; no hint");
        check(
            &[("windlass.yml", b"\xff\xfea\0")],
            None,
            "`windlass.yml` is not UTF-8 text (byte 0); it looks like UTF-16: save it as UTF-8",
        );
    }
}
