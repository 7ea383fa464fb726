//! Consumers that hang, are paused, or are dead and nobody knows.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_actors::bus::{Acknowledge, BusError};
use dispatch_core::Envelope;
use dispatch_core::subscription::{SubscriptionConfig, SubscriptionType};
use dispatch_tests::support::paused;
use tokio::time::sleep;

use crate::consumers::{AckAll, Stop, keeper};
use crate::support::{Seen, TOPIC, bus, log, publish, settle};

#[test]
fn a_function_that_hangs_is_dropped_when_its_time_is_over() {
    paused(async {
        let bus = bus(&log());
        let config = |mut it: SubscriptionConfig| {
            it.retry = it.retry.with_max_retries(1_000);
            it.with_window(4)
        };
        let subscription = bus.reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
        let alive = Arc::new(());
        let own = Arc::clone(&alive);
        let hang = move |_| {
            let own = Arc::clone(&own);
            async move {
                std::future::pending::<()>().await;
                drop(own);
            }
        };
        subscription.consumer("hangs").run(hang).await.unwrap();
        publish(&bus, 10).await;
        for _ in 0..20 {
            sleep(Duration::from_secs(60)).await;
            let running = Arc::strong_count(&alive) - 2;
            assert!(running <= 4, "{running} functions run, the window is 4");
        }
        assert!(subscription.info().await.unwrap().status.counters.timed_out > 10);
    });
}

#[test]
fn a_function_that_answers_by_itself_and_hangs_is_dropped_too() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_shared("s", TOPIC).open().await.unwrap();
        let alive = Arc::new(());
        let own = Arc::clone(&alive);
        let hang = move |_, acknowledge: Acknowledge| {
            let own = Arc::clone(&own);
            async move {
                std::future::pending::<()>().await;
                drop((own, acknowledge));
            }
        };
        subscription.consumer("hangs").run_manual(hang).await.unwrap();
        publish(&bus, 1).await;
        sleep(Duration::from_secs(500)).await;
        assert_eq!(Arc::strong_count(&alive), 2, "it is parked by now, and nothing runs");
        assert_eq!(subscription.parked_count().await.unwrap(), 1);
    });
}

#[test]
fn an_actor_that_answers_nothing_has_a_bounded_number_of_messages() {
    paused(async {
        let bus = bus(&log());
        let config = |mut it: SubscriptionConfig| {
            it.capacity = 5;
            it
        };
        let subscription = bus.reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
        let seen = Seen::default();
        let actor = keeper(&seen).start();
        subscription.consumer("actor").actor(actor.clone().recipient()).await.unwrap();
        publish(&bus, 100).await;
        sleep(Duration::from_secs(3_600)).await;
        assert_eq!(seen.all().len(), 5);
        actor.send(AckAll).await.unwrap();
        settle().await;
        assert!(seen.all().len() > 5, "it has answered, if late");
    });
}

#[test]
fn at_most_once_a_dead_actor_costs_nobody_a_message() {
    paused(async {
        let bus = bus(&log());
        let shared = bus.non_reliable_shared("shared", TOPIC).open().await.unwrap();
        let config = |it: SubscriptionConfig| it.of_type(SubscriptionType::Failover);
        let failover = bus.non_reliable_exclusive("failover", TOPIC).configure(config).open().await.unwrap();
        let (seen, others) = (Seen::default(), Seen::default());
        let actor = keeper(&others).start();
        for subscription in [&shared, &failover] {
            subscription.consumer("actor").actor(actor.clone().recipient()).await.unwrap();
            seen.connect(subscription, subscription.name()).await;
        }
        actor.send(Stop).await.unwrap();
        settle().await;
        publish(&bus, 4).await;
        settle().await;
        let of = |name: &str| seen.all().into_iter().filter(|(own, _)| own == name).count();
        assert_eq!((of("shared"), of("failover"), others.all().len()), (4, 4, 0));
        let info = shared.info().await.unwrap();
        assert_eq!((info.consumers.len(), info.status.counters.full), (1, 0), "noticed at once");
    });
}

#[test]
fn a_paused_consumer_gets_nothing_until_it_is_resumed() {
    paused(async {
        let bus = bus(&log());
        let shared = bus.reliable_shared("shared", TOPIC).open().await.unwrap();
        let live = bus.non_reliable_shared("live", TOPIC).open().await.unwrap();
        for subscription in [shared, live] {
            subscription.ready().await.unwrap();
            let seen = Seen::default();
            let first = seen.connect(&subscription, "a").await;
            seen.connect(&subscription, "b").await;
            first.pause().await.unwrap();
            publish(&bus, 4).await;
            settle().await;
            let names = |seen: &Seen| seen.all().into_iter().map(|(name, _)| name).collect::<String>();
            assert_eq!(names(&seen), "bbbb");
            first.resume().await.unwrap();
            publish(&bus, 4).await;
            settle().await;
            assert_eq!(names(&seen), "bbbbabab");
            subscription.clone().stop(Duration::ZERO).await.unwrap();
            assert!(matches!(subscription.ready().await, Err(BusError::Stopped)));
        }
    });
}

#[test]
fn at_most_once_a_key_stays_with_its_consumer_and_moves_when_that_goes() {
    paused(async {
        let bus = bus(&log());
        let config = |it: SubscriptionConfig| it.of_type(SubscriptionType::KeyShared);
        let subscription = bus.non_reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
        let seen = Seen::default();
        let first = seen.connect(&subscription, "a").await;
        seen.connect(&subscription, "b").await;
        let keys: Vec<_> = (0..40).map(|key| format!("key{key}")).collect();
        let round = || async {
            let before = seen.all().len();
            let batch = keys.iter().map(|key| Envelope::empty("OrderPlaced").with_key(key.as_str()));
            bus.publish_batch(TOPIC, batch).await.unwrap();
            settle().await;
            seen.all().split_off(before).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let owners = round().await;
        assert_eq!(owners, round().await, "the same key, the same consumer");
        let of_a = owners.iter().filter(|name| *name == "a").count();
        assert!((10..=30).contains(&of_a), "{of_a} of 40 keys");
        first.remove().await.unwrap();
        assert_eq!(round().await, vec!["b"; 40]);
        let limited = subscription.consumer("c").keys("none*").run(|_| async {}).await.unwrap();
        assert_eq!(round().await, vec!["b"; 40], "it takes none of these");
        limited.remove().await.unwrap();
    });
}
