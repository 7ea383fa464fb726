//! Subscriptions to which nothing happens: what they take.

use std::time::Duration;

use actix::System;
use dispatch_actors::bus::Bus;
use dispatch_adapters::model::log::MemoryLog;

use crate::compare::cli::Options;
use crate::compare::measure::cpu_time;
use crate::compare::memory;
use crate::compare::report::{Report, Row, Target};

const SUBSCRIPTIONS: usize = 10_000;

pub(super) fn run(options: &Options, report: &Report) {
    const BENCH: &str = "subscription.idle10000";
    if !options.wants(BENCH) {
        return;
    }
    let system = System::new();
    let wait = Duration::from_secs(if options.quick { 2 } else { 10 });
    let bus = system.block_on(async { Bus::builder(MemoryLog::new()).start().expect("the bus starts") });
    let ((), live) = memory::live_bytes(|| {
        system.block_on(async {
            for n in 0..SUBSCRIPTIONS {
                let opening = bus.reliable_shared(format!("idle-{n}"), format!("shop.{n}.events"));
                let subscription = opening.open().await.expect("the subscription opens");
                let connected = subscription.consumer("one").run(|_| async {}).await;
                connected.expect("the consumer is connected");
            }
        });
    });
    let cpu = system.block_on(async {
        // What was to be done for their beginning is done.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = cpu_time();
        tokio::time::sleep(wait).await;
        cpu_time().saturating_sub(before)
    });
    let percent = 100.0 * cpu.as_secs_f64() / wait.as_secs_f64();
    for target in [Target::Extra("bytes_each", 4096.0), Target::Extra("cpu_percent", 1.0)] {
        report.print(&Row {
            bench: BENCH.to_owned(),
            cpu_ns: 0.0,
            wall_ns: 0.0,
            allocations: None,
            peer: None,
            target: Some(target),
            extra: vec![("bytes_each", live / SUBSCRIPTIONS as f64), ("cpu_percent", percent)],
        });
    }
}
