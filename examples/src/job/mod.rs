//! The job: read events, dispatch them, report.
//!
//! - Every event that was read is dispatched, refused or unreadable, and counted as exactly one of them.
//! - At most 256 events, and at most 32 MiB of input, are in flight; results are taken before events are read.

mod args;
mod error;
mod handlers;
mod latency;
mod progress;
mod report;
mod results;
mod run;
mod stop;
mod tally;

use std::io;
use std::process::ExitCode;

pub(crate) use args::Args;
use dispatch_examples::show::Paint;
use error::JobError;
use report::Report;
use stop::Signal;

/// How the job ended, if it did not fail.
pub(crate) enum Ended {
    Done,
    Stopped(Signal),
}

impl Ended {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::Stopped(Signal::Interrupt) => ExitCode::from(130),
            Self::Stopped(Signal::Terminate) => ExitCode::from(143),
        }
    }
}

/// Does the job and prints the report.
pub(crate) fn run(args: &Args) -> Result<Ended, JobError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(JobError::Runtime)?;
    let done = runtime.block_on(run::run(args))?;
    let mut out = io::stdout().lock();
    print(&done.report, args.json, &mut out).map_err(JobError::stdout)?;
    match (done.failed, done.stopped) {
        (Some(error), _) => Err(error),
        (None, Some(signal)) => Ok(Ended::Stopped(signal)),
        (None, None) => Ok(Ended::Done),
    }
}

fn print(report: &Report, json: bool, out: &mut io::StdoutLock<'static>) -> io::Result<()> {
    use std::io::{IsTerminal, Write};
    if json {
        serde_json::to_writer(&mut *out, report)?;
        writeln!(out)?;
    } else {
        report::summary::write(report, Paint::for_output(out.is_terminal()), out)?;
    }
    out.flush()
}
