//! Dispatches GitHub events, read as JSON lines or made up, and says what became of them.
#![allow(clippy::print_stderr, reason = "a command-line program talks to people on standard error")]

mod job;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match job::run(&job::Args::parse()) {
        Ok(ended) => ended.exit_code(),
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}
