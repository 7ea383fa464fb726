use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures the library beside others that do the same")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) section: Section,
}

#[derive(Subcommand)]
pub(crate) enum Section {
    /// Dispatching, matching, and the memory of dispatchers.
    Engine(Options),
    /// Delivering with policies around an adapter.
    Delivery(Options),
    /// Subscriptions in both guarantees, and the log in a folder.
    Subscriptions(Options),
    /// Background messages in a file, in PostgreSQL and in memory.
    Messenger(Options),
    /// Opens the log in a folder and says what that took; a part of a bench.
    #[command(hide = true)]
    Reopen {
        /// The folder.
        folder: PathBuf,
    },
    /// The server of a bench, in a process of its own; says where it listens.
    #[command(hide = true)]
    Receiver,
    /// Runs our side of one dispatch, subscription or messenger bench so many times and prints nothing: for callgrind and perf.
    Profile {
        /// Name of the bench, such as `dispatch.1.inflight256`.
        bench: String,
        /// How many operations.
        operations: u64,
    },
    #[command(external_subcommand)]
    Unknown(Vec<String>),
}

#[derive(Args)]
pub(crate) struct Options {
    /// One JSON object a line instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Only benches whose name begins like this.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) only: Option<String>,
    /// How often the contenders take turns.
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// Few and short rounds: rough figures.
    #[arg(long)]
    pub(crate) quick: bool,
    /// With what takes minutes: a log of 10,000,000 records.
    #[arg(long)]
    pub(crate) long: bool,
}

impl Options {
    pub(crate) fn wants(&self, bench: &str) -> bool {
        self.only.as_deref().is_none_or(|prefix| bench.starts_with(prefix))
    }
}
