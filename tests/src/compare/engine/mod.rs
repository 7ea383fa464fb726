//! The engine beside raw actix, kameo and ractor.

mod actix_peer;
mod dispatching;
mod kameo_peer;
pub(in crate::compare) mod load;
mod matching;
mod ours;
mod ractor_peer;
mod size;

use std::process::ExitCode;

use super::cli::Options;
use super::measure::Effort;
use super::report::Report;

pub(crate) fn run(options: &Options) {
    let (report, effort) = (Report::new(options.json), Effort::of(options));
    dispatching::run(options, effort, &report);
    matching::run(options, &report);
    size::run(options, &report);
}

/// Runs our side of a bench alone.
pub(crate) fn profile(bench: &str, operations: u64) -> ExitCode {
    let Some(bench) = dispatching::BENCHES.iter().find(|known| known.name == bench) else {
        let names: Vec<&str> = dispatching::BENCHES.iter().map(|known| known.name).collect();
        eprintln!("error: there is no bench '{bench}' to profile: what exists is {}", names.join(", "));
        return ExitCode::from(2);
    };
    bench.ours(&ours::system()).run(operations);
    ExitCode::SUCCESS
}
