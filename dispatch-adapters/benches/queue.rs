//! The queue in a file, with payloads of 256 bytes: into it, and out of it again.
//!
//! The folder is made where temporary files are (`TMPDIR`): on a memory file system a flush costs nothing.

#![allow(clippy::expect_used, reason = "a bench that cannot start has no figure")]

use std::time::{Duration, Instant, SystemTime};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dispatch_adapters::model::log::SyncPolicy;
use dispatch_adapters::model::messenger::{DispatchOptions, Message, MessengerConfig, QueuedMessage};
use dispatch_adapters::model::queue::{Claim, MessageQueue, Settlement, Submission, WorkerId};
use dispatch_adapters::sqlite_queue::{SqliteQueue, SqliteQueueOptions};
use futures_util::future::join_all;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

const CALLERS: usize = 64;

fn planned() -> QueuedMessage {
    let routing = MessengerConfig::default().check().expect("the configuration is valid");
    let message = Message::new("SendMail", &json!({ "text": "x".repeat(256) })).expect("it is valid");
    let planned = routing.plan(&message, &DispatchOptions::default(), SystemTime::now(), Uuid::now_v7);
    planned.expect("it is valid").remove(0)
}

fn submission(planned: &QueuedMessage) -> Submission {
    let mut message = planned.clone();
    message.id = Uuid::now_v7();
    Submission::new(message)
}

fn open(runtime: &Runtime, sync: SyncPolicy) -> (TempDir, SqliteQueue) {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let options = SqliteQueueOptions::new(folder.path().join("queue.db")).with_sync(sync);
    let queue = runtime.block_on(SqliteQueue::open(options)).expect("the folder is new");
    (folder, queue)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime needs no more than this")
}

async fn put(queue: &SqliteQueue, planned: &QueuedMessage, count: usize) {
    let stored = queue.enqueue((0..count).map(|_| submission(planned)).collect()).await;
    assert!(stored.expect("it is open").iter().all(Result::is_ok), "there is room");
}

fn enqueue(criterion: &mut Criterion) {
    let (runtime, planned) = (runtime(), planned());
    for (name, sync) in [("always", SyncPolicy::Always), ("os", SyncPolicy::Os)] {
        let (_folder, queue) = open(&runtime, sync);
        let mut group = criterion.benchmark_group("enqueue");
        for size in [1usize, 100] {
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::new(name, format!("{size} a call")), |bencher| {
                bencher.iter(|| runtime.block_on(put(&queue, &planned, size)));
            });
        }
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new(name, format!("{CALLERS} callers")), |bencher| {
            bencher.iter_custom(|rounds| {
                let each = usize::try_from(rounds).unwrap_or(usize::MAX).div_ceil(CALLERS);
                let caller = |_| async {
                    for _ in 0..each {
                        put(&queue, &planned, 1).await;
                    }
                };
                let start = Instant::now();
                runtime.block_on(join_all((0..CALLERS).map(caller)));
                start.elapsed().mul_f64(rounds as f64 / (each * CALLERS) as f64)
            });
        });
        group.finish();
        runtime.block_on(queue.close()).expect("it is open");
    }
}

/// A claim and the word that all of it is done, of messages that were stored before.
fn work(criterion: &mut Criterion) {
    let (runtime, planned) = (runtime(), planned());
    let (_folder, queue) = open(&runtime, SyncPolicy::Always);
    let mut group = criterion.benchmark_group("claim and settle");
    for size in [1usize, 10, 100] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("always", format!("{size} a call")), |bencher| {
            let claim = Claim {
                worker: WorkerId::new("one"),
                queues: vec![planned.queue.clone()],
                max: size,
                lease: Duration::from_secs(60),
            };
            bencher.iter_custom(|rounds| {
                let stored = usize::try_from(rounds).unwrap_or(usize::MAX).saturating_mul(size);
                runtime.block_on(async {
                    for _ in 0..stored.div_ceil(1_000) {
                        put(&queue, &planned, 1_000).await;
                    }
                    let start = Instant::now();
                    for _ in 0..rounds {
                        let claimed = queue.claim(&claim).await.expect("it is open").messages;
                        let done = claimed.into_iter().map(|leased| Settlement::done(leased.token));
                        let settled = queue.settle(done.collect()).await.expect("it is open");
                        assert_eq!(settled.iter().filter(|done| done.is_ok()).count(), size);
                    }
                    start.elapsed()
                })
            });
        });
    }
    group.finish();
    runtime.block_on(queue.close()).expect("it is open");
}

criterion_group!(benches, enqueue, work);
criterion_main!(benches);
