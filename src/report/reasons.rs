//! What every reason means and what to do about it, for people. `docs/reasons.md` is made from it.

use std::fmt::Write as _;

use crate::base::{Reason, RetryClass};

/// Says in one paragraph what a reason means and what to do.
pub fn explanation(reason: Reason) -> &'static str {
    match reason {
        Reason::ExitCode => {
            "The program ran and ended with a code other than 0: a test failed, or a command of a script did. The last lines of its log stand under the step. Some codes have a meaning of their own: a shell says 126 for a file that cannot be executed, 127 for a command that is not in the image, and 128 and more for a child that a signal ended."
        }
        Reason::Signal => {
            "A signal that windlass did not send ended the program; the message has its number. 11 (SEGV) and 6 (ABRT) are bugs of the program; 9 (KILL) without a memory limit came from somebody on the machine."
        }
        Reason::OutOfMemory => {
            "The program wanted more memory than its limit, and the kernel ended it. The message has the limit and the peak. Give the step more with `resources: { memory: … }`, or let it do less at once."
        }
        Reason::CouldNotStart => {
            "The program was never executed: it is not in the image, is no executable file, is for another processor, or the directory or user it was to start with is not there. The message says which. With `run` it is the shell that has to be in the image."
        }
        Reason::ImageNotFound => {
            "The registry or the engine says that there is no image of this name and tag. Look for a misspelling; a private image that nobody is logged in for looks the same to many registries. An image that comes with the source (`./PATH`) is damaged, or is none that can be used; the message says what is wrong with it."
        }
        Reason::ImageRefused => {
            "The registry refuses to hand the image out, or the policy refuses to run it. For the first log in with `docker login`; for the second the message names the rule."
        }
        Reason::ImageWrongPlatform => {
            "There is an image of this name, but none for the platform of this machine. Use an image that is built for it."
        }
        Reason::ServiceFailed => {
            "A service that the step depends on ended early or did not become ready in time. Its last lines stand under the step."
        }
        Reason::OutputInvalid => {
            "What the step wrote to `$WINDLASS_OUTPUT` and what it declares under `outputs` differ, or a value is too long."
        }
        Reason::ConditionError => {
            "A condition could not be evaluated: an unknown name, or values of types that cannot be compared. It is never taken for false."
        }
        Reason::Timeout => {
            "The attempt ran longer than the step's `timeout`, or what the step waited for (`wait_for`) did not come in time and no attempt was made. A program was asked to end by TERM and, after the grace of 10 s, ended by KILL. Give it more time, or find what it waits for: the last lines of its log stand under the step."
        }
        Reason::ImagePullFailed => {
            "The image could not be fetched, though it may exist: the registry does not answer, or the connection broke. Nothing is wrong with the pipeline; run it again, or let `retry: 2` do so."
        }
        Reason::DaemonLost => {
            "The container engine went away or did not answer while the step ran, so nobody knows how the step would have ended. Look at the engine's own log; run it again, or let `retry: 2` do so."
        }
        Reason::NodeLost => {
            "The machine that the step ran on went away. Run it again, or let `retry: 2` do so."
        }
        Reason::Evicted => {
            "The machine that the step ran on needed its memory or disk for others and ended it. Ask for what the step needs with `resources`, so that it is put where there is room."
        }
        Reason::Preempted => {
            "Something more important took the place of the step. Run it again, or let `retry: 2` do so."
        }
        Reason::Deleted => {
            "Somebody or something other than windlass removed or ended the container: a person, a clean-up job, another tool."
        }
        Reason::Unschedulable => {
            "No machine has room for what the step asks for. Ask for less with `resources`, or wait until there is room."
        }
        Reason::Quota => "A quota forbids what the step asks for. The message has the quota.",
        Reason::RunnerLost => {
            "windlass itself was killed, lost its connection to the container for too long, or broke while the step ran. After `kill -9`, containers end by themselves within 30 s, and `windlass clean` removes what is left."
        }
        Reason::CancelledByUser => {
            "Somebody pressed Ctrl-C or sent TERM or HUP. The steps of `finally` ran all the same, unless it was asked for twice."
        }
        Reason::CancelledBySibling => {
            "Another step of the same stage failed, and there was no point in going on. Look at that one first. `fail_fast: false` lets the others go on."
        }
        Reason::RunTimeout => {
            "The whole run took longer than the pipeline's `timeout`, 6 hours unless it says otherwise."
        }
        Reason::Superseded => "A newer run for the same branch took the place of this one.",
        Reason::ConditionFalse => {
            "The step was not wanted: its own condition is false, it runs after a failure and there was none, or its matrix has no instance left."
        }
        Reason::DependencyFailed => {
            "Something that the step waits for failed, was lost, was cancelled, or was skipped for such a reason. Look at that one first."
        }
        Reason::NotSelected => "The command line selected other steps.",
        Reason::GateDeclined => "Nobody approved the step's gate.",
        Reason::ToolNotAvailable => "A tool that the step needs is not on this machine.",
    }
}

/// Says which outcome a reason has and what `retry` covers it.
pub fn covered_by(reason: Reason) -> String {
    let outcome = reason.outcome();
    match reason.retry_class() {
        RetryClass::Failure => {
            format!("{outcome}; tried again by `retry` for `failure`, or for its exit code")
        }
        RetryClass::Timeout => format!("{outcome}; tried again by `retry` for `timeout`"),
        RetryClass::Infrastructure => format!("{outcome}; tried again by `retry` for `infrastructure`"),
        RetryClass::Never => format!("{outcome}; never tried again"),
    }
}

/// Writes the page of all reasons.
pub fn page() -> String {
    let mut page = String::from(
        "# Reasons\n\n\
         Why a step, stage or run did not simply pass: one closed list, the same word on every backend,\n\
         in the events and on the screen. `windlass explain WORD` prints one of them.\n\
         This page is written from `src/report/reasons.rs`: `UPDATE=1 cargo test --lib report::reasons`.\n",
    );
    for reason in Reason::ALL {
        // Writing into a string cannot fail.
        let _ = write!(page, "\n## `{reason}`\n\n*{}*\n\n{}\n", covered_by(*reason), explanation(*reason));
    }
    page
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::{env, fs};

    use super::*;

    #[test]
    fn the_page_of_reasons_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reasons.md");
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, page()).expect("the page can be written");
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), page(), "UPDATE=1 writes it");
    }
}
