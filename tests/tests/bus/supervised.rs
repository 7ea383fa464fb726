//! Actors that the bus makes, and makes again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use dispatch_actors::bus::{Acknowledge, BusError, Consume, Subscription};
use dispatch_core::Envelope;
use dispatch_core::policy::RestartPolicy;
use dispatch_core::subscription::{SubscriptionConfig, SubscriptionType};
use dispatch_tests::support::paused;
use tokio::time::sleep;

use crate::support::{Seen, TOPIC, bus, log, publish, settle};

/// The backoff of the first restart, and a moment.
const FIRST: Duration = Duration::from_millis(51);

/// What the lives of an actor leave behind.
#[derive(Clone, Default)]
struct Chronicle(Arc<Mutex<Lives>>);

#[derive(Default)]
struct Lives {
    begun: usize,
    ended: usize,
    /// Life, offset and attempt of each message.
    got: Vec<(usize, u64, u32)>,
    last: Option<Addr<Mortal>>,
}

impl Chronicle {
    fn begun(&self) -> usize {
        self.0.lock().unwrap().begun
    }

    fn ended(&self) -> usize {
        self.0.lock().unwrap().ended
    }

    fn got(&self) -> Vec<(usize, u64, u32)> {
        self.0.lock().unwrap().got.clone()
    }

    /// Ends the present life.
    async fn stop(&self) {
        let last = self.0.lock().unwrap().last.take();
        last.unwrap().send(Stop).await.unwrap();
        settle().await;
    }

    /// A new life of an actor that dies of some messages, and acknowledges the others or keeps them.
    fn life(&self, dies_of: fn(u64, u32) -> bool, keeps: bool) -> Mortal {
        let mut lives = self.0.lock().unwrap();
        lives.begun += 1;
        Mortal { life: lives.begun, chronicle: self.clone(), dies_of, keeps, kept: Vec::new() }
    }

    /// Makes actors that acknowledge everything.
    fn factory(&self) -> impl Fn() -> Mortal + Send + 'static {
        let chronicle = self.clone();
        move || chronicle.life(|_, _| false, false)
    }
}

struct Mortal {
    life: usize,
    chronicle: Chronicle,
    dies_of: fn(u64, u32) -> bool,
    keeps: bool,
    kept: Vec<Acknowledge>,
}

impl Actor for Mortal {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.chronicle.0.lock().unwrap().last = Some(ctx.address());
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.chronicle.0.lock().unwrap().ended += 1;
    }
}

impl Handler<Consume> for Mortal {
    type Result = ();

    fn handle(&mut self, consume: Consume, _: &mut Context<Self>) {
        let (offset, attempt) = (consume.delivery.offset().get(), consume.delivery.attempt());
        self.chronicle.0.lock().unwrap().got.push((self.life, offset, attempt));
        assert!(!(self.dies_of)(offset, attempt), "this one kills");
        if self.keeps {
            self.kept.push(consume.acknowledge);
        } else {
            consume.acknowledge.ack();
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for Mortal {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

fn window(window: u32) -> impl FnOnce(SubscriptionConfig) -> SubscriptionConfig {
    move |config| config.with_window(window)
}

/// Of each consumer, whether it is about to be started again.
async fn restarting(subscription: &Subscription) -> Vec<bool> {
    subscription.info().await.unwrap().consumers.iter().map(|consumer| consumer.restarting).collect()
}

#[test]
fn the_message_that_an_actor_dies_of_costs_an_attempt_and_the_others_wait_for_its_next_life() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).configure(window(3)).open().await.unwrap();
        let chronicle = Chronicle::default();
        let writes = chronicle.clone();
        let factory = move || writes.life(|offset, attempt| (offset, attempt) == (1, 1), true);
        subscription.consumer("actor").supervised(factory).await.unwrap();
        publish(&bus, 3).await;
        settle().await;
        assert_eq!(chronicle.got(), [(1, 0, 1), (1, 1, 1)]);
        assert_eq!(restarting(&subscription).await, [true]);
        sleep(FIRST).await;
        assert_eq!(chronicle.got()[2..], [(2, 0, 1), (2, 2, 1)]);
        assert_eq!(restarting(&subscription).await, [false]);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(chronicle.got()[4..], [(2, 1, 2)], "after the delay of a retry");
        let status = subscription.info().await.unwrap().status;
        assert_eq!((status.counters.nacked, status.in_flight), (1, 3));
    });
}

