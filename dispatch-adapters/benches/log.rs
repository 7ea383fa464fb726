//! The topic log in a folder, with envelopes of 256 bytes, beside a file that is appended to and flushed.
//!
//! The folder is made where temporary files are (`TMPDIR`): on a memory file system a flush costs nothing.

#![allow(clippy::expect_used, reason = "a bench that cannot start has no figure")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dispatch_adapters::model::log::{LogEntry, Offset, ReadLimit, SyncPolicy, TopicLog};
use dispatch_adapters::model::{Envelope, Topic};
use dispatch_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use futures_util::future::join_all;
use tokio::runtime::Runtime;

const PUBLISHERS: usize = 64;

fn entry() -> LogEntry {
    Envelope::bytes("Measured", vec![7u8; 256], "application/octet-stream").into()
}

fn topic() -> Topic {
    "bench.log.events".parse().expect("the topic is valid")
}

fn open(runtime: &Runtime, folder: &Path, sync: SyncPolicy) -> SqliteLog {
    runtime
        .block_on(SqliteLog::open(SqliteLogOptions::new(folder).with_sync(sync)))
        .expect("the folder is new")
}

fn append(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime needs no more than this");
    let topic = topic();
    for (name, sync) in [("always", SyncPolicy::Always), ("os", SyncPolicy::Os)] {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let log = open(&runtime, folder.path(), sync);
        let mut group = criterion.benchmark_group("append");
        for size in [1usize, 100] {
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::new(name, format!("{size} a call")), |bencher| {
                bencher.iter_custom(|rounds| {
                    runtime.block_on(async {
                        let start = Instant::now();
                        for _ in 0..rounds {
                            let entries = (0..size).map(|_| entry()).collect();
                            log.append(&topic, entries).await.expect("there is room");
                        }
                        start.elapsed()
                    })
                });
            });
        }
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new(name, format!("{PUBLISHERS} publishers")), |bencher| {
            bencher.iter_custom(|rounds| {
                let each = usize::try_from(rounds).unwrap_or(usize::MAX).div_ceil(PUBLISHERS);
                let elapsed = runtime.block_on(async {
                    let start = Instant::now();
                    let publish = |_| async {
                        for _ in 0..each {
                            log.append(&topic, vec![entry()]).await.expect("there is room");
                        }
                    };
                    join_all((0..PUBLISHERS).map(publish)).await;
                    start.elapsed()
                });
                share(elapsed, rounds, each * PUBLISHERS)
            });
        });
        group.finish();
        runtime.block_on(log.close()).expect("it is open");
    }
}

/// The time of some of what was done.
fn share(elapsed: Duration, wanted: u64, done: usize) -> Duration {
    elapsed.mul_f64(wanted as f64 / done as f64)
}

/// What the disk can do: the same bytes, appended to a file and flushed together.
fn raw(criterion: &mut Criterion) {
    let mut file = tempfile::tempfile().expect("there is a place for temporary files");
    let mut group = criterion.benchmark_group("raw append and flush");
    for size in [1usize, PUBLISHERS, 100] {
        let bytes = vec![7u8; 256 * size];
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| flushed(&mut file, &bytes));
        });
    }
    group.finish();
}

fn flushed(file: &mut File, bytes: &[u8]) {
    file.write_all(bytes).and_then(|()| file.sync_data()).expect("there is room");
}

fn read(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime needs no more than this");
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let (log, topic) = (open(&runtime, folder.path(), SyncPolicy::Os), topic());
    const RECORDS: u64 = 100_000;
    runtime.block_on(async {
        for _ in 0..RECORDS / 1_000 {
            log.append(&topic, (0..1_000).map(|_| entry()).collect()).await.expect("there is room");
        }
    });
    let mut group = criterion.benchmark_group("read");
    for size in [1usize, 100, 1_000] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            let mut from = Offset::ZERO;
            bencher.iter(|| {
                let read =
                    runtime.block_on(log.read(&topic, from, ReadLimit::records(size))).expect("it is whole");
                from = read.records.last().map_or(Offset::ZERO, |record| record.offset.next());
                if from.get() >= RECORDS {
                    from = Offset::ZERO;
                }
            });
        });
    }
    group.finish();
    runtime.block_on(log.close()).expect("it is open");
}

criterion_group!(benches, append, raw, read);
criterion_main!(benches);
