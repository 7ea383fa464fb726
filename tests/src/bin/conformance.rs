//! Runs conformance cases: `conformance FILE.jsonl [FILE...]`.
//!
//! Prints a line for each case that differs, then a summary. Exits with 1 if a case failed, a kind is unknown or a
//! line is not a case, with 2 if it was called wrongly.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use dispatch_tests::conformance::{Report, run_files};

fn main() -> ExitCode {
    let files: Vec<_> = env::args_os().skip(1).collect();
    if files.is_empty() {
        // Whoever reads standard error may be gone; there is nothing else to tell.
        let _ = writeln!(io::stderr(), "usage: conformance FILE.jsonl [FILE...]");
        return ExitCode::from(2);
    }
    // Cases let dispatchers panic on purpose; what became of it is in their results.
    std::panic::set_hook(Box::new(|_| {}));
    let mut report = Report::new(io::stdout().lock());
    match run_files(&files, &mut report).and_then(|()| report.finish()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "conformance: {error}");
            ExitCode::FAILURE
        }
    }
}
