//! Standard output and standard error as the commands write to them.
//!
//! Nothing here fails or ends a run: who reads may go away at any time.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Condvar, Mutex, PoisonError};

use rustix::io::Errno;

use super::exit::Exit;

/// Writes the one thing that a command was asked for to standard output.
pub(super) fn data(text: &str) -> Exit {
    let mut out = io::stdout().lock();
    printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// The exit code after writing to standard output. A reader that has seen enough is no error.
pub(super) fn printed(result: io::Result<()>) -> Exit {
    match result {
        Err(failed) if failed.kind() != ErrorKind::BrokenPipe => {
            error(&format!("cannot write to standard output: {failed}"), None);
            Exit::OutputFailed
        }
        _ => Exit::Passed,
    }
}

/// A stream of this process, for a reader of a run.
pub(super) fn stream(to: impl Write + IsTerminal + Send + 'static) -> Box<dyn Write + Send> {
    if to.is_terminal() { Box::new(Terminal(to)) } else { Box::new(to) }
}

/// Whether somebody is being asked something, whose answer nothing may be written into.
static ASKING: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// The terminal, for a question; what readers of a run write waits until it is dropped.
pub(super) struct Screen(());

impl Screen {
    /// Waits until what is being written is written, and until nobody else asks.
    pub(super) fn take() -> Self {
        let asking = ASKING.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut asking =
            ASKING.1.wait_while(asking, |asking| *asking).unwrap_or_else(PoisonError::into_inner);
        *asking = true;
        Self(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        *ASKING.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
        ASKING.1.notify_all();
    }
}

/// A terminal; one that was closed is no more of a failure than a pipe that was.
struct Terminal<W>(W);

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let asking = ASKING.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _free = ASKING.1.wait_while(asking, |asking| *asking).unwrap_or_else(PoisonError::into_inner);
        self.0.write(bytes).map_err(closed)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(closed)
    }
}

fn closed(error: io::Error) -> io::Error {
    if Errno::from_io_error(&error) == Some(Errno::IO) { ErrorKind::BrokenPipe.into() } else { error }
}

/// Writes a question to standard error, and leaves the cursor behind it.
pub(super) fn question(text: &str) {
    drop(write!(io::stderr().lock(), "{}", visible(text)));
}

/// Writes a line to standard error.
pub(super) fn note(line: impl Display) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Writes what went wrong, then what to do about it.
pub(super) fn error(message: &str, help: Option<&str>) {
    problem("error", "31", message, help);
}

/// Writes what the user should know, then what to do about it.
pub(super) fn warning(message: &str, help: Option<&str>) {
    problem("warning", "33", message, help);
}

fn problem(word: &str, color: &str, message: &str, help: Option<&str>) {
    let (on, off) =
        if colors(&io::stderr()) { (format!("\x1b[1;{color}m"), "\x1b[0m") } else { Default::default() };
    note(format_args!("{on}{word}:{off} {}", visible(message)));
    for line in help.into_iter().flat_map(str::lines) {
        note(format_args!("help: {}", visible(line)));
    }
}

/// Whether this stream may carry colours.
pub(super) fn colors(stream: &impl IsTerminal) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The text without anything that a terminal would obey; lines stay lines.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\n' && character != '\t' {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_controls_in_messages_are_shown_and_not_obeyed() {
        assert_eq!(visible("a\x1b]0;title\x07\nb\tc é"), "a\\u{1b}]0;title\\u{7}\nb\tc é");
    }
}
