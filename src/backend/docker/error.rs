//! What the engine says, in the shared words.

use std::io;

use bollard::errors::Error;

use super::dial::Failure;
use crate::backend::StartError;
use crate::base::{Reason, with_causes};

/// The HTTP status of an answer; none when there was no answer.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether the engine does not know what it was asked about.
pub(super) fn is_not_found(error: &Error) -> bool {
    status(error) == Some(404)
}

/// Whether the same call may succeed a little later: there was no answer, or one that says that the
/// engine cannot answer now.
pub(super) fn may_pass(error: &Error) -> bool {
    match status(error) {
        None | Some(429 | 502..=504) => true,
        // What the runtime refused it will refuse again.
        Some(500) => !is_of_runtime(error),
        Some(_) => false,
    }
}

/// Whether nobody listens where the engine was.
pub(super) fn is_absent(error: &Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = match error {
        // It passes as what caused it, and so is no source of itself.
        Error::IOError { err } => Some(err),
        error => Some(error),
    };
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether the engine did its part, and starting the container failed.
fn is_of_runtime(error: &Error) -> bool {
    words(error).contains("OCI runtime")
}

/// The engine's own words, without bollard's around them.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::RequestTimeoutError => "the engine did not answer in time".to_owned(),
        other => Failure::within(other).map_or_else(|| with_causes(other), ToString::to_string),
    }
}

/// Why a pull failed. The engine gives one status for many causes, so its words decide.
pub(super) fn pull(reference: &str, error: &Error) -> StartError {
    let said = words(error);
    let lower = said.to_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    let reason = if has(&["no matching manifest", "does not match the specified platform"]) {
        Reason::ImageWrongPlatform
    } else if has(&["manifest unknown", "not found: manifest", "repository does not exist", "no such image"])
        || (is_not_found(error) && !has(&["denied", "unauthorized"]))
    {
        Reason::ImageNotFound
    } else if has(&["unauthorized", "denied", "authentication required", "no basic auth"]) {
        Reason::ImageRefused
    } else if status(error).is_none() && !matches!(error, Error::DockerStreamError { .. }) {
        Reason::DaemonLost
    } else {
        Reason::ImagePullFailed
    };
    StartError { reason, message: format!("cannot pull `{reference}`: {said}") }
}

/// Why a container could not be created or started.
pub(super) fn start(error: &Error) -> StartError {
    let reason = match status(error) {
        _ if may_pass(error) => Reason::DaemonLost,
        Some(404) if words(error).to_lowercase().contains("no such image") => Reason::ImageNotFound,
        _ => Reason::CouldNotStart,
    };
    StartError { reason, message: words(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    #[test]
    fn a_connection_that_is_refused_is_told_from_one_that_breaks() {
        let broken = |kind: io::ErrorKind| Error::IOError { err: kind.into() };
        assert!(is_absent(&broken(io::ErrorKind::ConnectionRefused)));
        assert!(!is_absent(&broken(io::ErrorKind::ConnectionReset)));
        assert!(!is_absent(&answer(404, "Not found")));
    }

    #[test]
    fn the_words_of_engines_become_reasons() {
        let check = |error: Error, reason: Reason| assert_eq!(pull("x", &error).reason, reason, "{error}");
        check(
            answer(404, "manifest for busybox:nope not found: manifest unknown: manifest unknown"),
            Reason::ImageNotFound,
        );
        check(
            answer(
                404,
                "pull access denied for nope, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            ),
            Reason::ImageNotFound,
        );
        check(answer(500, "unauthorized: authentication required"), Reason::ImageRefused);
        check(
            answer(500, "Get \"https://host/v2/\": dial tcp: lookup host on 10.0.0.1:53: server misbehaving"),
            Reason::ImagePullFailed,
        );
        check(answer(500, "dial tcp 127.0.0.1:1: connect: connection refused"), Reason::ImagePullFailed);
        check(
            Error::DockerStreamError {
                error: "no matching manifest for linux/arm64/v8 in the manifest list entries".into(),
            },
            Reason::ImageWrongPlatform,
        );
        assert_eq!(start(&answer(503, "busy")).reason, Reason::DaemonLost);
        assert_eq!(start(&answer(500, "OCI runtime create failed: x")).reason, Reason::CouldNotStart);
        assert_eq!(start(&answer(404, "No such image: x:latest")).reason, Reason::ImageNotFound);
        assert_eq!(start(&answer(400, "invalid")).reason, Reason::CouldNotStart);
        check(Error::IOError { err: std::io::ErrorKind::ConnectionReset.into() }, Reason::DaemonLost);
    }
}
