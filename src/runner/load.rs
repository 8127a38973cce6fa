//! From a source to a plan: finds the pipeline file and has the front end compile it.
//!
//! It never runs anything, and makes nothing.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::error::{Invalid, RunError};
use super::home::Home;
use super::images;
use super::request::{Source, Target};
use super::single;
use super::trust::Origin;
use crate::backend::lacks::{self, Lack};
use crate::base::{Diagnostic, Severity, SourceText};
use crate::engine;
use crate::frontend::{self, Choice, Given, Origins};
use crate::plan::Plan;
use crate::plan::facts::{GitFacts, SourceView};
use crate::source::{AtCommit, DirectoryView};

/// What is read of a pipeline file: one byte more than it may have, so that a larger one is seen as such.
const LIMIT: u64 = frontend::MAX_FILE as u64 + 1;

/// A plan and where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The plan.
    pub plan: Plan,
    /// The file it was compiled from; none for `run --image`.
    pub text: Option<SourceText>,
    /// What the user should know about the file.
    pub warnings: Vec<Diagnostic>,
    /// Who has set the variables of its steps.
    pub origins: Origins,
    /// The commit, where it is known without asking; see [`git_of`].
    pub git: Option<GitFacts>,
}

/// Compiles what is there before anything is captured: everything but the pipeline of a URL.
///
/// # Errors
/// [`RunError`] when there is no file, or it is not valid.
pub(super) fn before_capture(
    home: &Home,
    target: &Target,
    origin: &Origin,
    choice: &Choice,
) -> Result<Option<Loaded>, RunError> {
    match target {
        Target::Image { image, command } => {
            let wrong = |problem| RunError::Image { image: image.clone(), problem };
            let plan = single::plan(image, images::by_hand(image).map_err(wrong)?, command);
            Ok(Some(Loaded {
                plan,
                text: None,
                warnings: Vec::new(),
                origins: Origins::default(),
                git: None,
            }))
        }
        Target::Pipeline { source: Source::InPlace(dir), .. } if *origin != Origin::ByHand => {
            Err(RunError::Refused {
                what: format!("the source is not trusted, and would work in place on `{}`", dir.display()),
                help: Some("let it work on a capture of the directory".to_owned()),
            })
        }
        Target::Pipeline { source: Source::Directory(dir) | Source::InPlace(dir), file } => {
            let view = open(Some(home.path()), dir)?;
            let file = file.as_deref().map(|file| relative(view.root(), file));
            let at = |base: &str| AtCommit::of_directory(&view, base);
            compile_of(origin, (&view, &at), file.as_deref(), choice).map(Some)
        }
        Target::Pipeline { source: Source::Url { .. }, .. } => Ok(None),
    }
}

/// Compiles the pipeline of a directory, as it is now. The state directory `home`, which need not be there,
/// is no part of the source.
///
/// # Errors
/// [`RunError`] when there is no such directory or file, or the file is not valid.
pub fn directory(
    home: Option<&Path>,
    dir: &Path,
    file: Option<&Path>,
    choice: &Choice,
) -> Result<Loaded, RunError> {
    let view = open(home, dir)?;
    let file = file.map(|file| relative(view.root(), file));
    compile(&view, file.as_deref(), choice)
}

fn open(home: Option<&Path>, dir: &Path) -> Result<DirectoryView, RunError> {
    DirectoryView::open(dir, home).map_err(|source| RunError::Directory { path: dir.to_owned(), source })
}

/// A source as one of its commits has it.
type At<'a> = dyn Fn(&str) -> io::Result<AtCommit<'a>> + 'a;

/// Compiles the pipeline of a source: as it is, or as the base has it of one that is not trusted, which then must
/// not need trust.
///
/// # Errors
/// As [`compile`]; [`RunError::NoBase`] when there is no such commit, [`RunError::Refused`] when it needs trust.
pub(super) fn compile_of<'a>(
    origin: &Origin,
    (source, at): (&'a dyn SourceView, &At<'a>),
    file: Option<&Path>,
    choice: &Choice,
) -> Result<Loaded, RunError> {
    let Origin::Foreign { base } = origin else { return compile(source, file, choice) };
    let missing = |source| RunError::NoBase { commit: base.clone(), source };
    let loaded = compile(&at(base).map_err(missing)?, file, choice)?;
    origin.check(&loaded.plan)?;
    Ok(loaded)
}

/// Asks the repository of a directory which commit it is at; all is empty where there is none.
///
/// # Errors
/// [`RunError`] when the directory or its repository cannot be read.
pub fn git_of(dir: &Path) -> Result<GitFacts, RunError> {
    open(None, dir)?.git().map_err(|source| RunError::Directory { path: dir.to_owned(), source })
}

/// Finds the pipeline file of a source and has the front end compile it.
///
/// # Errors
/// [`RunError::Find`] when there is none, [`RunError::Invalid`] with everything that is wrong with it,
/// [`RunError::NotAccepted`] when only what was chosen is wrong.
pub(super) fn compile(
    source: &dyn SourceView,
    file: Option<&Path>,
    choice: &Choice,
) -> Result<Loaded, RunError> {
    let text = match file {
        // A file elsewhere on this machine was named by hand, and has nothing to do with the source.
        Some(path) if path.is_absolute() => frontend::find(&|path| present(std::fs::read(path)), Some(path)),
        _ => frontend::find(&|path| source.read(path, LIMIT), file),
    };
    let text = text.map_err(RunError::Find)?;
    let compiled = frontend::compile(&text, &Given { choice, source });
    let invalid = compiled.diagnostics.iter().any(|found| found.severity == Severity::Error);
    match (compiled.plan, compiled.refused) {
        (Some(plan), _) => {
            let (warnings, origins) = (compiled.diagnostics, compiled.origins);
            Ok(Loaded { plan, text: Some(compiled.source), warnings, origins, git: None })
        }
        (None, Some(refused)) if !invalid => Err(RunError::NotAccepted(refused)),
        (None, _) => {
            let (text, diagnostics) = (compiled.source, compiled.diagnostics);
            Err(RunError::Invalid(Invalid { text, diagnostics }))
        }
    }
}

/// Refuses what asks for something that this version cannot do anywhere (language L34).
pub(super) fn supported(loaded: Loaded) -> Result<Loaded, RunError> {
    known(&loaded.plan).map(|()| loaded)
}

/// The same, of a plan alone.
pub(super) fn known(plan: &Plan) -> Result<(), RunError> {
    let unsupported = engine::unsupported(plan);
    if unsupported.is_empty() {
        had(plan, &[lacks::NO_HOST])
    } else {
        Err(RunError::Refused { what: unsupported.join("; "), help: None })
    }
}

/// Refuses what asks for something that the backend lacks (language L34).
pub(super) fn had(plan: &Plan, lacks: &[Lack]) -> Result<(), RunError> {
    let unmet = lacks::unmet(plan, lacks);
    if unmet.is_empty() { Ok(()) } else { Err(RunError::Unmet(unmet)) }
}

fn present(read: io::Result<Vec<u8>>) -> io::Result<Option<Vec<u8>>> {
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file inside the source is named from its root, however it was given.
fn relative(root: &Path, file: &Path) -> PathBuf {
    file.strip_prefix(root).unwrap_or(file).to_owned()
}
