//! Prints the seconds of the durations it is given.

use std::process::ExitCode;

fn main() -> ExitCode {
    for text in std::env::args().skip(1) {
        match duration::seconds(&text) {
            Ok(seconds) => println!("{text}: {seconds}"),
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
