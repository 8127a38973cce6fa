//! Ctrl-Z and `fg`: this process stops, the steps run on, and both are said.
//!
//! Nobody else is told: time limits of ours pause by themselves ([`awake`](crate::base::awake)), and
//! those of steps are kept by their containers.

use std::fs;
use std::io;

use rustix::process::{Pid, Signal, getpgid, getpgrp, getpid, getppid, getsid, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::output;
use super::signal::ignored;

/// Listens from now on.
///
/// # Errors
/// When the system has no place for another handler.
pub(super) fn listen() -> io::Result<()> {
    let [stop, go_on] = [Signal::TSTP, Signal::CONT].map(|signal| SignalKind::from_raw(signal.as_raw()));
    if ignored(stop) {
        return Ok(());
    }
    let (mut stop, mut go_on) = (signal(stop)?, signal(go_on)?);
    drop(tokio::spawn(async move {
        loop {
            tokio::select! { biased;
                Some(()) = go_on.recv() => output::note("going on; steps ran on meanwhile"),
                Some(()) = stop.recv() => suspend(),
                else => return,
            }
        }
    }));
    Ok(())
}

/// Stops this process, unless nobody could ever continue it: the system does not stop such a one for
/// Ctrl-Z either.
fn suspend() {
    if has_a_shell() {
        output::note("suspended; steps run on, and so do their time limits");
        // What cannot be done was not meant to be.
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

/// Whether there is a parent that does job control: of the same session, in another process group.
fn has_a_shell() -> bool {
    let (group, session) = (getpgrp(), getsid(None));
    let mut parent = getppid();
    while let Some(above) = parent {
        if session.is_err() || getsid(Some(above)) != session {
            return false;
        }
        if getpgid(Some(above)).is_ok_and(|other| other != group) {
            return true;
        }
        parent = parent_of(above);
    }
    false
}

fn parent_of(process: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Pid::from_raw(parent.trim().parse().ok()?)
}
