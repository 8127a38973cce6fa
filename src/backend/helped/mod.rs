//! What backends have in common whose containers have the helper as PID 1: what it is told, and what its last word means.
//!
//! It speaks to no engine and no cluster.

pub(super) mod arrival;
pub(super) mod keeper;
pub(super) mod layer;

use std::time::Duration;

use super::{ContainerSpec, Ended, How, ProgramSpec, SecretPlace};
use crate::base::{Reason, hex};
use crate::event::Usage;
use crate::helper::protocol::{Cause, EndRecord, Go, Hidden, OUTPUT};
use crate::plan::Resources;

/// Where the workspace is in a container.
pub(super) const WORKSPACE: &str = "/workspace";

/// A program as the helper takes it: its words, and the script that is to be put among them.
pub(super) type Told = (Vec<String>, Option<(u32, Vec<u8>)>);

/// The program of a container; none when it is the image's own.
pub(super) fn program(program: &ProgramSpec) -> Option<Told> {
    match program {
        ProgramSpec::Script { interpreter, body, args } => {
            let position = u32::try_from(interpreter.len()).unwrap_or(u32::MAX);
            let argv = interpreter.iter().chain(args).cloned().collect();
            Some((argv, Some((position, body.clone().into_bytes()))))
        }
        ProgramSpec::Command(argv) => Some((argv.clone(), None)),
        ProgramSpec::Entrypoint { .. } => None,
    }
}

/// What the helper is told whatever the image is, but for the names of services, which are known when it may go.
pub(super) fn go(spec: &ContainerSpec, (argv, script): Told, gid: u32) -> Go {
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
    Go {
        argv,
        script,
        // The later of two wins.
        env: std::iter::once(output).chain(own).collect(),
        secrets,
        secret_files,
        user: spec.user.clone().unwrap_or_default(),
        group: spec.workspace.then_some(gid),
        workdir: spec.workdir.clone().unwrap_or_else(in_workspace),
        umask: 0o002,
        timeout_ms: millis(spec.timeout),
        grace_ms: millis(spec.grace),
        log_limit: spec.log_limit,
        ..Go::default()
    }
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

/// An end of which the helper said nothing, for want of memory.
pub(super) fn out_of_memory(resources: &Resources) -> Ended {
    let message = format!("the kernel ended the container: memory limit {}", limit(resources));
    plain(How::OutOfMemory, Some(message))
}

/// An end without a record.
pub(super) fn plain(how: How, message: Option<String>) -> Ended {
    Ended { how, message, usage: None, output: Vec::new() }
}

fn limit(resources: &Resources) -> String {
    resources.memory.map_or("none".to_owned(), |memory| memory.to_string())
}
