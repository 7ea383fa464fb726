//! How operations follow one another.

use std::future::Future;

/// How operations follow one another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// One task, the next operation when the last one is done.
    Sequential,
    /// So many tasks at a time, each of them sequential.
    InFlight(u64),
    /// One task, so many operations in one call.
    Batches(u64),
}

/// How many operations each of the tasks does, the rest being spread over the first ones.
fn shares(operations: u64, tasks: u64) -> impl Iterator<Item = u64> {
    (0..tasks).map(move |task| operations / tasks + u64::from(task < operations % tasks))
}

/// Runs operations from tasks of the current `LocalSet`.
pub(crate) async fn local<F: Future<Output = ()>>(
    tasks: u64,
    operations: u64,
    operation: impl Fn() -> F + Clone + 'static,
) {
    let spawn = |share| {
        let operation = operation.clone();
        actix::spawn(async move {
            for _ in 0..share {
                operation().await;
            }
        })
    };
    let handles: Vec<_> = shares(operations, tasks).map(spawn).collect();
    for handle in handles {
        handle.await.expect("no operation panics");
    }
}

/// Runs operations from tasks of the current tokio runtime.
pub(crate) async fn shared<F: Future<Output = ()> + Send>(
    tasks: u64,
    operations: u64,
    operation: impl Fn() -> F + Clone + Send + Sync + 'static,
) {
    let spawn = |share| {
        let operation = operation.clone();
        tokio::spawn(async move {
            for _ in 0..share {
                operation().await;
            }
        })
    };
    let handles: Vec<_> = shares(operations, tasks).map(spawn).collect();
    for handle in handles {
        handle.await.expect("no operation panics");
    }
}

/// A runtime of one thread for a peer that needs nothing else.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}
