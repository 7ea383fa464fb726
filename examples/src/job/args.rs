use std::path::PathBuf;

use clap::Parser;
use dispatch_examples::github::Source;

/// Dispatches GitHub events to actors, functions and threads, and says what became of them.
#[derive(Debug, Parser)]
#[command(name = "dispatch-examples", version, after_long_help = include_str!("figures.txt"))]
pub(crate) struct Args {
    /// Read events as JSON lines from a file, or from standard input for '-'.
    ///
    /// A line is {"event": …, "action": …, "delivery": …, "payload": …}; only "event" is needed. Lines that
    /// cannot be read are counted and named, and the run goes on. Without --input a workload is made up.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,

    /// How many events to read or to make up [default: all of the input, or 10000 made up]
    #[arg(long, value_name = "N")]
    pub(crate) events: Option<u64>,

    /// Seed of the workload that is made up; the same seed gives the same figures.
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,

    /// Print one JSON object at the end instead of the summary.
    #[arg(long)]
    pub(crate) json: bool,

    /// Write the result of every dispatch to a file as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Longest line of the input in bytes; a longer one is unreadable.
    #[arg(long, value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub(crate) max_line: usize,
}

impl Args {
    /// Which events are wanted.
    pub(crate) fn source(&self) -> Source {
        Source {
            input: self.input.clone(),
            events: self.events,
            made_up: 10_000,
            seed: self.seed,
            max_line: self.max_line,
        }
    }
}
