//! How long it takes to open a full log again, and how much memory that takes, in a process of its own.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use dispatch_adapters::model::log::{LogEntry, Offset, ReadLimit, SyncPolicy, TopicLog};
use dispatch_adapters::{SqliteLog, SqliteLogOptions};

use super::{folder, log_in, meter};
use crate::compare::cli::Options;
use crate::compare::engine::load;
use crate::compare::report::{Report, Row, Target};

const BATCH: u64 = 10_000;

/// What the other process does: opens the log, reads its last record, and says how many seconds and KiB that took.
pub(crate) fn reopen(folder: &Path) {
    let runtime = load::runtime();
    let before = Instant::now();
    let log = runtime.block_on(SqliteLog::open(SqliteLogOptions::new(folder))).expect("the log opens");
    let bounds = runtime.block_on(log.bounds(&meter::topic())).expect("the topic is there");
    let last = Offset::new(bounds.head.get().saturating_sub(1));
    let read = runtime.block_on(log.read(&meter::topic(), last, ReadLimit::records(1)));
    assert_eq!(read.expect("it can be read").records.len(), 1);
    let seconds = before.elapsed().as_secs_f64();
    runtime.block_on(log.close()).expect("it closes");
    println!("{seconds} {}", most_memory());
}

/// The most memory that this process has had, in KiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

pub(super) fn run(options: &Options, report: &Report) {
    const BENCH: &str = "log.reopen";
    if !options.wants(BENCH) {
        return;
    }
    let records: u64 = match (options.long, options.quick) {
        (true, _) => 10_000_000,
        (false, false) => 1_000_000,
        (false, true) => 100_000,
    };
    let folder = folder();
    load::runtime().block_on(fill(&log_in(&folder), records));
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).arg("reopen").arg(log_in(&folder)).output();
    let output = output.expect("it can be started again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<f64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    let [seconds, kib] = figures[..] else { panic!("the other process says two figures, not '{text}'") };
    for target in [Target::Extra("seconds", 1.0), Target::Extra("mib", 200.0)] {
        report.print(&Row {
            bench: format!("{BENCH}.{records}"),
            cpu_ns: seconds * 1e9,
            wall_ns: seconds * 1e9,
            allocations: None,
            peer: None,
            target: Some(target),
            extra: vec![("seconds", seconds), ("mib", kib / 1024.0)],
        });
    }
}

async fn fill(folder: &Path, records: u64) {
    let options = SqliteLogOptions::new(folder).with_sync(SyncPolicy::Os);
    let log = SqliteLog::open(options).await.expect("the log opens");
    let message = meter::message();
    for _ in 0..records / BATCH {
        let batch = (0..BATCH).map(|_| LogEntry::new(message.clone())).collect();
        log.append(&meter::topic(), batch).await.expect("the disk has room");
    }
    log.close().await.expect("it closes");
}
