use std::time::Duration;

use dispatch_core::log::{Offset, Retention};
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
#[cfg(target_os = "linux")]
fn many_subscriptions_on_as_many_topics_are_opened_and_stopped_in_time() {
    /// What this thread has taken of a processor, however many others want it.
    fn taken() -> Duration {
        let figures = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(figures.split(' ').next().unwrap().parse().unwrap())
    }

    paused(async {
        const MANY: usize = 4_000;
        let bus = bus(&log());
        let before = taken();
        let mut all = Vec::new();
        for number in 0..MANY {
            let topic = format!("shop.t{number}.events");
            all.push(bus.reliable_exclusive(format!("s{number}"), topic).open().await.unwrap());
        }
        for subscription in all {
            subscription.stop(Duration::ZERO).await.unwrap();
        }
        let each = (taken() - before) / MANY as u32;
        // If each was looked at for each topic, this would be some milliseconds.
        assert!(each < Duration::from_millis(1), "{each:?} for each");
    });
}
