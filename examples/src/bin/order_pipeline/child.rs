//! The pipeline: a publisher, three subscriptions, their consumers.

use std::cell::Cell;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use dispatch_adapters::bus::{self, LogEntry, Start};
use dispatch_adapters::prelude::*;
use dispatch_examples::github::{Entry, Event, Input};
use futures_util::future::try_join;
use uuid::Uuid;

use crate::Args;
use crate::said::{Said, TOPIC, Who};

/// Orders that are published at once, with one flush of the disk.
const BATCH: usize = 16;
/// How often the cursors are saved. What was acknowledged since then comes again after a kill.
const CURSOR_INTERVAL: Duration = Duration::from_millis(100);
/// How often lag is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long the end may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Goes on where the one before was killed, until every order was published and handled.
pub(crate) async fn run(args: &Args, folder: &Path, from: u64) -> Result<(), Box<dyn Error>> {
    let bus = bus::open(folder).await?;
    let subscriptions = subscribe(&bus).await?;
    let published = Cell::new(false);
    try_join(publish(&bus, args.open()?, from, args.seed, &published), watch(&subscriptions, &published))
        .await?;
    bus.shutdown(PATIENCE).await?;
    Ok(bus.log().close().await?)
}

/// Opens the three subscriptions and connects their consumers.
async fn subscribe(bus: &Bus) -> Result<Vec<Subscription>, bus::BusError> {
    let mut subscriptions = Vec::new();
    for who in Who::ALL {
        let config = SubscriptionConfig::new(who.as_str(), TOPIC)
            .starting_at(Start::Earliest)
            .with_cursor_interval(CURSOR_INTERVAL);
        let (config, consumers) = match who {
            // One after the other: the next comes when this one is acknowledged.
            Who::Billing => (config, 1),
            Who::Workers => (config.of_type(SubscriptionType::Shared).with_window(64), 4),
            // All orders of a customer go to the same consumer, one after the other.
            Who::Customers => (config.of_type(SubscriptionType::KeyShared).with_window(32), 3),
        };
        let subscription = bus.subscription(config).open().await?;
        for number in 1..=consumers {
            let consumer = subscription.consumer(format!("{}-{number}", who.as_str()));
            consumer.run(move |order| handle(who, order)).await?;
        }
        subscriptions.push(subscription);
    }
    Ok(subscriptions)
}

/// Handles an order; its end acknowledges it.
async fn handle(by: Who, order: Delivery) {
    if by == Who::Workers {
        tokio::time::sleep(Duration::from_millis(order.offset().get() % 4)).await;
    }
    let customer = order.key().unwrap_or_default().to_owned();
    let (_, number) = order.id().as_u64_pair();
    Said::Handled { by, offset: order.offset().get(), number, customer }.say();
}

/// Publishes the events from this one on.
async fn publish(
    bus: &Bus,
    mut input: Input,
    from: u64,
    seed: u64,
    published: &Cell<bool>,
) -> Result<(), Box<dyn Error>> {
    let (mut number, mut orders) = (0, Vec::with_capacity(BATCH));
    while let Some(batch) = input.batches.recv().await {
        for entry in batch?.entries {
            let Entry::Event { event, .. } = entry else { continue };
            if number >= from {
                orders.push(order(event, seed, number));
            }
            number += 1;
            if orders.len() == BATCH {
                send(bus, std::mem::take(&mut orders), number).await?;
            }
        }
    }
    send(bus, orders, number).await?;
    published.set(true);
    Ok(())
}

/// Publishes orders, of which the last one is before this number. What is said afterwards is on disk.
async fn send(bus: &Bus, orders: Vec<LogEntry>, before: u64) -> Result<(), bus::BusError> {
    let first = before - orders.len() as u64;
    let published = bus.publish_batch(TOPIC, orders).await?;
    let offsets = published.iter().filter_map(|published| published.offset).map(bus::Offset::get).collect();
    Said::Published { first, offsets }.say();
    Ok(())
}

/// The order that an event is: its id has its number, its key is the repository.
fn order(event: Event, seed: u64, number: u64) -> LogEntry {
    let customer = event.payload["repository"]["full_name"].as_str().unwrap_or("nobody");
    let customer: String = customer.chars().take(100).collect();
    let (_, envelope) = event.into_envelope();
    envelope.with_id(Uuid::from_u64_pair(seed, number)).with_key(customer).into()
}

/// Says how much each has before it, until there is nothing more to come.
async fn watch(subscriptions: &[Subscription], published: &Cell<bool>) -> Result<(), Box<dyn Error>> {
    loop {
        // Whether everything was published is looked at first: what was, is in the lag.
        let all = published.get();
        let mut lag = [0; 3];
        for (subscription, lag) in subscriptions.iter().zip(&mut lag) {
            *lag = subscription.lag().await?;
        }
        Said::Lag(lag).say();
        if all && lag == [0; 3] {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}
