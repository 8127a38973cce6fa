//! The helper: our own static program, PID 1 of every step and service, and the protocol it speaks.
//!
//! `main.rs` here is the program; `build.rs` compiles it by itself, with nothing but `std`, and the
//! binary carries it. Only the protocol is shared with the rest.

pub mod protocol;
#[cfg(test)]
mod tests;

/// The helper's executable, statically linked for this machine.
pub static EXECUTABLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/windlass-helper"));

/// What puts the executable together where it comes in parts.
pub static BOOT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/windlass-helper-boot"));

/// Where backends put the executable in a container.
pub const PATH: &str = "/windlass-helper";

/// A directory in memory that a container has for the helper's files: script, outputs, secrets.
pub const DIRECTORY: &str = "/windlass";
