//! Gates that are answered on the terminal: one question at a time, and nothing else on the screen while it is
//! open.
//!
//! A question that the run takes back, after Ctrl-C as well, is gone at once: nothing here blocks.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rustix::fs::OFlags;
use rustix::process::getpgrp;
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Mutex;

use super::output::{self, Screen};
use crate::engine::{Answer, Gate, Gates, Nobody};

/// An answer that is longer is no yes.
const LONGEST: usize = 4096;

/// The terminal that this process was started from.
#[derive(Default)]
pub(super) struct Terminal {
    turn: Mutex<()>,
}

/// A question on the screen.
struct Question {
    answered: bool,
    _screen: Screen,
}

impl Terminal {
    /// The terminal; none when nobody sits there.
    pub(super) fn there() -> Option<Arc<dyn Gates>> {
        let there = io::stdin().is_terminal() && io::stderr().is_terminal();
        there.then(|| Arc::new(Self::default()) as Arc<dyn Gates>)
    }
}

impl Gates for Terminal {
    fn ask(&self, gate: Gate) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let Some(mut input) = input() else { return Nobody.ask(gate).await };
            // Whoever writes may be held up by the terminal itself.
            let Ok(screen) = tokio::task::spawn_blocking(Screen::take).await else {
                return Answer::Declined("the terminal could not be had".to_owned());
            };
            // What was typed before the question is no answer to it.
            let _ = tcflush(&input, QueueSelector::IFlush);
            output::question(&format!("{}: {} [y/N] ", gate.name, gate.question.trim()));
            let mut open = Question { answered: false, _screen: screen };
            let line = line(&mut input).await;
            open.answered = matches!(&line, Ok(line) if line.ends_with('\n'));
            match line {
                Ok(line) if is_yes(&line) => Answer::Opened("on the terminal".to_owned()),
                Ok(_) => Answer::Declined("declined on the terminal".to_owned()),
                Err(error) => Answer::Declined(format!("the terminal could not be read: {error}")),
            }
        })
    }
}

/// What is typed on the terminal; none where this process is in its background.
fn input() -> Option<Receiver> {
    // One of our own: what is set for it is not set for whoever shares standard input with us.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open("/dev/tty").ok()?;
    tcgetpgrp(&file).is_ok_and(|group| group == getpgrp()).then_some(())?;
    // Ready as a pipe is ready; there is no other safe way to wait for one without a thread.
    Receiver::from_owned_fd_unchecked(file.into()).ok()
}

/// Reads a line; what came before its end, when there was none.
async fn line(input: &mut Receiver) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < LONGEST && input.read_buf(&mut line).await? > 0 {}
    Ok(String::from_utf8_lossy(&line).into_owned())
}

impl Drop for Question {
    fn drop(&mut self) {
        // The cursor still stands behind the question.
        if !self.answered {
            output::note("");
        }
    }
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        assert!(["y\n", "Y\n", "yes\r\n", " Yes \n"].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "yeah\n", "yn\n", "\u{1b}[Ay\n"].into_iter().any(is_yes));
    }
}
