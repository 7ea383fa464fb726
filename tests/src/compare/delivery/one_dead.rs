//! Ten destinations, one of which hangs: what the nine others lose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dispatch_adapters::model::policy::{BreakerConfig, RetryPolicy};
use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
use dispatch_adapters::{Delivery, Target as To, Targets};

use super::runtime;
use crate::compare::cli::Options;
use crate::compare::measure::{cpu_time, median};
use crate::compare::report::{Report, Row, Target};

#[derive(Default)]
struct Place {
    hangs: bool,
    taken: AtomicU64,
}

#[async_trait]
impl Adapter for Place {
    fn name(&self) -> &str {
        "place"
    }

    async fn deliver(&self, _: &Envelope) -> Result<Receipt, DeliveryError> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(Receipt::taken())
    }
}

/// CPU and wall nanoseconds for each delivery to one of the nine.
fn deliver(hanging: bool, rounds: u64) -> (f64, f64) {
    runtime().block_on(async {
        let places: Vec<_> = (0..10)
            .map(|number| Arc::new(Place { hangs: hanging && number == 9, ..Place::default() }))
            .collect();
        let list = places.iter().enumerate().map(|(number, place)| {
            let delivery = Delivery::to(Arc::clone(place))
                .retry(RetryPolicy::default())
                .circuit_breaker(BreakerConfig::default())
                .timeout(Duration::from_millis(50))
                .queue(1_000_000, 64)
                .start();
            To::new(format!("t{number}"), delivery.expect("the policies are valid")).queued()
        });
        let targets = Targets::new(list).expect("the list is valid");
        let (wall, cpu) = (Instant::now(), cpu_time());
        for round in 1..=rounds {
            targets.deliver_each(&Envelope::empty("Measured")).await;
            while places[0].taken.load(Ordering::Relaxed) + 64 < round {
                tokio::task::yield_now().await;
            }
        }
        while places[..9].iter().any(|place| place.taken.load(Ordering::Relaxed) < rounds) {
            tokio::task::yield_now().await;
        }
        let deliveries = (rounds * 9) as f64;
        let cpu = cpu_time().saturating_sub(cpu).as_nanos() as f64;
        (cpu / deliveries, wall.elapsed().as_nanos() as f64 / deliveries)
    })
}

pub(super) fn run(options: &Options, report: &Report) {
    const BENCH: &str = "deliver.one_dead_of_ten";
    if !options.wants(BENCH) {
        return;
    }
    let pairs: Vec<_> =
        (0..options.rounds.unwrap_or(7)).map(|_| (deliver(true, 20_000), deliver(false, 20_000))).collect();
    let loss = median(pairs.iter().map(|(dead, alive)| 100.0 * (1.0 - alive.1 / dead.1)));
    report.print(&Row {
        bench: BENCH.to_owned(),
        cpu_ns: median(pairs.iter().map(|pair| pair.0.0)),
        wall_ns: median(pairs.iter().map(|pair| pair.0.1)),
        allocations: None,
        peer: Some((
            "none dead",
            median(pairs.iter().map(|pair| pair.1.0)),
            median(pairs.iter().map(|pair| pair.0.0 / pair.1.0)),
        )),
        target: Some(Target::Extra("loss_percent", 5.0)),
        extra: vec![("loss_percent", loss)],
    });
}
