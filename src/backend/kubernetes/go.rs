//! What the helper in a pod is told.

use super::manifest::{self, Common};
use crate::backend::{ContainerSpec, Hosts, ProgramSpec, StartError, helped};
use crate::base::Reason;
use crate::helper::protocol::Go;

/// What a helper is told once names are known.
pub(super) type Telling = Box<dyn Fn(&Hosts) -> Go + Send + Sync>;

/// How long a gate may take to write a file, in milliseconds.
const OPENING: u64 = 60_000;
/// Bytes of its words that are kept when it cannot.
const WORDS: u64 = 4 << 10;

/// Whether it is a service that runs the program which its image names, which is not the helper's to start.
pub(super) fn is_own(spec: &ContainerSpec) -> bool {
    spec.service.is_some() && matches!(spec.program, ProgramSpec::Entrypoint { .. })
}

/// What the helper is told, but for names.
///
/// # Errors
/// When it is what only the image knows: a cluster says nothing of what is in one.
pub(super) fn go(common: &Common, spec: &ContainerSpec) -> Result<Go, StartError> {
    let Some(program) = helped::program(&spec.program) else {
        let what = "a cluster does not say what the image's own entry point is";
        return Err(refused(spec, what, "name the program: `command: [PROGRAM, …]` or `run:`"));
    };
    // What the image says stands in the environment that the helper begins with.
    Ok(Go { inherit: true, ..helped::go(spec, program, common.gid) })
}

/// The same, with names.
pub(super) fn program(go: Go) -> Telling {
    Box::new(move |hosts| {
        let hosts = hosts.iter().map(|(name, address)| (name.clone(), address.to_string())).collect();
        Go { hosts, ..go.clone() }
    })
}

/// What a gate is told: its program writes the names for another container and ends.
pub(super) fn gate() -> Telling {
    Box::new(|hosts| {
        let named = hosts.iter().flat_map(|(name, address)| [address.to_string(), name.clone()]);
        let argv = [manifest::boot(), "names".to_owned(), manifest::names_file()].into_iter().chain(named);
        Go { argv: argv.collect(), timeout_ms: OPENING, log_limit: WORDS, ..beside() }
    })
}

/// What a program is told that runs where the image's own does: nothing but what is there.
pub(super) fn beside() -> Go {
    Go { inherit: true, umask: 0o002, ..Go::default() }
}

/// A container that cannot be had here.
pub(super) fn refused(spec: &ContainerSpec, what: &str, help: &str) -> StartError {
    let message = format!("`{}` cannot run on Kubernetes: {what}; {help}", spec.label());
    StartError { reason: Reason::CouldNotStart, message }
}
