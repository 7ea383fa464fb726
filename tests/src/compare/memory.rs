//! Allocations and live bytes of this thread.

use std::hint::black_box;

use alloc_tracker::{ReportOperation, Session};

/// Allocations, reallocations included, per operation.
pub(crate) fn allocations(operations: u64, work: impl FnOnce()) -> f64 {
    let session = session();
    let operation = session.operation("work");
    let span = operation.measure_thread().no_peak().iterations(operations);
    work();
    drop(span);
    figures(&session, ReportOperation::allocations)
}

/// What `make` made, and the bytes that are live because of it.
pub(crate) fn live_bytes<T>(make: impl FnOnce() -> T) -> (T, f64) {
    // The tracker tells the highest level only. So a block that nobody touches, larger than anything before it,
    // lifts the level that was reached above all others.
    const BALLAST: usize = 1 << 31;
    let session = session();
    let operation = session.operation("work");
    let span = operation.measure_thread().iterations(1);
    let made = make();
    drop(black_box(Vec::<u8>::with_capacity(BALLAST)));
    drop(span);
    (made, figures(&session, ReportOperation::peak_outstanding_bytes) - BALLAST as f64)
}

fn session() -> Session {
    Session::new().no_stdout().no_file()
}

fn figures(session: &Session, read: impl Fn(&ReportOperation) -> Option<f64>) -> f64 {
    session
        .to_report()
        .operations()
        .find_map(|(_, operation)| read(operation))
        .expect("one span was measured")
}