#[test]
fn a_death_is_noticed_at_once_and_what_the_actor_had_goes_to_another_consumer() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_shared("s", TOPIC).configure(window(4)).open().await.unwrap();
        let (chronicle, seen) = (Chronicle::default(), Seen::default());
        let writes = chronicle.clone();
        let keeps = move || writes.life(|_, _| false, true);
        subscription.consumer("actor").supervised(keeps).await.unwrap();
        publish(&bus, 2).await;
        settle().await;
        seen.connect(&subscription, "b").await;
        assert!(seen.offsets().is_empty());
        chronicle.stop().await;
        assert_eq!(seen.offsets(), [0, 1]);
        publish(&bus, 2).await;
        settle().await;
        assert_eq!(seen.offsets(), [0, 1, 2, 3], "and so does what comes before its next life");
        let counters = subscription.info().await.unwrap().status.counters;
        assert_eq!((counters.nacked, counters.acked), (0, 4), "it costs no attempt");
        sleep(FIRST).await;
        publish(&bus, 2).await;
        settle().await;
        assert_eq!((chronicle.begun(), chronicle.got().len()), (2, 3));
    });
}

#[test]
fn an_exclusive_subscription_is_not_given_to_another_while_its_actor_is_started_again() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let chronicle = Chronicle::default();
        let consumer = subscription.consumer("actor").supervised(chronicle.factory()).await.unwrap();
        chronicle.stop().await;
        let second = subscription.consumer("b").run(|_| async {}).await.unwrap_err();
        assert!(matches!(second, BusError::ConsumerRefused { .. }), "{second}");
        sleep(FIRST).await;
        publish(&bus, 1).await;
        settle().await;
        assert_eq!(chronicle.got(), [(2, 0, 1)]);
        assert_eq!(subscription.info().await.unwrap().consumers[0].id, consumer.id());
    });
}

#[test]
fn a_consumer_whose_restarts_are_used_up_is_removed() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let chronicle = Chronicle::default();
        let policy = RestartPolicy { max_restarts: 1, ..RestartPolicy::default() };
        let actor = subscription.consumer("actor").restart(policy);
        actor.supervised(chronicle.factory()).await.unwrap();
        chronicle.stop().await;
        sleep(FIRST).await;
        chronicle.stop().await;
        assert!(subscription.info().await.unwrap().consumers.is_empty());
        sleep(Duration::from_secs(60)).await;
        assert_eq!(chronicle.begun(), 2);
        let seen = Seen::default();
        seen.connect(&subscription, "b").await;
        publish(&bus, 1).await;
        settle().await;
        assert_eq!(seen.offsets(), [0]);
    });
}

#[test]
fn a_message_that_kills_every_life_is_given_up_and_the_next_ones_are_handled() {
    paused(async {
        let bus = bus(&log());
        let config = |mut config: SubscriptionConfig| {
            config.retry = config.retry.with_max_retries(1);
            config
        };
        let subscription = bus.reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
        let chronicle = Chronicle::default();
        let writes = chronicle.clone();
        let factory = move || writes.life(|offset, _| offset == 0, false);
        subscription.consumer("actor").supervised(factory).await.unwrap();
        publish(&bus, 2).await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(chronicle.got(), [(1, 0, 1), (2, 0, 2), (3, 1, 1)]);
        assert_eq!(subscription.parked_count().await.unwrap(), 1);
        assert_eq!(subscription.lag().await.unwrap(), 0);
    });
}

#[test]
fn a_factory_that_panics_counts_as_a_death() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        publish(&bus, 1).await;
        let (chronicle, tries) = (Chronicle::default(), Mutex::new(0));
        let make = chronicle.factory();
        let factory = move || {
            let first = std::mem::replace(&mut *tries.lock().unwrap(), 1) == 0;
            assert!(!first, "not yet");
            make()
        };
        subscription.consumer("actor").supervised(factory).await.unwrap();
        publish(&bus, 1).await;
        settle().await;
        assert_eq!((restarting(&subscription).await, chronicle.begun()), (vec![true], 0));
        sleep(FIRST).await;
        assert_eq!(chronicle.got(), [(1, 0, 1), (1, 1, 1)]);

        let hopeless = bus.reliable_exclusive("hopeless", TOPIC).open().await.unwrap();
        let factory = || -> Mortal { panic!("never") };
        hopeless.consumer("actor").supervised(factory).await.unwrap();
        sleep(Duration::from_secs(30)).await;
        assert!(hopeless.info().await.unwrap().consumers.is_empty());
    });
}

#[test]
fn the_actor_ends_with_its_consumer_and_with_its_subscription() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let chronicle = Chronicle::default();
        let consumer = subscription.consumer("a").supervised(chronicle.factory()).await.unwrap();
        settle().await;
        consumer.remove().await.unwrap();
        settle().await;
        assert_eq!((chronicle.begun(), chronicle.ended()), (1, 1), "though somebody has its address");

        subscription.consumer("b").supervised(chronicle.factory()).await.unwrap();
        settle().await;
        subscription.stop(Duration::ZERO).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        assert_eq!((chronicle.begun(), chronicle.ended()), (2, 2));
    });
}

