//! Deliveries beside the bare adapter, and beside themselves without what is measured.

mod batch;
mod one_dead;
mod stack;
mod webhook;

pub(crate) use webhook::receive;

use tokio::runtime::{Builder, Runtime};

use super::cli::Options;
use super::measure::Effort;
use super::report::Report;

pub(crate) fn run(options: &Options) {
    let (report, effort) = (Report::new(options.json), Effort::of(options));
    stack::run(options, effort, &report);
    webhook::run(options, &report);
    one_dead::run(options, &report);
    batch::run(options, &report);
}

/// A runtime of one thread, as actix has them.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be built")
}
