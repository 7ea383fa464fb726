use actix::prelude::*;
use tokio::runtime::Builder;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// Runs a test in a system of its own, on one thread, in virtual time: it jumps to the next timer whenever
/// everything waits.
///
/// # Panics
/// If there is no runtime to be had.
pub fn paused<F: Future>(test: F) -> F::Output {
    keep_callsites_open();
    let runtime = || {
        Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime can be built")
    };
    System::with_tokio_rt(runtime).block_on(test)
}

/// Runs a test in a system of its own, on one thread, in real time.
pub fn in_real_time<F: Future>(test: F) -> F::Output {
    keep_callsites_open();
    System::new().block_on(test)
}

/// Installs a subscriber that wants nothing, for all threads.
///
/// A line of log that is reached for the first time while another thread brings a subscriber along may be taken for one
/// that nobody will ever want. With somebody who may want it at any time, it is asked for each time.
fn keep_callsites_open() {
    // Whoever comes second finds it installed.
    let _ = tracing::subscriber::set_global_default(Undecided);
}

struct Undecided;

impl Subscriber for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