#[test]
fn an_actor_that_is_refused_is_not_made() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        Seen::default().connect(&subscription, "a").await;
        let chronicle = Chronicle::default();
        let refused = subscription.consumer("b").supervised(chronicle.factory()).await.unwrap_err();
        assert!(matches!(refused, BusError::ConsumerRefused { .. }), "{refused}");
        assert_eq!(chronicle.begun(), 0);
    });
}

#[test]
fn at_most_once_an_actor_is_started_again_and_gets_what_is_published_then() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.non_reliable_exclusive("s", TOPIC).open().await.unwrap();
        let chronicle = Chronicle::default();
        let writes = chronicle.clone();
        let factory = move || writes.life(|offset, _| offset == 1, false);
        subscription.consumer("actor").supervised(factory).await.unwrap();
        for _ in 0..3 {
            publish(&bus, 1).await;
            settle().await;
        }
        assert_eq!(restarting(&subscription).await, [true]);
        sleep(FIRST).await;
        publish(&bus, 1).await;
        settle().await;
        assert_eq!(chronicle.got(), [(1, 0, 1), (1, 1, 1), (2, 3, 1)]);
        let status = subscription.info().await.unwrap().status;
        assert_eq!((status.counters.no_consumer, status.in_flight), (1, 0));
    });
}

#[test]
fn keys_that_only_an_actor_takes_wait_for_its_next_life() {
    paused(async {
        let bus = bus(&log());
        let config = |it: SubscriptionConfig| it.of_type(SubscriptionType::KeyShared).with_window(8);
        let subscription = bus.reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
        let (chronicle, seen) = (Chronicle::default(), Seen::default());
        subscription.consumer("actor").keys("eu-*").supervised(chronicle.factory()).await.unwrap();
        let us = seen.clone();
        let run = move |delivery: dispatch_actors::bus::Delivery| {
            us.add("us", delivery.offset().get());
            async {}
        };
        subscription.consumer("us").keys("us-*").run(run).await.unwrap();
        settle().await;
        chronicle.stop().await;
        for key in ["eu-1", "us-1", "eu-2"] {
            bus.publish(TOPIC, Envelope::empty("OrderPlaced").with_key(key)).await.unwrap();
        }
        settle().await;
        assert_eq!((seen.offsets(), chronicle.got().len()), (vec![1], 0));
        sleep(FIRST).await;
        assert_eq!(chronicle.got(), [(2, 0, 1), (2, 2, 1)]);
        assert_eq!(subscription.info().await.unwrap().status.counters.unroutable, 0);
    });
}

#[test]
fn an_hour_with_actors_that_die_again_and_again_loses_nothing_and_charges_only_what_killed() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_shared("s", TOPIC).configure(window(16)).open().await.unwrap();
        let policy = RestartPolicy { max_restarts: 1_000, ..RestartPolicy::default() };
        let chronicle = Chronicle::default();
        for name in ["a", "b", "c"] {
            let writes = chronicle.clone();
            let factory = move || writes.life(|offset, attempt| offset % 5 == 0 && attempt == 1, false);
            subscription.consumer(name).restart(policy.clone()).supervised(factory).await.unwrap();
        }
        for _ in 0..1_200 {
            publish(&bus, 4).await;
            sleep(Duration::from_secs(3)).await;
        }
        sleep(Duration::from_secs(60)).await;
        let info = subscription.info().await.unwrap();
        let (counters, killed) = (info.status.counters, 4_800 / 5);
        assert_eq!((info.lag(), counters.acked, counters.nacked), (0, 4_800, killed));
        assert_eq!((chronicle.begun(), info.consumers.len()), (3 + killed as usize, 3));
        assert_eq!(chronicle.got().iter().filter(|(_, _, attempt)| *attempt > 1).count(), killed as usize);
    });
}

#[test]
fn a_message_that_kills_its_actor_at_every_attempt_does_not_cost_the_consumer() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_shared("s", TOPIC).open().await.unwrap();
        let chronicle = Chronicle::default();
        let own = chronicle.clone();
        subscription
            .consumer("actor")
            .supervised(move || own.life(|offset, _| offset == 0, false))
            .await
            .unwrap();
        publish(&bus, 2).await;
        sleep(Duration::from_secs(30)).await;
        assert_eq!(subscription.parked_count().await.unwrap(), 1);
        assert_eq!(chronicle.got().iter().filter(|(_, offset, _)| *offset == 0).count(), 4);
        assert_eq!(chronicle.got().last().map(|(_, offset, _)| *offset), Some(1));
        assert_eq!(subscription.info().await.unwrap().consumers.len(), 1);
        assert_eq!(subscription.lag().await.unwrap(), 0);
    });
}
