//! The `windlass` program: collects the arguments and hands them to [`windlass::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    windlass::cli::main(std::env::args_os())
}
