//! The command line: arguments, one file a command, the only printer, signals and exit codes.
//!
//! It decides nothing about a run; [`runner`](crate::runner) does.

mod args;
mod commands;
mod exit;
mod failure;
mod gates;
mod output;
mod panic;
mod secrets;
mod signal;
mod suspend;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use exit::Exit;

use crate::event::RunState;
use crate::runner::RunError;

/// The exit code of a run: how it ended, or why it did not begin; `interrupted` when its user asked for
/// the end by Ctrl-C.
pub fn exit_code(run: Result<&RunState, &RunError>, interrupted: bool) -> u8 {
    let signal = interrupted.then_some(Exit::Interrupt);
    let exit = match run {
        Ok(state) => Exit::of_run(state, signal, false),
        Err(error) => signal.or(error.class().map(Exit::of_class)).unwrap_or(Exit::StepFailed),
    };
    exit.code()
}

/// Runs the program and gives its exit code. Ends the process by the signal, after clean-up, where
/// a signal ended the run.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    panic::install();
    let args: Vec<OsString> = args.into_iter().collect();
    let exit = catch_unwind(AssertUnwindSafe(|| run(args))).unwrap_or(Exit::Bug);
    signal::end_by(exit);
    ExitCode::from(exit.code())
}

fn run(args: Vec<OsString>) -> Exit {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        // Help and version come this way too.
        Err(asked) => {
            let printed = asked.print();
            let wrong = asked.use_stderr();
            return if wrong { Exit::Usage } else { output::printed(printed) };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&format!("cannot start: {error}"), None);
            return Exit::Bug;
        }
    };
    let exit = runtime.block_on(async {
        match args.command {
            Command::Run(args) => commands::run::run(args).await,
            Command::Plan(args) => commands::plan::plan(args).await,
            Command::Check(args) => commands::check::check(args).await,
            Command::Vars(args) => commands::vars::vars(args).await,
            Command::Explain(args) => commands::explain::explain(&args),
            Command::Schema => commands::schema::schema(),
            Command::Clean(args) => commands::clean::clean(args).await,
        }
    });
    // A capture or a daemon that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    exit
}
