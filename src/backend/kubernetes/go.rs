//! From our words to the helper's and back: what it is told, and what its end means.

use std::time::Duration;

use super::manifest::{Common, WORKSPACE};
use crate::backend::{ContainerSpec, Ended, How, ProgramSpec, SecretPlace, StartError};
use crate::base::{Reason, hex};
use crate::event::Usage;
use crate::helper::protocol::{Cause, EndRecord, Go, Hidden, OUTPUT};
use crate::plan::Resources;

/// What the helper is told.
///
/// # Errors
/// When it is what only the image knows: a cluster says nothing of what is in one.
pub(super) fn go(common: &Common, spec: &ContainerSpec) -> Result<Go, StartError> {
    let (argv, script) = match &spec.program {
        ProgramSpec::Script { interpreter, body, args } => {
            let position = u32::try_from(interpreter.len()).unwrap_or(u32::MAX);
            let argv = interpreter.iter().chain(args).cloned().collect();
            (argv, Some((position, body.clone().into_bytes())))
        }
        ProgramSpec::Command(argv) => (argv.clone(), None),
        ProgramSpec::Entrypoint { .. } => {
            let what = "a cluster does not say what the image's own entry point is";
            return Err(refused(spec, what, "name the program: `command: [PROGRAM, …]` or `run:`"));
        }
    };
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let own = spec.env.iter().map(|(name, value)| (name.clone(), value.clone()));
    let output = ("WINDLASS_OUTPUT".to_owned(), OUTPUT.to_owned());
    let (mut secrets, mut secret_files) = (Vec::new(), Vec::new());
    for secret in &spec.secrets {
        let value = Hidden(secret.value.expose().to_vec());
        match &secret.place {
            SecretPlace::Variable(name) => secrets.push((name.clone(), value)),
            SecretPlace::File(path) => secret_files.push((path.clone(), value)),
        }
    }
    let in_workspace = || if spec.workspace { WORKSPACE.to_owned() } else { String::new() };
    Ok(Go {
        argv,
        script,
        env: std::iter::once(output).chain(own).collect(),
        secrets,
        secret_files,
        user: spec.user.clone().unwrap_or_default(),
        group: spec.workspace.then_some(common.gid),
        workdir: spec.workdir.clone().unwrap_or_else(in_workspace),
        umask: 0o002,
        timeout_ms: millis(spec.timeout),
        grace_ms: millis(spec.grace),
        log_limit: spec.log_limit,
        inherit: true,
        ..Go::default()
    })
}

/// A container that cannot be had here.
pub(super) fn refused(spec: &ContainerSpec, what: &str, help: &str) -> StartError {
    let message = format!("`{}` cannot run on Kubernetes: {what}; {help}", spec.label());
    StartError { reason: Reason::CouldNotStart, message }
}

/// What the helper said of the end.
pub(super) fn ended(record: EndRecord, resources: &Resources) -> Ended {
    let mut message = (!record.message.is_empty()).then(|| record.message.clone());
    let killed_for_memory = record.oom_kills > 0;
    let how = match record.cause {
        Cause::CouldNotStart => How::CouldNotStart,
        Cause::TimedOut => How::TimedOut,
        Cause::Stopped => How::Stopped,
        Cause::Orphaned => How::Lost(Reason::RunnerLost),
        // A shell passes the end of its child on as 128 + 9.
        Cause::Exited(137) | Cause::Signalled(9) if killed_for_memory => How::OutOfMemory,
        Cause::Exited(code) => How::Exited(code),
        Cause::Signalled(signal) => How::Signalled(signal),
    };
    if killed_for_memory {
        let limit = limit(resources);
        let peak = record.peak_memory >> 20;
        message = Some(match how {
            How::OutOfMemory => format!("the kernel ended it: memory limit {limit}, peak {peak}Mi"),
            _ => format!(
                "the kernel killed {} of its processes for want of memory: limit {limit}, peak {peak}Mi",
                record.oom_kills
            ),
        });
    }
    let usage = Usage {
        peak_memory: record.peak_memory,
        cpu_ms: record.cpu_ms,
        log_bytes: record.log_bytes,
        log_sha256: hex(&record.log_sha256),
        dropped_bytes: record.dropped_bytes,
        dropped_lines: record.dropped_lines,
        leaky: record.leaky,
        oom_kills: record.oom_kills,
    };
    Ended { how, message, usage: Some(usage), output: record.outputs }
}

/// The memory limit in words.
pub(super) fn limit(resources: &Resources) -> String {
    resources.memory.map_or("none".to_owned(), |memory| memory.to_string())
}

/// An end without a record.
pub(super) fn plain(how: How, message: Option<String>) -> Ended {
    Ended { how, message, usage: None, output: Vec::new() }
}
