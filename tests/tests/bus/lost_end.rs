//! A log that loses its end while the bus runs.

use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::bus::Subscription;
use dispatch_core::log::{LogRecord, Offset, ReadLimit, TopicLog};
use dispatch_core::subscription::SubscriptionConfig;
use dispatch_core::{Envelope, Topic};
use dispatch_tests::support::{Logs, ToldLog, paused};
use tokio::time::sleep;

use crate::support::{Seen, TOPIC, builder, bus, log, publish, settle};

fn topic() -> Topic {
    TOPIC.parse().unwrap()
}

async fn records(log: &dyn TopicLog) -> Vec<LogRecord> {
    log.read(&topic(), Offset::ZERO, ReadLimit::records(1_000)).await.unwrap().records
}

/// Takes away all but the first records of the usual topic, as a server does that had not flushed them.
async fn lose_all_but(told: &ToldLog, kept: usize) {
    let (before, after) = (told.log(), log());
    for record in records(&*before).await.into_iter().take(kept) {
        after.append(&topic(), vec![record.entry]).await.unwrap();
    }
    for name in before.subscriptions().await.unwrap() {
        after.save(&before.load(&name).await.unwrap().unwrap()).await.unwrap();
    }
    told.replace(after);
}

async fn by_others(told: &ToldLog, count: usize) {
    let entries = (0..count).map(|_| Envelope::empty("ByOthers").into()).collect();
    told.log().append(&topic(), entries).await.unwrap();
}

fn wide(config: SubscriptionConfig) -> SubscriptionConfig {
    config.with_window(100)
}

/// What is said about it, and nothing if it has not been noticed.
async fn said(subscription: &Subscription) -> Option<String> {
    subscription.info().await.unwrap().last_error
}

#[test]
fn what_is_appended_after_a_log_has_lost_its_end_is_delivered_and_the_loss_is_told() {
    for shared in [false, true] {
        let logs = Logs::new();
        tracing::subscriber::with_default(logs.clone(), || {
            paused(async {
                let told = if shared { ToldLog::shared(log()) } else { ToldLog::new(log()) };
                let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
                let bus = bus(&log);
                let reliable = bus.reliable_exclusive("reliable", TOPIC).open().await.unwrap();
                let live = bus.non_reliable_exclusive("live", TOPIC).open().await.unwrap();
                let (kept, heard) = (Seen::default(), Seen::default());
                kept.connect(&reliable, "a").await;
                heard.connect(&live, "a").await;
                publish(&bus, 10).await;
                settle().await;
                lose_all_but(&told, 6).await;
                publish(&bus, 2).await;
                settle().await;
                let all: Vec<_> = (0..10).chain(6..8).collect();
                assert_eq!((kept.offsets(), heard.offsets()), (all.clone(), all), "shared: {shared}");
                let info = reliable.info().await.unwrap();
                assert_eq!((info.lag(), info.status.counters.gap), (0, 0), "all of it was acknowledged");
                assert_eq!(
                    info.last_error.as_deref(),
                    Some(
                        "the log of topic 'shop.order.events' has lost its end: it reached 10 and ends at 6; what is \
                         appended from there on is delivered, what is missing is counted as gap"
                    )
                );
                reliable.flush().await.unwrap();
                let stored = log.load("reliable").await.unwrap().unwrap();
                assert_eq!(stored.cursors[0].next, Offset::new(8));
                publish(&bus, 5).await;
                sleep(Duration::from_secs(2)).await;
                assert_eq!(kept.offsets().split_off(12), [8, 9, 10, 11, 12]);
                assert_eq!(heard.offsets().split_off(12), [8, 9, 10, 11, 12]);
            });
        });
        let text =
            "the log has lost its end: acknowledged messages are gone, and their offsets are given again";
        assert_eq!(logs.of(text).len(), 1, "once, shared: {shared}");
    }
}

#[test]
fn what_was_lost_before_it_was_acknowledged_is_counted_and_what_is_left_is_delivered() {
    paused(async {
        let told = ToldLog::new(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let subscription =
            bus.reliable_exclusive("s", TOPIC).configure(|it| it.with_window(3)).open().await.unwrap();
        let slow = subscription.consumer("slow").run(|_| std::future::pending::<()>()).await.unwrap();
        publish(&bus, 10).await;
        settle().await;
        assert_eq!(subscription.info().await.unwrap().status.in_flight, 3);
        lose_all_but(&told, 2).await;
        publish(&bus, 1).await;
        settle().await;
        let info = subscription.info().await.unwrap();
        assert_eq!((info.status.counters.gap, info.lag(), info.status.in_flight), (8, 3, 3));
        slow.remove().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        settle().await;
        assert_eq!(seen.offsets(), [0, 1, 2]);
        subscription.flush().await.unwrap();
        assert_eq!(log.load("s").await.unwrap().unwrap().cursors[0].next, Offset::new(3));
    });
}

#[test]
fn two_heartbeats_notice_what_others_have_appended_where_the_log_has_lost_its_end() {
    paused(async {
        let told = ToldLog::new(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = builder(&log).configure(|config| config.dedup_capacity = 100).start().unwrap();
        let subscription = bus.reliable_shared("s", TOPIC).configure(wide).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        publish(&bus, 9).await;
        let last = Envelope::empty("Last");
        bus.publish(TOPIC, last.clone()).await.unwrap();
        settle().await;
        lose_all_but(&told, 6).await;
        sleep(Duration::from_millis(600)).await;
        assert_eq!(said(&subscription).await, None, "one may be answered by somebody who is behind");
        by_others(&told, 2).await;
        sleep(Duration::from_millis(500)).await;
        assert!(said(&subscription).await.unwrap().contains("reached 10 and ends at 6"));
        settle().await;
        assert_eq!(seen.offsets().split_off(10), [6, 7]);
        let again = bus.publish(TOPIC, last).await.unwrap();
        assert_eq!((again.offset, again.duplicate), (Some(Offset::new(8)), false), "it was lost");
        settle().await;
        assert_eq!((seen.offsets().split_off(10), subscription.lag().await.unwrap()), (vec![6, 7, 8], 0));
    });
}

#[test]
fn a_log_that_was_answered_for_once_by_somebody_who_is_behind_has_lost_nothing() {
    paused(async {
        let told = ToldLog::new(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        publish(&bus, 10).await;
        settle().await;
        for _ in 0..3 {
            let whole = told.log();
            lose_all_but(&told, 6).await;
            sleep(Duration::from_millis(500)).await;
            told.replace(whole);
            sleep(Duration::from_millis(500)).await;
        }
        publish(&bus, 1).await;
        settle().await;
        assert_eq!((said(&subscription).await, seen.offsets()), (None, (0..11).collect()));
    });
}

#[test]
fn a_topic_that_was_deleted_and_made_again_is_delivered_from_its_beginning() {
    paused(async {
        let told = ToldLog::shared(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let subscription = bus.reliable_shared("s", "shop.**").configure(wide).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        publish(&bus, 3).await;
        settle().await;
        lose_all_but(&told, 0).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(said(&subscription).await, None, "one that is gone may come back");
        publish(&bus, 2).await;
        settle().await;
        assert_eq!(seen.offsets(), [0, 1, 2, 0, 1]);
        assert!(said(&subscription).await.unwrap().contains("reached 3 and ends at 0"));
    });
}
