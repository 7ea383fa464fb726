//! What the tests of this folder say again and again.

use std::time::Duration;

use dispatch_core::log::Offset;
use dispatch_core::subscription::{Exhausted, Guarantee, SubscriptionConfig, SubscriptionType};
use dispatch_tests::simulation::{Published, Simulation};

pub(super) use SubscriptionType::{Exclusive, Failover, KeyShared, Shared};

/// A subscription that delivers at least once.
pub(super) fn config(kind: SubscriptionType, window: u32) -> SubscriptionConfig {
    SubscriptionConfig::new("case", "case.events").of_type(kind).with_window(window)
}

/// One that delivers at least once, with consumers.
pub(super) fn reliable(kind: SubscriptionType, window: u32, consumers: &[&str]) -> Simulation {
    with(config(kind, window), consumers)
}

/// One that delivers at most once, with consumers.
pub(super) fn live(kind: SubscriptionType, consumers: &[&str]) -> Simulation {
    with(config(kind, 1).with_guarantee(Guarantee::AtMostOnce), consumers)
}

/// One whose messages have one try only.
pub(super) fn one_try(kind: SubscriptionType, window: u32, exhausted: Exhausted) -> SubscriptionConfig {
    let mut config = config(kind, window).when_exhausted(exhausted);
    config.retry = config.retry.with_max_retries(0);
    config
}

pub(super) fn with(config: SubscriptionConfig, consumers: &[&str]) -> Simulation {
    let mut simulation = Simulation::new(config, 0);
    for consumer in consumers {
        simulation.add(consumer);
    }
    simulation
}

pub(super) const fn at(offset: u64) -> Offset {
    Offset::new(offset)
}

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Messages with nothing special about them.
pub(super) fn plain(count: usize) -> Vec<Published> {
    vec![Published::default(); count]
}

/// Messages with these keys.
pub(super) fn keyed(keys: &[&str]) -> Vec<Published> {
    keys.iter().map(|key| Published::with_key(*key)).collect()
}

/// What was delivered since the last time, as `A0 B1`.
pub(super) fn new(simulation: &mut Simulation) -> String {
    let deliveries = std::mem::take(&mut simulation.deliveries);
    let texts: Vec<_> = deliveries.iter().map(|(name, offset)| format!("{name}{offset}")).collect();
    texts.join(" ")
}

/// Acknowledges what was delivered since the last time, as it comes, until nothing comes any more.
pub(super) fn ack_all(simulation: &mut Simulation) -> String {
    let mut texts = Vec::new();
    loop {
        let deliveries = std::mem::take(&mut simulation.deliveries);
        if deliveries.is_empty() {
            return texts.join(" ");
        }
        for (name, offset) in deliveries {
            texts.push(format!("{name}{offset}"));
            simulation.ack(&name, offset);
        }
    }
}

/// The cursor, as a number.
pub(super) fn cursor(simulation: &Simulation) -> u64 {
    simulation.cursor().expect("an at-least-once subscription").get()
}
