//! Sources from servers and from people who mean no good: https and ssh against real servers of the
//! tests' own on this machine, and a zoo of hostile repositories.

mod https;
mod place;
mod servers;
mod ssh;
mod zoo;

#[path = "../lib/executable.rs"]
mod executable;
