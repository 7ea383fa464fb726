//! A process that works until it is stopped, and says what is acknowledged.
//!
//! It is this very test binary, told by a variable what to do.

use std::error::Error;
use std::io::Write;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use dispatch_adapters::bus::{Bus, BusError, Delivery, Start, Subscription, Verdict};
use dispatch_adapters::model::Envelope;
use dispatch_adapters::model::log::TopicLog;
use dispatch_adapters::model::uuid::Uuid;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::fault::{Fault, Faulty};
use crate::place::Place;
use crate::said::{PUBLISHERS, Said, TOPIC, Who, key_of};

/// The variable that makes this binary a worker.
pub(crate) const ORDER: &str = "DISPATCH_WORKER";

/// How long an end may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a worker is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) place: Place,
    /// What is wrong with its log.
    pub(crate) fault: Option<Fault>,
    /// The round that each publisher begins with, and how many messages each publishes; nobody publishes without.
    pub(crate) publish: Option<([u64; PUBLISHERS as usize], u64)>,
    pub(crate) consume: bool,
    /// How often cursors are saved. What was acknowledged since then comes again after a kill.
    pub(crate) cursor_interval: Duration,
    /// Whether it ends by itself once all is published and handled.
    pub(crate) to_the_end: bool,
}

/// Not a test: what a worker does.
#[test]
fn worker() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let order: Order = serde_json::from_str(&order).unwrap();
    // The test framework has begun a line.
    std::io::stdout().lock().write_all(b"\n").unwrap();
    if let Err(error) = actix::System::new().block_on(work(order)) {
        Said::Failed(error.to_string()).say();
        process::exit(1);
    }
}

async fn work(order: Order) -> Result<(), Box<dyn Error>> {
    let mut asked_to_stop = signal(SignalKind::terminate())?;
    let log = order.place.open().await?;
    let log = match order.fault {
        Some(fault) => Arc::new(Faulty::new(log, fault)),
        None => log,
    };
    let bus = Bus::on(Arc::clone(&log)).start()?;
    let mut subscriptions = Vec::new();
    if order.consume {
        for who in Who::ALL {
            subscriptions.push(subscribe(&bus, &*log, who, order.cursor_interval).await?);
        }
    }
    Said::Ready.say();
    let publishers = order.publish.iter().flat_map(|(rounds, count)| {
        (0..).zip(rounds).map(|(publisher, first)| publish(bus.clone(), publisher, *first, *count))
    });
    let publishers: Vec<_> = publishers.map(actix::spawn).collect();
    let published = async { join_all(publishers).await.into_iter().collect::<Result<Vec<_>, _>>() };
    tokio::pin!(published);
    let (mut done, to_the_end) = (None, order.to_the_end);
    let ended = async {
        done = Some(published.as_mut().await);
        if !to_the_end {
            std::future::pending::<()>().await;
        }
        handled(&subscriptions).await
    };
    tokio::select! {
        biased;
        _ = asked_to_stop.recv() => {}
        ended = ended => ended?,
    }
    for left in bus.shutdown(PATIENCE).await?.subscriptions {
        Said::Stopped { by: left.name, unacknowledged: left.unacknowledged, unsaved: left.unsaved }.say();
    }
    // Those that still publish are told that the bus has stopped.
    let done = match done {
        Some(done) => done,
        None => published.await,
    };
    done?.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(log.close().await?)
}

/// Publishes one message after the other.
async fn publish(bus: Bus, publisher: u64, first: u64, count: u64) -> Result<(), BusError> {
    for round in first..first + count {
        let number = round * PUBLISHERS + publisher;
        let message = Envelope::bytes("OrderPlaced", vec![b'x'; 128], "text/plain")
            .with_id(Uuid::from_u64_pair(1, number))
            .with_key(key_of(number).to_string());
        match bus.publish(TOPIC, message).await {
            Ok(published) => {
                let offset = published.offset.expect("the topic has a log").get();
                Said::Published { number, offset }.say();
            }
            Err(BusError::Stopped) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The number of a message.
pub(crate) fn number_of(envelope: &Envelope) -> u64 {
    envelope.id().as_u64_pair().1
}

/// Opens a subscription and connects its consumers.
async fn subscribe(
    bus: &Bus,
    log: &dyn TopicLog,
    who: Who,
    cursor_interval: Duration,
) -> Result<Subscription, BusError> {
    for cursor in log.load(who.name()).await?.into_iter().flat_map(|stored| stored.cursors) {
        Said::Found { by: who, next: cursor.next.get(), settled: cursor.settled }.say();
    }
    let config = who.config().starting_at(Start::Earliest).with_cursor_interval(cursor_interval);
    let subscription = bus.subscription(config).open().await?;
    for number in 0..who.consumers() {
        let consumer = subscription.consumer(format!("{}-{number}", who.name()));
        consumer.run(move |delivery| handle(who, delivery)).await?;
    }
    Ok(subscription)
}

/// Handles a message; a few are refused the first time, and a few for good.
async fn handle(by: Who, delivery: Delivery) -> Verdict {
    let (offset, number, attempt) =
        (delivery.offset().get(), number_of(delivery.envelope()), delivery.attempt());
    Said::Delivered { by, offset, number, attempt }.say();
    if by != Who::Exclusive {
        // So that many are out, and answers come in another order.
        tokio::time::sleep(Duration::from_millis(offset * 7 % 4)).await;
    }
    if attempt == 1 && offset % 61 == 17 {
        return Verdict::Nack { delay: Some(Duration::from_millis(2)), reason: "not now".to_owned() };
    }
    if by.refuses(offset) {
        Said::Refuses { by, offset }.say();
        return Verdict::Reject { reason: "never".to_owned() };
    }
    Said::Acknowledges { by, offset }.say();
    Verdict::Ack
}

/// Waits until nobody has anything before it.
async fn handled(subscriptions: &[Subscription]) -> Result<(), BusError> {
    let mut look = tokio::time::interval(Duration::from_millis(10));
    loop {
        let mut lag = 0;
        for subscription in subscriptions {
            lag += subscription.lag().await?;
        }
        if lag == 0 {
            return Ok(());
        }
        look.tick().await;
    }
}
