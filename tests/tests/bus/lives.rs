//! Consumers that come, go, hang and die, for an hour.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use dispatch_actors::bus::{Bus, Consume, Consumer, Delivery, Subscription};
use dispatch_core::Envelope;
use dispatch_core::subscription::SubscriptionType::{Exclusive, Failover, KeyShared, Shared};
use dispatch_core::subscription::{Exhausted, Start, SubscriptionConfig, SubscriptionType};
use dispatch_tests::support::paused;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use crate::support::{TOPIC, bus, log};

/// What became of all that was there.
#[derive(Default)]
struct Chronicle {
    /// Keys and offsets of what was delivered, in order.
    delivered: Mutex<Vec<(String, u64)>>,
    actors: AtomicU32,
    stopped: AtomicU64,
    panicked: AtomicU64,
}

impl Chronicle {
    fn note(&self, delivery: &Delivery) {
        let key = delivery.key().unwrap_or_default().to_owned();
        self.delivered.lock().unwrap().push((key, delivery.offset().get()));
    }

    /// An actor with as many messages before it as chance has it.
    fn actor(self: &Arc<Self>) -> Mortal {
        let number = self.actors.fetch_add(1, Relaxed);
        Mortal { left: number * 7 % 23, panics: number.is_multiple_of(2), chronicle: Arc::clone(self) }
    }
}

/// An actor that acknowledges some messages, and stops or panics with the next one.
struct Mortal {
    left: u32,
    panics: bool,
    chronicle: Arc<Chronicle>,
}

impl Actor for Mortal {
    type Context = Context<Self>;
}

impl Handler<Consume> for Mortal {
    type Result = ();

    fn handle(&mut self, consume: Consume, ctx: &mut Context<Self>) {
        self.chronicle.note(&consume.delivery);
        if self.left > 0 {
            self.left -= 1;
            consume.acknowledge.ack();
        } else if self.panics {
            self.chronicle.panicked.fetch_add(1, Relaxed);
            panic!("its time has come");
        } else {
            self.chronicle.stopped.fetch_add(1, Relaxed);
            ctx.stop();
        }
    }
}

/// Connects a consumer of some form; `None` if it is refused.
async fn comes(chronicle: &Arc<Chronicle>, subscription: &Subscription, form: u32) -> Option<Consumer> {
    let (own, consumer) = (Arc::clone(chronicle), subscription.consumer("any"));
    let connected = match form {
        0 => {
            let hangs = move |delivery| {
                own.note(&delivery);
                std::future::pending::<()>()
            };
            consumer.run(hangs).await
        }
        1 => {
            let works = move |delivery| {
                own.note(&delivery);
                async {}
            };
            consumer.run(works).await
        }
        2 => consumer.actor(own.actor().start().recipient()).await,
        _ => consumer.supervised(move || own.actor()).await,
    };
    connected.ok()
}

/// Publishes for an hour, while anything happens to the consumers; how much.
async fn an_hour(chronicle: &Arc<Chronicle>, bus: &Bus, subscription: &Subscription) -> u64 {
    let (mut rng, mut consumers, mut published) = (SmallRng::seed_from_u64(7), Vec::new(), 0);
    for _ in 0..1_200 {
        let batch = (published..published + 3)
            .map(|number| Envelope::empty("OrderPlaced").with_key(format!("customer-{}", number % 7)));
        bus.publish_batch(TOPIC, batch).await.unwrap();
        published += 3;
        match rng.random_range(0..8) {
            form @ 0..4 => consumers.extend(comes(chronicle, subscription, form).await),
            4 | 5 if !consumers.is_empty() => {
                let gone: Consumer = consumers.swap_remove(rng.random_range(0..consumers.len()));
                gone.remove().await.unwrap();
            }
            _ => {}
        }
        sleep(Duration::from_secs(3)).await;
    }
    for consumer in consumers {
        consumer.remove().await.unwrap();
    }
    published
}

/// What was delivered has come in order, with what came again: nothing passes a message that is not settled.
fn came_in_order(kind: SubscriptionType, chronicle: &Chronicle) {
    let mut lines: BTreeMap<Option<String>, u64> = BTreeMap::new();
    for (key, offset) in chronicle.delivered.lock().unwrap().iter() {
        let line = match kind {
            Shared => return,
            KeyShared => Some(key.clone()),
            _ => None,
        };
        let before = lines.insert(line, *offset).unwrap_or_default();
        assert!(before <= *offset, "{kind}: {offset} of '{key}' came after {before}");
    }
}

#[test]
fn an_hour_with_consumers_that_come_go_hang_and_die_loses_nothing() {
    for (kind, window) in [(Exclusive, 1), (Failover, 1), (Shared, 16), (KeyShared, 16)] {
        paused(async {
            let bus = bus(&log());
            let config = SubscriptionConfig::new("s", TOPIC)
                .of_type(kind)
                .starting_at(Start::Earliest)
                .with_window(window)
                .when_exhausted(Exhausted::Park);
            let subscription = bus.subscription(config).open().await.unwrap();
            let chronicle = Arc::new(Chronicle::default());
            let published = an_hour(&chronicle, &bus, &subscription).await;
            comes(&chronicle, &subscription, 1).await.expect("the others are gone");
            sleep(Duration::from_secs(120)).await;

            let info = subscription.info().await.unwrap();
            let counters = info.status.counters;
            assert_eq!((info.lag(), counters.acked + counters.parked), (0, published), "{kind}: {info:?}");
            assert_eq!(subscription.parked_count().await.unwrap(), counters.parked);
            let (stopped, panicked) = (chronicle.stopped.load(Relaxed), chronicle.panicked.load(Relaxed));
            assert_eq!(counters.nacked, panicked, "{kind}: only what an actor panicked of is charged");
            let all = [stopped, panicked, counters.timed_out];
            assert!(all.iter().all(|count| *count > 0), "{kind}: stopped, panicked, hung: {all:?}");
            let delivered: BTreeSet<_> =
                chronicle.delivered.lock().unwrap().iter().map(|(_, offset)| *offset).collect();
            assert!(delivered.into_iter().eq(0..published), "{kind}: each was at somebody");
            came_in_order(kind, &chronicle);
        });
    }
}
