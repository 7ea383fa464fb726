//! A message's way through the bus on a log in memory: published, delivered, acknowledged.
//!
//! `cargo bench -p dispatch-actors --bench bus`. How this compares with others is the `compare` program's business;
//! this one finds what a change does to us.

#![allow(clippy::expect_used, reason = "a benchmark is no library")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::{System, SystemRunner};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dispatch_actors::bus::{Bus, Subscription};
use dispatch_core::log::{MemoryLog, Offset};
use dispatch_core::{Envelope, Topic};
use futures_util::future::join_all;
use tokio::sync::Notify;

/// Messages that are published together, or publishers at a time.
const MANY: u64 = 64;

#[derive(Default)]
struct Seen {
    count: AtomicU64,
    wanted: AtomicU64,
    reached: Notify,
}

struct Rig {
    system: SystemRunner,
    bus: Bus,
    topic: Topic,
    envelope: Envelope,
    seen: Arc<Seen>,
}

impl Rig {
    /// An exclusive subscription: at least once with this window, or at most once without.
    fn new(window: Option<u32>) -> Self {
        let (system, seen) = (System::new(), Arc::new(Seen::default()));
        let topic = Topic::new("shop.orders.events.placed").expect("the topic is valid");
        let bus = system.block_on(async {
            let bus = Bus::builder(MemoryLog::new()).start().expect("the bus starts");
            let opening = match window {
                Some(window) => {
                    bus.reliable_exclusive("bench", "shop.**").configure(|config| config.with_window(window))
                }
                None => bus.non_reliable_exclusive("bench", "shop.**"),
            };
            consume(&opening.open().await.expect("the subscription opens"), &seen).await;
            bus
        });
        let envelope = Envelope::bytes("OrderPlaced", vec![7; 256], "text/plain").with_topic(&topic);
        Self { system, bus, topic, envelope, seen }
    }

    /// The time until so many messages that `publish` publishes were handled.
    fn timed(&self, messages: u64, publish: impl Future<Output = ()>) -> Duration {
        self.seen.wanted.fetch_add(messages, Ordering::Relaxed);
        self.system.block_on(async {
            let begin = Instant::now();
            publish.await;
            while self.seen.count.load(Ordering::Relaxed) < self.seen.wanted.load(Ordering::Relaxed) {
                self.seen.reached.notified().await;
            }
            let elapsed = begin.elapsed();
            // Or the log would be full at last.
            let trimmed = self.bus.log().trim(&self.topic, Offset::new(u64::MAX)).await;
            trimmed.expect("a log in memory can be trimmed");
            elapsed
        })
    }

    async fn singles(&self, rounds: u64) {
        for _ in 0..rounds {
            let one = || self.bus.publish(&self.topic, self.envelope.clone());
            let published = join_all((0..MANY).map(|_| one())).await;
            assert!(published.iter().all(Result::is_ok));
        }
    }

    async fn batches(&self, rounds: u64) {
        for _ in 0..rounds {
            let batch = (0..MANY).map(|_| self.envelope.clone());
            self.bus.publish_batch(&self.topic, batch).await.expect("the log has room");
        }
    }
}

async fn consume(subscription: &Subscription, seen: &Arc<Seen>) {
    let seen = Arc::clone(seen);
    let consumer = subscription.consumer("one").run(move |_| {
        if seen.count.fetch_add(1, Ordering::Relaxed) + 1 == seen.wanted.load(Ordering::Relaxed) {
            seen.reached.notify_one();
        }
        std::future::ready(())
    });
    consumer.await.expect("the consumer is connected");
}

fn bus(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bus");
    group.throughput(Throughput::Elements(MANY));
    for (name, window) in [("at_most_once", None), ("window1", Some(1)), ("window256", Some(256))] {
        let rig = Rig::new(window);
        group.bench_function(format!("{name}/singles{MANY}"), |bencher| {
            bencher.iter_custom(|rounds| rig.timed(rounds * MANY, rig.singles(rounds)));
        });
        group.bench_function(format!("{name}/batch{MANY}"), |bencher| {
            bencher.iter_custom(|rounds| rig.timed(rounds * MANY, rig.batches(rounds)));
        });
    }
    group.finish();
}

criterion_group!(benches, bus);
criterion_main!(benches);
