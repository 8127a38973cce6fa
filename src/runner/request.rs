//! What a run is asked to do, before anything is looked at.

use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use super::gates::Approval;
use super::made::Made;
use super::secrets::SecretSources;
use super::trust::Origin;
use crate::base::masker::Masker;
use crate::base::{Bytes, Secret};
use crate::config::Settings;
use crate::frontend::Choice;
use crate::source;

/// One run, as asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What runs.
    pub target: Target,
    /// Who stands behind it.
    pub origin: Origin,
    /// What the user chose of what the file leaves open.
    pub choice: Choice,
    /// Steps that may run at the same time; as many as this machine has processors when absent.
    pub jobs: Option<NonZero<usize>>,
    /// Bytes of output that are kept of each step.
    pub log_limit: Bytes,
    /// A failed step ends no other step of its stage.
    pub keep_going: bool,
    /// What is hidden wherever it is printed. No step is given them by being named here.
    pub secrets: Vec<Secret>,
    /// Where the values of the secrets come from that steps get.
    pub secret_sources: SecretSources,
    /// Who opens the gates of steps.
    pub approval: Approval,
    /// What the user has set.
    pub settings: Settings,
    /// Tells what the run has made so far.
    pub made: Made,
}

/// What runs.
#[derive(Clone, Debug)]
pub enum Target {
    /// The pipeline of a source.
    Pipeline {
        /// The source.
        source: Source,
        /// Its pipeline file, where it is not the usual one.
        file: Option<PathBuf>,
    },
    /// One container, with no file, no source and no workspace.
    Image {
        /// What it runs in.
        image: String,
        /// What it runs; the image's own program when empty.
        command: Vec<String>,
    },
}

/// What a pipeline works on.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A capture of a directory with its uncommitted work.
    Directory(PathBuf),
    /// A directory itself.
    InPlace(PathBuf),
    /// A clone of a git repository.
    Url {
        /// Where it is.
        url: String,
        /// Branch, tag or commit; the default branch when absent.
        reference: Option<String>,
        /// Whether its submodules are cloned too.
        submodules: bool,
    },
}

impl Target {
    /// The pipeline file that was named.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Target::Pipeline { file, .. } => file.as_deref(),
            Target::Image { .. } => None,
        }
    }
}

impl Request {
    /// A run of this target with the language's defaults (L3) and no settings.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            origin: Origin::default(),
            choice: Choice::default(),
            jobs: None,
            log_limit: Bytes(64 << 20),
            keep_going: false,
            secrets: Vec::new(),
            secret_sources: SecretSources::default(),
            approval: Approval::default(),
            settings: Settings::default(),
            made: Made::default(),
        }
    }

    /// A run of the pipeline of a source.
    pub fn pipeline(source: Source) -> Self {
        Self::new(Target::Pipeline { source, file: None })
    }
}

impl Source {
    /// Reads SOURCE as a person writes it: a directory, or a git URL (`https://…`, `ssh://…`,
    /// `file://…`, `git@host:path`).
    pub fn parse(text: &str) -> Self {
        // `a:b` may be a directory; whoever has one means it.
        if source::is_url(text) && (text.contains("://") || !Path::new(text).exists()) {
            Source::Url { url: text.to_owned(), reference: None, submodules: false }
        } else {
            Source::Directory(PathBuf::from(text))
        }
    }

    /// The secrets that the source itself holds: the password of a URL.
    fn secrets(&self) -> Vec<Vec<u8>> {
        const SHORTEST: usize = 8;
        let Source::Url { url, .. } = self else { return Vec::new() };
        let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
        let userinfo = authority.and_then(|authority| authority.rsplit_once('@'));
        let Some((_, password)) = userinfo.and_then(|(user, _)| user.split_once(':')) else {
            return Vec::new();
        };
        let mut secrets = vec![password.as_bytes().to_vec(), percent_decoded(password)];
        secrets.dedup();
        secrets.retain(|secret| secret.len() >= SHORTEST);
        secrets
    }
}

impl Request {
    /// Knows everything that this run must not show, these secrets of steps among it.
    pub(super) fn masker(&self, of_steps: &[Secret]) -> Masker {
        let named = self.secrets.iter().chain(of_steps).map(|secret| secret.expose().to_vec());
        let held = match &self.target {
            Target::Pipeline { source, .. } => source.secrets(),
            Target::Image { .. } => Vec::new(),
        };
        Masker::new(named.chain(held))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            Source::InPlace(path) => f.debug_tuple("InPlace").field(path).finish(),
            Source::Url { url, reference, submodules } => {
                let mut shown = f.debug_struct("Url");
                shown.field("url", &source::without_credentials(url)).field("reference", reference);
                shown.field("submodules", submodules).finish()
            }
        }
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.split_at_checked(2).filter(|_| *first == b'%').and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok().map(|byte| (byte, after))
        });
        let (byte, after) = code.unwrap_or((*first, after));
        decoded.push(byte);
        rest = after;
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_can_be_shown_without_its_secrets() {
        let source = Source::parse("https://user:hunter2-hunter2@host/a.git");
        let secrets = vec![Secret::new("correct-horse-battery").expect("it is long enough")];
        let request = Request { secrets, ..Request::pipeline(source) };
        let shown = format!("{request:?} {request:#?}");
        assert!(shown.contains("https://host/a.git"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("horse"), "{shown}");
        let masked = request.masker(&[]).mask("hunter2-hunter2, correct-horse-battery");
        assert_eq!(masked, "***, ***");
    }

    #[test]
    fn a_source_is_a_directory_or_a_url() {
        let url = |url: &str| Source::Url { url: url.to_owned(), reference: None, submodules: false };
        for text in ["https://host/a", "file:///a", "ssh://git@host/a", "git@host:a/b"] {
            assert_eq!(Source::parse(text), url(text));
        }
        for text in [".", "a/b", "/a:b", "./a:b"] {
            assert_eq!(Source::parse(text), Source::Directory(text.into()));
        }
    }

    #[test]
    fn the_password_of_a_url_is_a_secret_as_written_and_as_meant() {
        let check = |url: &str, expect: &[&str]| {
            let source = Source::Url { url: url.to_owned(), reference: None, submodules: false };
            let secrets: Vec<String> =
                source.secrets().into_iter().map(|secret| String::from_utf8(secret).unwrap()).collect();
            assert_eq!(secrets, expect, "{url}");
        };
        check("https://me:correct%20horse@host/a", &["correct%20horse", "correct horse"]);
        check("https://me:pass@word@host/a", &["pass@word"]);
        check("https://me:long-enough%2@host/a", &["long-enough%2"]);
        check("https://me:short@host/a", &[]);
        check("https://host/a:password@b", &[]);
        check("git@host:path", &[]);
    }
}
