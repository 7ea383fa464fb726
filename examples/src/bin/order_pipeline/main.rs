//! An order pipeline that is killed again and again, and loses nothing.
//!
//! ```text
//!   this program ──starts──► itself as a child: publisher ──► bus on a log in a folder ──┬──► billing    exclusive
//!        ▲    └────SIGKILL────►                                                          ├──► workers    shared
//!        └──── what was published and handled, line by line ◄────────────────────────────┴──► customers  key-shared
//! ```
//!
//! Every GitHub event is an order; its repository is the customer. The child says what it does on its standard output.
//! The parent writes that down, kills the child in the middle of it, starts it again, and checks at the end that every
//! order whose publishing was acknowledged has been handled by each of the three, in the order that was promised.
#![allow(clippy::print_stderr, reason = "a command-line program talks to people on standard error")]

mod child;
mod live;
mod parent;
mod report;
mod said;
mod summary;
mod tally;

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use dispatch_examples::github::{self, Entry, Input, InputError, Source};
use dispatch_examples::show::Paint;

use report::Report;

/// Kills an order pipeline again and again, and shows that nothing is lost.
#[derive(Parser)]
struct Args {
    /// Read events as JSON lines from a file; made up without it.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,

    /// How many events to read or to make up [default: all of the input, or 5000 made up]
    #[arg(long, value_name = "N")]
    events: Option<u64>,

    /// Seed of the events that are made up.
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,

    /// How often the pipeline is killed.
    #[arg(long, value_name = "N", default_value_t = 4)]
    kills: u64,

    /// A folder for the log, which must be empty; a temporary one without it.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Print one JSON object at the end instead of the summary.
    #[arg(long)]
    json: bool,

    /// Be the pipeline, and begin to publish with this event.
    #[arg(long, hide = true, value_name = "N", requires = "dir")]
    work_from: Option<u64>,
}

impl Args {
    fn open(&self) -> Result<Input, InputError> {
        github::open(&Source {
            input: self.input.clone(),
            events: self.events,
            made_up: 5_000,
            seed: self.seed,
            max_line: 16 * 1024 * 1024,
        })
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match (args.work_from, &args.dir) {
        (Some(from), Some(folder)) => {
            actix::System::new().block_on(child::run(&args, folder, from)).map(|()| true)
        }
        _ => supervise(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs and kills the pipeline, prints the report and says whether it adds up.
fn supervise(args: &Args) -> Result<bool, Box<dyn Error>> {
    let begun = Instant::now();
    let (events, unreadable) = count(args)?;
    let temporary = if args.dir.is_none() { Some(tempfile::tempdir()?) } else { None };
    let folder = match (&args.dir, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().join("log"),
        (None, None) => return Err("there is no folder".into()),
    };
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("'{}' is not empty: give an empty folder", folder.display()).into());
    }
    let (tally, runs) = parent::run(args, &folder, events)?;
    let left = actix::System::new().block_on(parent::look(&folder))?;
    let report = Report::new(events, unreadable, &runs, &tally, &left, begun.elapsed());
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        summary::write(&report, Paint::for_output(out.is_terminal()), &mut out)?;
    }
    Ok(report.problems.is_empty())
}

/// How many events there are, and how many lines are none.
fn count(args: &Args) -> Result<(u64, u64), Box<dyn Error>> {
    if args.input.as_ref().is_some_and(|input| input.as_os_str() == "-") {
        return Err("the input is read again after every kill: give a file".into());
    }
    let (mut events, mut unreadable) = (0, 0);
    let mut input = args.open()?;
    while let Some(batch) = input.batches.blocking_recv() {
        for entry in batch?.entries {
            match entry {
                Entry::Event { .. } => events += 1,
                Entry::Unreadable { line, reason } => {
                    eprintln!("line {line}: {reason}");
                    unreadable += 1;
                }
            }
        }
    }
    Ok((events, unreadable))
}
