//! Talks to the repository behind a URL: lists its refs, and fetches its history, through libgit2.
//!
//! Every talk has a thread of its own, which is given up on when it is no longer wanted or nobody answers.
//! The user's git configuration has no part in it but for credential helpers, so that nothing redirects
//! a URL or runs a program; nor does a server send us to another host.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use git2::{AutotagOption, Config, Direction, FetchOptions, Odb, Oid, Reference, RemoteRedirect, Repository};

use super::beneath;
use super::error::{SourceError, io_at};
use super::patience::{self, Pulse, Waited};
use super::remote::Remote;
use super::resolve::Head;
use super::talk::Talk;
use super::watch::Watch;
use crate::base::RunId;

/// How long a server may be silent unless somebody says otherwise.
pub(super) const SILENCE: Duration = Duration::from_mins(1);

/// What a repository's history is fetched into.
const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];

/// Talks to one server.
#[derive(Clone, Copy)]
pub(super) struct Fetcher<'a> {
    pub(super) remote: &'a Remote,
    /// How long it may be silent.
    pub(super) silence: Duration,
    pub(super) watch: Watch<'a>,
}

impl Fetcher<'_> {
    /// Lists the refs of the repository. `place` is a directory of ours for the configuration that it
    /// is talked to with.
    ///
    /// # Errors
    /// What went wrong, by kind: [`SourceError::Unreachable`], [`SourceError::Refused`] …
    pub(super) fn list(&self, place: &Path) -> Result<Vec<Head>, SourceError> {
        let config = configuration(place)?;
        self.talk(move |talk| list(talk, &config).map_err(|error| talk.error(error)))
    }

    /// Fetches all branches and tags, and `extra`, a commit that none of them may hold.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub(super) fn fetch(
        &self,
        repository: Repository,
        extra: Option<Oid>,
    ) -> Result<Repository, SourceError> {
        self.talk(move |talk| {
            let get = |refspecs: &[String]| fetch(talk, &repository, refspecs);
            get(&REFSPECS.map(String::from)).map_err(|error| talk.error(error))?;
            let missing = extra.filter(|commit| repository.find_commit(*commit).is_err());
            if let Some(commit) = missing {
                // Whether it is there now is for the caller to see: not every server hands out any commit.
                drop(get(&[commit.to_string()]));
            }
            Ok(repository)
        })
    }

    fn talk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Talk) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let remote = self.remote.clone();
        let work = move |pulse: &Arc<Pulse>| work(&Talk::new(remote, Arc::clone(pulse)));
        match patience::wait(self.silence, self.watch, work).map_err(io_at("start a thread for", "fetch"))? {
            Waited::Done(result) => result,
            Waited::Stopped => Err(SourceError::Cancelled { what: self.remote.url.clone() }),
            Waited::Silent => {
                Err(SourceError::Silent { url: self.remote.url.clone(), seconds: self.silence.as_secs() })
            }
        }
    }
}

fn list(talk: &Talk, config: &Path) -> Result<Vec<Head>, git2::Error> {
    // A repository in no place at all, so that it has no configuration but this.
    let nowhere = Repository::from_odb(Odb::new()?)?;
    nowhere.set_config(&Config::open(config)?)?;
    let mut connection = nowhere.remote_anonymous(&talk.remote.url)?;
    let connected = connection.connect_auth(Direction::Fetch, Some(talk.callbacks()), None)?;
    let mut heads: Vec<Head> = Vec::new();
    for found in connected.list()? {
        talk.pulse.beat();
        // The commit behind a tag's own object is listed after it.
        if let Some(tag) = found.name().strip_suffix("^{}") {
            if let Some(head) = heads.iter_mut().rfind(|head| head.name == tag) {
                head.commit = found.oid();
            }
            continue;
        }
        if Reference::is_valid_name(found.name()) {
            let target =
                found.symref_target().filter(|name| Reference::is_valid_name(name)).map(String::from);
            heads.push(Head { name: found.name().into(), object: found.oid(), commit: found.oid(), target });
        }
    }
    Ok(heads)
}

fn fetch(talk: &Talk, repository: &Repository, refspecs: &[String]) -> Result<(), git2::Error> {
    let mut options = FetchOptions::new();
    options
        .remote_callbacks(talk.callbacks())
        .download_tags(AutotagOption::None)
        .update_fetchhead(false)
        .follow_redirects(RemoteRedirect::None);
    // Objects alone: a ref of its own for each of some thousand takes longer than they do.
    repository.remote_anonymous(&talk.remote.url)?.download(refspecs, Some(&mut options))
}

/// The only thing that libgit2 is told by a file: when it lists refs there is no other way.
fn configuration(place: &Path) -> Result<PathBuf, SourceError> {
    const TEXT: &str = "[http]\n\tfollowRedirects = false\n";
    let path = place.join("libgit2-config");
    if !path.exists() {
        let draft = place.join(format!("libgit2-config-{}", RunId::generate()));
        std::fs::write(&draft, TEXT).map_err(io_at("write", &draft))?;
        std::fs::rename(&draft, &path).map_err(io_at("rename", &draft))?;
    }
    Ok(path)
}

/// The commits of a repository of this machine whose parents it does not have; libgit2 does not fetch
/// that list from there.
pub(super) fn shallow(remote: &Remote) -> Option<Vec<u8>> {
    let git = Repository::open(remote.directory()?).ok()?.path().to_owned();
    let list = beneath::read_file(&git.join("shallow")).ok()??;
    let commits = |line: &[u8]| line.len() == 40 && line.iter().all(u8::is_ascii_hexdigit);
    list.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).all(commits).then_some(list)
}

/// Makes an empty repository with nothing but our own configuration, to be fetched into.
///
/// # Errors
/// [`SourceError::Repository`].
pub(super) fn init(tree: &Path) -> Result<Repository, SourceError> {
    let failed = |source| SourceError::Repository { path: tree.to_owned(), source };
    let mut options = git2::RepositoryInitOptions::new();
    options.external_template(false).no_reinit(true).mkdir(false).initial_head("main");
    let repository = Repository::init_opts(tree, &options).map_err(failed)?;
    let mut config = Config::new().map_err(failed)?;
    let file = repository.path().join("config");
    config.add_file(&file, git2::ConfigLevel::Local, false).map_err(failed)?;
    repository.set_config(&config).map_err(failed)?;
    Ok(repository)
}
