//! A bus to which anything may happen, and then nothing any more: what is left to do, it does by itself.
//!
//! A run that fails prints its seed, and the command that runs it again.

mod consumers;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dispatch_actors::bus::{Bus, BusConfig, Subscription};
use dispatch_actors::testing::{VirtualClock, start_of_time};
use dispatch_core::log::{LogEntry, Offset, ReadLimit, TopicLog};
use dispatch_core::policy::RateLimit;
use dispatch_core::subscription::{Exhausted, Start, SubscriptionConfig, SubscriptionType};
use dispatch_core::{Clock, Envelope, Topic};
use dispatch_tests::support::{FlakyLog, cases, env_u64, paused};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use self::consumers::{Consumers, First, Mood, Place, TOPICS, place};
use self::target::{Target, origin};
use crate::support::{builder, log};

/// A subscription, and what is published to it.
struct World {
    rng: SmallRng,
    log: Arc<dyn TopicLog>,
    clock: VirtualClock,
    config: SubscriptionConfig,
    consumers: Consumers,
    target: Target,
    /// Whether nothing is delayed or ends, so that there is an order.
    is_plain: bool,
    /// Whether the log takes its time, and is not always available.
    is_flaky: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let kinds = [
            SubscriptionType::Exclusive,
            SubscriptionType::Failover,
            SubscriptionType::Shared,
            SubscriptionType::KeyShared,
        ];
        let mut config = SubscriptionConfig::new("s", "shop.**")
            .of_type(kinds[rng.random_range(0..4)])
            .starting_at(Start::Earliest)
            .with_window(rng.random_range(1..9))
            .with_ack_timeout(Duration::from_secs(3))
            .when_exhausted(if rng.random() { Exhausted::Park } else { Exhausted::DeadLetter });
        config.retry = config.retry.with_base(Duration::from_millis(200)).with_max_retries(2);
        config.rate = rng.random_bool(0.5).then(|| RateLimit::per_second(rng.random_range(2..100)));
        config.bytes_per_second = rng.random_bool(0.3).then(|| rng.random_range(10..1_000));
        let chance = Arc::new(Mutex::new(SmallRng::seed_from_u64(rng.random())));
        let target = Target { chance: Arc::clone(&chance), has: Arc::default() };
        let consumers = Consumers { chance, handled: Arc::default(), firsts: Arc::default() };
        Self {
            log: log(),
            clock: VirtualClock::starting_at(start_of_time()),
            config,
            consumers,
            target,
            is_plain: rng.random(),
            is_flaky: rng.random(),
            rng,
        }
    }

    fn entry(&mut self) -> LogEntry {
        let bytes = vec![b'x'; self.rng.random_range(0..20)];
        let mut envelope = Envelope::bytes("OrderPlaced", bytes, "text/plain");
        if self.rng.random_bool(0.8) {
            envelope = envelope.with_key(format!("k{}", self.rng.random_range(0..5)));
        }
        let (entry, now) = (LogEntry::new(envelope), self.clock.now());
        let after = Duration::from_millis(self.rng.random_range(0..20_000));
        match self.rng.random_range(0..8) {
            0 if !self.is_plain => entry.available_at(now + after),
            1 if !self.is_plain => entry.expires_at(now + after),
            _ => entry,
        }
    }

    async fn publish(&mut self, bus: &Bus) {
        let topic = self.rng.random_range(0..TOPICS.len());
        let count = self.rng.random_range(1..12);
        let entries: Vec<_> = (0..count).map(|_| self.entry()).collect();
        // After an error they may be in the log or not; what is there counts.
        let published = bus.publish_batch(TOPICS[topic], entries).await;
        assert!(published.is_ok() || self.is_flaky, "{published:?}");
    }

    async fn starts(&mut self) -> (Bus, Subscription) {
        let log: Arc<dyn TopicLog> = match self.is_flaky {
            true => Arc::new(FlakyLog::new(Arc::clone(&self.log), self.rng.random())),
            false => Arc::clone(&self.log),
        };
        let config = |config: &mut BusConfig| config.heartbeat = Duration::from_secs(2);
        let bus = builder(&log).configure(config).start().unwrap();
        loop {
            let opening = bus.subscription(self.config.clone());
            let opening = match self.config.exhausted {
                Some(Exhausted::DeadLetter) => opening.dead_letters(self.target.clone()),
                _ => opening,
            };
            match opening.open().await {
                Ok(subscription) => return (bus, subscription),
                Err(error) => assert!(self.is_flaky, "{error}"),
            }
        }
    }

    /// One run of the program, in which anything happens.
    async fn lives(&mut self) -> (Bus, Subscription) {
        let (bus, subscription) = self.starts().await;
        let mut connected = Vec::new();
        for _ in 0..self.rng.random_range(5..40) {
            match self.rng.random_range(0..10) {
                0..3 => self.publish(&bus).await,
                3..5 => {
                    let mood =
                        [Mood::Good, Mood::Moody, Mood::Moody, Mood::Silent][self.rng.random_range(0..4)];
                    connected.extend(self.consumers.connect(&subscription, mood).await);
                }
                5 if !connected.is_empty() => {
                    let gone = connected.swap_remove(self.rng.random_range(0..connected.len()));
                    gone.remove().await.unwrap();
                }
                6 => subscription.pause(),
                7 => subscription.resume(),
                8 => subscription.set_window(self.rng.random_range(1..9)).unwrap(),
                _ => sleep(Duration::from_millis(self.rng.random_range(0..4_000))).await,
            }
        }
        (bus, subscription)
    }

    /// Some runs, and then nothing but time, and somebody who takes what comes.
    async fn happens(mut self) {
        for _ in 0..self.rng.random_range(0..3) {
            let (bus, subscription) = self.lives().await;
            if self.rng.random() {
                let patience = Duration::from_millis(self.rng.random_range(0..10_000));
                bus.shutdown(patience).await.unwrap();
            }
            // Else it dies with its handles, like a process that is killed.
            drop((bus, subscription));
        }
        let (bus, subscription) = self.lives().await;
        subscription.resume();
        let all = self.consumers.clone();
        let run = move |delivery| {
            let answer = all.answer(delivery, Mood::Good);
            async move { answer.await.unwrap() }
        };
        // Where another one is there it may be refused; that one may stop later.
        let refused = subscription.consumer("last").run(run.clone()).await.is_err();
        self.quiet().await;
        if refused && subscription.info().await.unwrap().consumers.is_empty() {
            subscription.consumer("last").run(run).await.unwrap();
            self.quiet().await;
        }
        self.is_settled(&subscription).await;
        self.came_in_order();
        drop(bus);
    }

    /// Some hours without anybody who asks the bus for anything, or fewer if all is settled and saved before.
    async fn quiet(&self) {
        for _ in 0..100 {
            sleep(Duration::from_secs(120)).await;
            if self.unsaved().await.is_empty() {
                return;
            }
        }
    }

    /// The topics whose saved cursor is not at their end.
    async fn unsaved(&self) -> Vec<(Topic, Offset, Offset)> {
        let cursors = self.log.load("s").await.unwrap().unwrap().cursors;
        let mut unsaved = Vec::new();
        for topic in self.log.topics().await.unwrap() {
            let head = self.log.bounds(&topic).await.unwrap().head;
            let next = cursors.iter().find(|it| it.topic == topic).map_or(Offset::ZERO, |it| it.next);
            if next != head {
                unsaved.push((topic, next, head));
            }
        }
        unsaved
    }

    /// Messages that somebody has to handle: those that do not end.
    async fn immortal(&self) -> BTreeSet<Place> {
        let mut immortal = BTreeSet::new();
        for topic in self.log.topics().await.unwrap() {
            let read = self.log.read(&topic, Offset::ZERO, ReadLimit::records(100_000)).await.unwrap();
            let records = read.records.iter().filter(|record| record.entry.expires_at.is_none());
            immortal.extend(records.map(|record| place(&topic, record.offset)));
        }
        immortal
    }

    async fn is_settled(&self, subscription: &Subscription) {
        let info = subscription.info().await.unwrap();
        let status = &info.status;
        assert_eq!((info.lag(), status.in_flight, status.held, status.aside), (0, 0, 0, 0), "{info:?}");
        assert_eq!((status.counters.gap, status.counters.unroutable), (0, 0));
        let parked = self.log.parked("s", None, 10_000).await.unwrap();
        let mut settled: BTreeSet<Place> = parked.iter().map(|letter| origin(letter)).collect();
        settled.extend(self.consumers.handled.lock().unwrap().iter());
        settled.extend(self.target.has.lock().unwrap().iter());
        let immortal = self.immortal().await;
        let lost: Vec<_> = immortal.difference(&settled).collect();
        assert!(lost.is_empty(), "neither handled nor kept: {lost:?}");
        assert_eq!(self.unsaved().await, [], "the cursor is not saved");
    }

    /// What came first was published first, where that is promised.
    fn came_in_order(&self) {
        if !self.is_plain {
            return;
        }
        let mut lasts: BTreeMap<_, u64> = BTreeMap::new();
        for First { place: (topic, offset), key } in self.consumers.firsts.lock().unwrap().iter() {
            let line = match self.config.kind {
                SubscriptionType::Shared => continue,
                SubscriptionType::KeyShared if key.is_none() => continue,
                SubscriptionType::KeyShared => (*topic, key.clone()),
                _ => (*topic, None),
            };
            if let Some(before) = lasts.insert(line, *offset) {
                assert!(before < *offset, "{offset} of topic {topic} came after {before}");
            }
        }
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "a run that fails says how to run it again")]
fn whatever_happens_everything_is_settled_in_the_end_though_nobody_asks() {
    let first = env_u64("DISPATCH_BUS_SEED", rand::random::<u32>().into());
    let count = if std::env::var_os("DISPATCH_BUS_SEED").is_some() { 1 } else { cases(50).cases };
    for seed in first..first + u64::from(count) {
        let run = || paused(async { World::new(seed).happens().await });
        if let Err(panic) = std::panic::catch_unwind(run) {
            println!("again with: DISPATCH_BUS_SEED={seed} cargo test -p dispatch-tests --test bus anything");
            std::panic::resume_unwind(panic);
        }
    }
}
