//! The state of an at-least-once subscription alone: acknowledged messages a second, with nothing around it.
//!
//! `cargo bench -p dispatch-core --bench subscription`; name a group to run it alone, as in `-- window/256`.
//! For instruction counts run the binary under callgrind with `--profile-time 1 window/256`.

#![allow(clippy::expect_used, reason = "a benchmark is no library")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dispatch_core::log::{LogBounds, Offset, OffsetRanges};
use dispatch_core::subscription::{
    ConsumerId, DeliveryToken, Effect, Event, Message, MessageKey, SubscriptionConfig, SubscriptionState,
    SubscriptionType, TopicSlot,
};

/// Messages of a batch, as a bus hands them over.
const BATCH: u64 = 64;

/// A subscription whose consumers acknowledge everything, the oldest first.
struct Bench {
    state: SubscriptionState<u64>,
    effects: Vec<Effect<u64>>,
    out: VecDeque<DeliveryToken>,
    keys: Vec<MessageKey>,
    head: u64,
    now: Duration,
}

impl Bench {
    fn new(kind: SubscriptionType, window: u32, consumers: u64, keys: usize) -> Self {
        let config = SubscriptionConfig::new("bench", "bench.events").of_type(kind).with_window(window);
        let mut bench = Self {
            state: SubscriptionState::new(&config, 0, Duration::ZERO),
            effects: Vec::new(),
            out: VecDeque::new(),
            keys: (0..keys).map(|key| MessageKey::new(format!("customer-{key}"))).collect(),
            head: 0,
            now: Duration::ZERO,
        };
        let (next, settled, head) = (Offset::ZERO, OffsetRanges::default(), Offset::ZERO);
        bench.step(Event::TopicAdded { next, settled, head, stored: true });
        for consumer in 1..=consumers {
            bench.step(Event::ConsumerAdded { consumer: ConsumerId(consumer), keys: None });
        }
        bench
    }

    fn step(&mut self, event: Event<u64>) {
        self.now += Duration::from_nanos(100);
        self.state.step(event, self.now, &mut self.effects);
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Deliver { token, record } => {
                    black_box(record);
                    self.out.push_back(token);
                }
                Effect::Fetch(request) => {
                    let messages = self.messages(request.from.get(), request.max as u64);
                    let bounds = LogBounds { oldest: Offset::ZERO, head: Offset::new(self.head) };
                    let fetched = Event::Fetched { request, messages, bounds };
                    self.state.step(fetched, self.now, &mut self.effects);
                }
                Effect::Save(_) => self.state.step(Event::Saved, self.now, &mut self.effects),
                _ => {}
            }
        }
        // What the answers brought.
        effects.append(&mut self.effects);
        for effect in effects.drain(..) {
            if let Effect::Deliver { token, .. } = effect {
                self.out.push_back(token);
            }
        }
        self.effects = effects;
    }

    fn messages(&self, from: u64, count: u64) -> Vec<Message<u64>> {
        let message = |offset: u64| {
            let mut message = Message::new(Offset::new(offset), offset);
            if !self.keys.is_empty() {
                message.key = self.keys.get(offset as usize % self.keys.len()).cloned();
            }
            message
        };
        (from..from + count).map(message).collect()
    }

    /// A batch is published, and all that is out is acknowledged.
    fn round(&mut self) {
        let messages = self.messages(self.head, BATCH);
        self.head += BATCH;
        self.step(Event::Appended { topic: TopicSlot(0), messages });
        while let Some(token) = self.out.pop_front() {
            self.step(Event::Ack(token));
        }
    }

    fn assert_done(&self) {
        assert_eq!(
            self.state.cursor(TopicSlot(0)),
            Some(Offset::new(self.head)),
            "something was not delivered"
        );
    }
}

fn acked(c: &mut Criterion) {
    let kinds = [
        ("window/1", SubscriptionType::Exclusive, 1, 1, 0),
        ("window/256", SubscriptionType::Exclusive, 256, 1, 0),
        ("shared/3 consumers", SubscriptionType::Shared, 256, 3, 0),
        ("key-shared/1000 keys", SubscriptionType::KeyShared, 256, 3, 1_000),
    ];
    for (name, kind, window, consumers, keys) in kinds {
        let mut group = c.benchmark_group("acked");
        group.throughput(Throughput::Elements(BATCH));
        group.bench_function(name, |b| {
            let mut bench = Bench::new(kind, window, consumers, keys);
            b.iter(|| bench.round());
            bench.assert_done();
        });
        group.finish();
    }
}

criterion_group!(benches, acked);
criterion_main!(benches);
