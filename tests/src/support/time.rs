use actix::prelude::*;
use tokio::runtime::Builder;

/// Runs a test in a system of its own, on one thread, in virtual time: it jumps to the next timer whenever
/// everything waits.
///
/// # Panics
/// If there is no runtime to be had.
pub fn paused<F: Future>(test: F) -> F::Output {
    let runtime = || {
        Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime can be built")
    };
    System::with_tokio_rt(runtime).block_on(test)
}

/// Runs a test in a system of its own, on one thread, in real time.
pub fn in_real_time<F: Future>(test: F) -> F::Output {
    System::new().block_on(test)
}
