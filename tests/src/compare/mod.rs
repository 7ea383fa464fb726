//! The comparison: sections, each with its benches, each bench with contenders that take turns.

mod cli;
mod delivery;
mod engine;
mod measure;
mod memory;
mod messenger;
mod report;
mod subscriptions;

use std::process::ExitCode;

use clap::Parser;

use self::cli::{Cli, Section};

pub(crate) fn main() -> ExitCode {
    match Cli::parse().section {
        Section::Engine(options) => engine::run(&options),
        Section::Delivery(options) => delivery::run(&options),
        Section::Subscriptions(options) => subscriptions::run(&options),
        Section::Messenger(options) => messenger::run(&options),
        Section::Reopen { folder } => subscriptions::reopen(&folder),
        Section::Receiver => delivery::receive(),
        Section::Profile { bench, operations } if bench.starts_with("subscription.") => {
            return subscriptions::profile(&bench, operations);
        }
        Section::Profile { bench, operations } if bench.starts_with("messenger.") => {
            return messenger::profile(&bench, operations);
        }
        Section::Profile { bench, operations } => return engine::profile(&bench, operations),
        Section::Unknown(words) => {
            let name = words.first().map_or("", String::as_str);
            eprintln!(
                "error: there is no section '{name}': what exists is 'engine', 'delivery', 'subscriptions', 'messenger' and 'profile'"
            );
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
