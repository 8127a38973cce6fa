//! Talks to the repository behind a URL: lists its refs, and fetches its history, through libgit2.
//!
//! The user's git configuration has no part in it, so that nothing redirects a URL or runs a program.
//! Certificates and host keys are always checked. Nothing is asked for on the terminal.

use std::cell::Cell;
use std::path::Path;

use git2::{
    AutotagOption, Config, Cred, CredentialType, Direction, ErrorClass, ErrorCode, FetchOptions, Odb, Oid,
    RemoteCallbacks, RemoteRedirect, Repository,
};

use super::error::SourceError;
use super::remote::Remote;
use super::resolve::Head;

/// How far a fetch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchProgress {
    /// Objects so far.
    pub received: u64,
    /// Objects in all, as far as known.
    pub total: u64,
    /// Bytes so far.
    pub bytes: u64,
}

/// Is told how far a fetch is, and says whether it should go on.
pub type OnProgress<'a> = &'a dyn Fn(FetchProgress) -> bool;

/// What a repository's history is fetched into.
const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];

/// Lists the refs of a repository.
///
/// # Errors
/// What went wrong, by kind: [`SourceError::Unreachable`], [`SourceError::Refused`] …
pub(super) fn list(remote: &Remote) -> Result<Vec<Head>, SourceError> {
    let failed = |error| classify(remote, error);
    // A repository in no place at all, so that it has no configuration at all.
    let nowhere = Odb::new().and_then(Repository::from_odb).map_err(failed)?;
    nowhere.set_config(&Config::new().map_err(failed)?).map_err(failed)?;
    let mut connection = nowhere.remote_anonymous(&remote.url).map_err(failed)?;
    let connected =
        connection.connect_auth(Direction::Fetch, Some(credentials(remote)), None).map_err(failed)?;
    let mut heads: Vec<Head> = Vec::new();
    for found in connected.list().map_err(failed)? {
        // The commit behind a tag's own object is listed after it.
        if let Some(tag) = found.name().strip_suffix("^{}") {
            if let Some(head) = heads.iter_mut().find(|head| head.name == tag) {
                head.commit = found.oid();
            }
            continue;
        }
        let target = found.symref_target().map(String::from);
        heads.push(Head { name: found.name().into(), commit: found.oid(), target });
    }
    Ok(heads)
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

/// Fetches all branches and tags, and `extra`, a commit that none of them may hold.
///
/// # Errors
/// As [`list`]; [`SourceError::Cancelled`] when `progress` says so.
pub(super) fn fetch(
    repository: &Repository,
    remote: &Remote,
    extra: Option<Oid>,
    progress: OnProgress<'_>,
) -> Result<(), SourceError> {
    let cancelled = Cell::new(false);
    let failed = |error| {
        if cancelled.get() {
            SourceError::Cancelled { url: remote.url.clone() }
        } else {
            classify(remote, error)
        }
    };
    let mut connection = repository.remote_anonymous(&remote.url).map_err(failed)?;
    let mut get = |refspecs: &[String]| {
        let mut callbacks = credentials(remote);
        callbacks.transfer_progress(|stats| {
            let more = progress(FetchProgress {
                received: stats.received_objects() as u64,
                total: stats.total_objects() as u64,
                bytes: stats.received_bytes() as u64,
            });
            cancelled.set(!more);
            more
        });
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(callbacks)
            .download_tags(AutotagOption::None)
            .update_fetchhead(false)
            .follow_redirects(RemoteRedirect::Initial);
        connection.fetch(refspecs, Some(&mut options), None).map_err(failed)
    };
    get(&REFSPECS.map(String::from))?;
    let missing = extra.filter(|commit| repository.find_commit(*commit).is_err());
    if let Some(commit) = missing
        && let Err(error @ SourceError::Cancelled { .. }) = get(&[commit.to_string()])
    {
        return Err(error);
    }
    // Whether it is there now is for the caller to see: not every server hands out any commit.
    Ok(())
}

fn credentials(remote: &Remote) -> RemoteCallbacks<'_> {
    let mut callbacks = RemoteCallbacks::new();
    // libgit2 asks again for as long as it is refused.
    let mut tried = CredentialType::empty();
    callbacks.credentials(move |_, user_of_url, allowed| {
        let user = remote.user.as_deref().or(user_of_url);
        let mut first = |kind: CredentialType| {
            let wanted = allowed.contains(kind) && !tried.contains(kind);
            tried.set(kind, wanted || tried.contains(kind));
            wanted
        };
        if first(CredentialType::USERNAME) {
            return Cred::username(user.unwrap_or("git"));
        }
        if first(CredentialType::SSH_KEY) {
            return Cred::ssh_key_from_agent(user.unwrap_or("git"));
        }
        if let Some(user) = remote.user.as_deref()
            && first(CredentialType::USER_PASS_PLAINTEXT)
        {
            return Cred::userpass_plaintext(user, remote.password.as_deref().unwrap_or_default());
        }
        Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, "there are no more credentials to try"))
    });
    callbacks
}

/// Says in our words what libgit2 said.
fn classify(remote: &Remote, source: git2::Error) -> SourceError {
    let url = remote.url.clone();
    let text = source.message().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match (source.code(), source.class()) {
        (ErrorCode::Auth, _) => SourceError::Refused { url, source },
        (ErrorCode::Certificate, _) => SourceError::Unverified { url, source },
        (ErrorCode::Owner, _) => {
            let path = url.strip_prefix("file://").unwrap_or(&url).into();
            SourceError::Repository { path, source }
        }
        (_, ErrorClass::Http) if says(&["401", "403"]) => SourceError::Refused { url, source },
        (_, ErrorClass::Http) if says(&["404", "410"]) => SourceError::NoRepository { url, source },
        (_, ErrorClass::Ssl) if says(&["certificate"]) => SourceError::Unverified { url, source },
        (_, ErrorClass::Os) if url.starts_with("file:") => SourceError::NoRepository { url, source },
        (ErrorCode::NotFound, _) => SourceError::NoRepository { url, source },
        _ if says(&[
            "not found",
            "could not find repository",
            "not appear to be a git",
            "content type",
            "not a git",
        ]) =>
        {
            SourceError::NoRepository { url, source }
        }
        (_, ErrorClass::Net | ErrorClass::Os | ErrorClass::Ssl | ErrorClass::Ssh) => {
            SourceError::Unreachable { url, source }
        }
        _ => SourceError::Fetch { url, source },
    }
}
