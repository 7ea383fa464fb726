use std::time::Duration;

use dispatch_core::log::{Offset, Retention};
use dispatch_core::subscription::{Start, SubscriptionConfig};
use dispatch_core::{Envelope, Topic};
use dispatch_tests::support::{Asked, ToldLog, paused};
use tokio::time::sleep;

use crate::support::{Seen, TOPIC, builder, bus, log, publish, settle};

#[test]
fn c7_what_somebody_else_appends_is_seen_within_a_heartbeat() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        let topic: Topic = TOPIC.parse().unwrap();
        log.append(&topic, vec![Envelope::empty("OrderPlaced").into()]).await.unwrap();
        sleep(Duration::from_millis(510)).await;
        assert_eq!(seen.offsets(), [0]);
        publish(&bus, 1).await;
        settle().await;
        assert_eq!(seen.offsets(), [0, 1]);
    });
}

#[test]
fn retention_keeps_what_a_subscription_has_not_passed_and_a_forced_gap_is_counted() {
    paused(async {
        let log = log();
        let topic: Topic = TOPIC.parse().unwrap();
        let retention = Retention { max_records: Some(2), ..Retention::default() };
        let first = builder(&log).configure(|config| config.retention = retention.clone()).start().unwrap();
        let subscription = first.reliable_exclusive("s", TOPIC).open().await.unwrap();
        publish(&first, 10).await;
        sleep(Duration::from_secs(31)).await;
        assert_eq!(log.bounds(&topic).await.unwrap().oldest, Offset::ZERO, "its cursor is at 0");
        subscription.stop(Duration::ZERO).await.unwrap();
        first.shutdown(Duration::ZERO).await.unwrap();

        let forced = Retention { force: true, ..retention };
        let second = builder(&log).configure(|config| config.retention = forced).start().unwrap();
        publish(&second, 1).await;
        sleep(Duration::from_secs(31)).await;
        assert_eq!(log.bounds(&topic).await.unwrap().oldest, Offset::new(9));
        let subscription = second.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        settle().await;
        assert_eq!(seen.offsets(), [9, 10]);
        assert_eq!(subscription.info().await.unwrap().status.counters.gap, 9);
    });
}

#[test]
fn an_hour_with_consumers_that_come_go_hang_and_die_loses_nothing() {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    paused(async {
        let bus = bus(&log());
        let config = SubscriptionConfig::new("s", TOPIC)
            .of_type(dispatch_core::subscription::SubscriptionType::Shared)
            .starting_at(Start::Earliest)
            .with_window(16);
        let subscription = bus.subscription(config).open().await.unwrap();
        let mut rng = SmallRng::seed_from_u64(7);
        let (seen, mut consumers, mut published) = (Seen::default(), Vec::new(), 0);
        for round in 0..1_200 {
            publish(&bus, 3).await;
            published += 3;
            match rng.random_range(0..4) {
                0 => consumers.push(
                    subscription.consumer("hangs").run(|_| std::future::pending::<()>()).await.unwrap(),
                ),
                1 => consumers.push(seen.connect(&subscription, &format!("c{round}")).await),
                2 if !consumers.is_empty() => {
                    let gone = consumers.swap_remove(rng.random_range(0..consumers.len()));
                    gone.remove().await.unwrap();
                }
                _ => {}
            }
            sleep(Duration::from_secs(3)).await;
        }
        for consumer in consumers {
            consumer.remove().await.unwrap();
        }
        seen.connect(&subscription, "last").await;
        sleep(Duration::from_secs(120)).await;
        let info = subscription.info().await.unwrap();
        let settled = info.status.counters.acked + info.status.counters.parked;
        assert_eq!((info.lag(), settled), (0, published), "{info:?}");
        assert_eq!(subscription.parked_count().await.unwrap(), info.status.counters.parked);
    });
}

#[test]
fn ten_thousand_idle_subscriptions_ask_the_log_for_nothing_but_the_heads_of_their_topics() {
    paused(async {
        let told = ToldLog::new(log());
        let log: std::sync::Arc<dyn dispatch_core::log::TopicLog> = std::sync::Arc::clone(&told) as _;
        let bus = bus(&log);
        for number in 0..10_000 {
            let opening =
                bus.reliable_exclusive(format!("s{number}"), format!("shop.t{}.events", number % 10));
            opening.open().await.unwrap();
        }
        sleep(Duration::from_secs(10)).await;
        let before = told.counts();
        sleep(Duration::from_secs(60)).await;
        let mut after = told.counts();
        for (asked, count) in before {
            *after.entry(asked).or_default() -= count;
        }
        after.retain(|_, count| *count > 0);
        // A heartbeat asks for the heads of ten topics, and every tenth for new topics.
        assert_eq!(after, std::collections::BTreeMap::from([(Asked::Bounds, 1_200), (Asked::Topics, 12)]));
        assert_eq!(bus.subscriptions().await.unwrap().len(), 10_000);
    });
}

#[test]
fn many_subscriptions_on_as_many_topics_are_opened_and_stopped_in_time() {
    paused(async {
        const MANY: usize = 4_000;
        let bus = bus(&log());
        let before = std::time::Instant::now();
        let mut all = Vec::new();
        for number in 0..MANY {
            let topic = format!("shop.t{number}.events");
            all.push(bus.reliable_exclusive(format!("s{number}"), topic).open().await.unwrap());
        }
        for subscription in all {
            subscription.stop(Duration::ZERO).await.unwrap();
        }
        let each = before.elapsed() / MANY as u32;
        // If each was looked at for each topic, this would be some milliseconds.
        assert!(each < Duration::from_millis(1), "{each:?} for each");
    });
}
