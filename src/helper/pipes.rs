//! What the program prints to: the two pipes, read in turns.

use std::io::PipeReader;
use std::os::fd::{AsRawFd, RawFd};

use super::output::{Output, Side};
use super::sys;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Our ends of the program's output, each until its end.
pub struct Pipes {
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    buffer: Vec<u8>,
}

impl Pipes {
    /// Those of a program; they are read without waiting.
    pub fn new(stdout: PipeReader, stderr: PipeReader) -> Self {
        Self { stdout: Some(stdout), stderr: Some(stderr), buffer: vec![0; PIECE] }
    }

    /// Whether somebody may still print.
    pub fn are_open(&self) -> bool {
        self.stdout.is_some() || self.stderr.is_some()
    }

    /// What to poll for more.
    pub fn fds(&self) -> impl Iterator<Item = RawFd> {
        self.stdout.iter().chain(&self.stderr).map(AsRawFd::as_raw_fd)
    }

    /// Passes on what is there: as long as there is room, or all of it whatever room there is.
    pub fn pass_on(&mut self, output: &mut Output, all: bool) {
        let mut pipes = [(&mut self.stdout, Side::Stdout), (&mut self.stderr, Side::Stderr)];
        let mut is_more = true;
        // Both have a turn before room is looked for again, so that a flood on one does not starve the other.
        while is_more && (all || output.has_room()) {
            is_more = false;
            for (pipe, side) in &mut pipes {
                let Some(open) = pipe.as_ref() else { continue };
                match sys::read_some(open.as_raw_fd(), &mut self.buffer) {
                    None => {}
                    Some([]) => **pipe = None,
                    Some(bytes) => {
                        output.take(bytes, *side);
                        is_more = true;
                    }
                }
            }
            if output.send().is_err() {
                return;
            }
        }
    }
}
