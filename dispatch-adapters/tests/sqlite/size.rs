//! A large log opens as fast as a small one.

use std::time::{Duration, Instant};

use dispatch_adapters::model::Envelope;
use dispatch_adapters::model::log::{Offset, ReadLimit, SyncPolicy, TopicLog};
use dispatch_adapters::sqlite::{SqliteLog, SqliteLogOptions};

use crate::support::{proof, topic};

/// Kibibytes of memory that this process has.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[test]
fn it_opens_in_less_than_a_second_whatever_it_holds() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        // 10,000,000 with DISPATCH_PROOF=1000.
        let records = 10_000 * proof() as u64;
        let options = SqliteLogOptions::new(folder.path()).with_sync(SyncPolicy::Os);
        let log = SqliteLog::open(options.clone()).await.unwrap();
        let entry = Envelope::bytes("Measured", vec![7u8; 256], "application/octet-stream");
        for _ in 0..records / 5_000 {
            let batch = (0..5_000).map(|_| entry.clone().into()).collect();
            log.append(&topic(), batch).await.unwrap();
        }
        log.close().await.unwrap();
        let (before, start) = (resident(), Instant::now());
        let log = SqliteLog::open(options).await.unwrap();
        let head = log.bounds(&topic()).await.unwrap().head;
        let last = log.read(&topic(), Offset::new(records - 1), ReadLimit::records(1)).await.unwrap();
        let took = start.elapsed();
        assert_eq!((head.get(), last.records.len()), (records, 1));
        let grown = resident().zip(before).map(|(after, before)| after.saturating_sub(before) / 1024);
        println!("{records} records: open and one read took {took:?}, {grown:?} MiB more");
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert!(grown.is_none_or(|grown| grown < 200), "{grown:?} MiB");
        let start = Instant::now();
        let middle = log.offset_at(&topic(), last.records[0].appended_at).await.unwrap();
        let kept = log.offset_keeping(&topic(), 1_000_000).await.unwrap();
        println!("found {middle} by time and {kept} by size in {:?}", start.elapsed());
        log.trim(&topic(), head).await.unwrap();
        log.close().await.unwrap();
    });
}
