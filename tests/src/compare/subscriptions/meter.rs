use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dispatch_actors::bus::{Bus, Subscription};
use dispatch_adapters::model::{Envelope, Topic};
use tokio::sync::Notify;

/// Bytes of each message.
pub(super) const BYTES: usize = 256;

pub(super) fn topic() -> Topic {
    Topic::new("shop.orders.events.placed").expect("the topic is valid")
}

/// What is published: cloned, so its bytes are shared.
pub(super) fn message() -> Envelope {
    Envelope::bytes("OrderPlaced", vec![7_u8; BYTES], "application/octet-stream").with_topic(&topic())
}

/// Counts what consumers got, and wakes whoever waits for a number of it.
#[derive(Clone, Default)]
pub(super) struct Meter(Arc<Count>);

#[derive(Default)]
struct Count {
    seen: AtomicU64,
    wanted: AtomicU64,
    reached: Notify,
}

impl Meter {
    pub(super) fn count(&self) {
        let seen = self.0.seen.fetch_add(1, Ordering::Relaxed) + 1;
        if seen == self.0.wanted.load(Ordering::Relaxed) {
            self.0.reached.notify_one();
        }
    }

    /// So many more are to come.
    pub(super) fn expect(&self, more: u64) {
        self.0.wanted.fetch_add(more, Ordering::Relaxed);
    }

    /// They have come.
    pub(super) async fn reached(&self) {
        while self.0.seen.load(Ordering::Relaxed) < self.0.wanted.load(Ordering::Relaxed) {
            self.0.reached.notified().await;
        }
    }
}

/// Consumers that count and do nothing else.
pub(super) async fn counted(subscription: &Subscription, consumers: usize) -> Meter {
    let meter = Meter::default();
    for number in 0..consumers {
        let meter = meter.clone();
        let consumer = subscription.consumer(format!("c{number}")).run(move |delivery| {
            std::hint::black_box(delivery.offset());
            meter.count();
            std::future::ready(())
        });
        consumer.await.expect("the consumer is connected");
    }
    meter
}

/// How messages are published.
#[derive(Clone, Copy)]
pub(super) enum Publishing {
    /// One in each call, so many calls at a time.
    Single(u64),
    /// So many in each call, one call at a time.
    Batches(u64),
}

pub(super) async fn publish(bus: &Bus, how: Publishing, operations: u64) {
    let (topic, message) = (topic(), message());
    match how {
        Publishing::Single(tasks) => {
            let bus = bus.clone();
            crate::compare::engine::load::local(tasks, operations, move || {
                let (bus, topic, message) = (bus.clone(), topic.clone(), message.clone());
                async move {
                    bus.publish(&topic, message).await.expect("the bus takes everything");
                }
            })
            .await;
        }
        Publishing::Batches(size) => {
            let mut left = operations;
            while left > 0 {
                let now = left.min(size);
                let batch =
                    std::iter::repeat_n(&message, usize::try_from(now).expect("it is small")).cloned();
                bus.publish_batch(&topic, batch).await.expect("the bus takes everything");
                left -= now;
            }
        }
    }
}
