//! Files that one container sees in the place of the workspace's (language L30): the container of the helper's that makes
//! them before that one starts, and what it says of them. So the runner reads and writes none of them, and it is the same
//! wherever the workspace is.

use futures_util::StreamExt;

use crate::backend::{
    ContainerSpec, Ended, GivenSecret, Hosts, How, Privileges, ProgramSpec, Progress, SecretPlace,
    StartError, Started, Substitution, no_file,
};
use crate::base::{Reason, StepId};
use crate::event::Stream;
use crate::helper::protocol::{LAYER_FILE, LAYER_UNUSED};
use crate::plan::Network;

/// More than the paths of all its files and all its patterns.
const MOST_SAID: u64 = 8 << 20;
/// Bytes of an error that are passed on.
const LONGEST_ERROR: usize = 8 << 10;

/// Files that were made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::backend) struct Made {
    /// The path of each in the workspace; they are called `0`, `1` and so on.
    pub(in crate::backend) files: Vec<String>,
    /// What a person should know of them.
    pub(in crate::backend) warning: Option<String>,
}

/// The container that makes the files of another, in this directory of its own: `helper` is the helper there.
pub(in crate::backend) fn maker(
    spec: &ContainerSpec,
    substitution: &Substitution,
    helper: String,
    directory: String,
) -> ContainerSpec {
    // What the program itself would see counts for more.
    let secrets = substitution.secrets.iter().filter(|(name, _)| !spec.env.contains_key(*name));
    let secrets = secrets.map(|(name, value)| GivenSecret {
        value: value.clone(),
        place: SecretPlace::Variable(name.clone()),
    });
    let patterns = &substitution.patterns;
    let mut command = vec![helper, "substitute".to_owned(), directory, patterns.len().to_string()];
    command.extend(patterns.iter().chain(spec.env.keys()).chain(substitution.secrets.keys()).cloned());
    ContainerSpec {
        // No step and no service is called so.
        step: StepId::new(format!("{}..substitute", spec.label())),
        service: None,
        program: ProgramSpec::Command(command),
        secrets: secrets.collect(),
        user: Some("0:0".to_owned()),
        workdir: Some("/".to_owned()),
        network: Network::None,
        among_services: false,
        log_limit: MOST_SAID,
        lane: None,
        privileges: Privileges::default(),
        substitution: None,
        ..spec.clone()
    }
}

/// Lets the files be made, and returns once all are there.
///
/// # Errors
/// In the words of a start, when there is one that cannot be made.
pub(in crate::backend) async fn made(mut started: Started) -> Result<Made, StartError> {
    started.control.go(Hosts::new()).await;
    let (mut said, mut why) = (Vec::new(), Vec::new());
    while let Some(progress) = started.progress.next().await {
        match progress {
            Progress::Output(Stream::Stdout, bytes) => said.extend_from_slice(&bytes),
            Progress::Output(Stream::Stderr, bytes) => {
                let room = LONGEST_ERROR.saturating_sub(why.len());
                why.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
            }
            Progress::Warned(_) => {}
            Progress::Ended(Ended { how: How::Exited(0), .. }) => return understood(&said),
            Progress::Ended(ended) => return Err(failed(ended, &why)),
        }
    }
    Err(failed(super::plain(How::Stopped, None), &why))
}

fn understood(said: &[u8]) -> Result<Made, StartError> {
    let (mut files, mut unused) = (Vec::new(), Vec::new());
    for line in said.split(|&byte| byte == 0) {
        match line.split_first() {
            Some((&LAYER_FILE, path)) => {
                let Ok(path) = std::str::from_utf8(path) else {
                    let shown = String::from_utf8_lossy(path);
                    let message = format!("cannot substitute in `{shown}`: its name is not UTF-8");
                    return Err(StartError { reason: Reason::CouldNotStart, message });
                };
                files.push(path.to_owned());
            }
            Some((&LAYER_UNUSED, pattern)) => unused.push(String::from_utf8_lossy(pattern)),
            _ => {}
        }
    }
    Ok(Made { files, warning: (!unused.is_empty()).then(|| no_file(&unused)) })
}

/// Why there is no layer, in the words of a start.
fn failed(ended: Ended, why: &[u8]) -> StartError {
    let reason = match ended.how {
        How::Lost(reason) => reason,
        How::TimedOut => Reason::Timeout,
        How::OutOfMemory => Reason::OutOfMemory,
        How::Stopped => Reason::RunnerLost,
        How::CouldNotStart | How::Exited(_) | How::Signalled(_) => Reason::CouldNotStart,
    };
    let said = String::from_utf8_lossy(why).trim().to_owned();
    let said = Some(said).filter(|said| !said.is_empty()).or(ended.message);
    let message = match (said, ended.how) {
        (Some(said), _) => said,
        (None, How::TimedOut) => "substitution took longer than the step's time limit".to_owned(),
        (None, how) => format!("substitution did not come to its end: {how:?}"),
    };
    StartError { reason, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_in_their_order_and_the_rest_is_said() {
        let made = understood(b"fa/b\0uc*\0fd e\0ux/**\0").unwrap();
        assert_eq!(made.files, ["a/b", "d e"]);
        let warning = "no file of the workspace fits `c*`, `x/**`, which `substitute` names";
        assert_eq!(made.warning.as_deref(), Some(warning));
        assert_eq!(understood(b"").unwrap(), Made::default());
        let error = understood(b"f\xff\0").unwrap_err();
        assert_eq!(error.reason, Reason::CouldNotStart);
    }

    #[test]
    fn what_went_wrong_has_the_reason_of_a_start() {
        let failed = |how, message: Option<&str>, why: &[u8]| {
            let ended = Ended { how, message: message.map(str::to_owned), usage: None, output: Vec::new() };
            let StartError { reason, message } = failed(ended, why);
            format!("{reason}: {message}")
        };
        let said = b"cannot substitute in `a`: No space left on device (os error 28)\n";
        assert_eq!(
            failed(How::Exited(1), None, said),
            "could_not_start: cannot substitute in `a`: No space left on device (os error 28)"
        );
        let gone = How::Lost(Reason::Deleted);
        assert_eq!(failed(gone, Some("it was removed"), b""), "deleted: it was removed");
        let late = "timeout: substitution took longer than the step's time limit";
        assert_eq!(failed(How::TimedOut, None, b""), late);
    }
}
