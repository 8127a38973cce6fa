//! Runs a command that the user's settings name, for what it prints. The settings are the user's own, so it
//! is as trusted as a command that he types; nothing of a repository is in it.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::base::awake::timeout;

/// How long it may take; a person may have to touch a key.
const PATIENCE: Duration = Duration::from_mins(2);
/// Bytes that it may print.
const LIMIT: u64 = 1 << 20;

/// What it prints on standard output, without one end of a line.
///
/// # Errors
/// What it did instead, to be said after its name. Never what it printed.
pub(super) async fn output(command: &[String]) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = command else { return Err("is empty".to_owned()) };
    // Not in a repository, where a program of the same name may lie.
    let child = Command::new(program)
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| format!("cannot be started: {error}"))?;
    let run = async {
        let mut printed = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(LIMIT + 1).read_to_end(&mut printed).await?;
        }
        Ok::<_, std::io::Error>((printed, child.wait().await?))
    };
    let ended = timeout(PATIENCE, run).await.map_err(|_| "did not end within 2 minutes".to_owned())?;
    let (mut printed, status) = ended.map_err(|error| format!("cannot be read: {error}"))?;
    if printed.len() as u64 > LIMIT {
        return Err("printed more than 1Mi".to_owned());
    }
    if !status.success() {
        return Err(format!("failed ({status})"));
    }
    if printed.last() == Some(&b'\n') {
        printed.pop();
    }
    if printed.is_empty() { Err("printed nothing".to_owned()) } else { Ok(printed) }
}
