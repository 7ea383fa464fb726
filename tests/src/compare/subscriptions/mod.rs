//! The bus beside the channels of tokio, the raw file and JetStream.

mod append;
mod durable;
mod idle;
mod jetstream;
mod memory;
mod meter;
mod reopen;
mod tokio_peer;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use reopen::reopen;

use super::cli::Options;
use super::measure::Effort;
use super::report::Report;

pub(crate) fn run(options: &Options) {
    let (report, effort) = (Report::new(options.json), Effort::of(options));
    memory::run(options, effort, &report);
    append::run(options, &report);
    durable::run(options, &report);
    reopen::run(options, &report);
    idle::run(options, &report);
}

/// Runs our side of a bench in memory alone.
pub(crate) fn profile(bench: &str, operations: u64) -> ExitCode {
    let Some(bench) = memory::BENCHES.iter().find(|known| known.name == bench) else {
        let names: Vec<&str> = memory::BENCHES.iter().map(|known| known.name).collect();
        eprintln!("error: there is no bench '{bench}' to profile: what exists is {}", names.join(", "));
        return ExitCode::from(2);
    };
    bench.ours().run(operations);
    ExitCode::SUCCESS
}

/// A folder on a disk, removed when it is dropped. `TMPDIR` says where.
fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("dispatch-compare-").tempdir().expect("a folder can be made")
}

/// Where a log goes in such a folder.
fn log_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("log")
}
