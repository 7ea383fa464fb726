//! What may be trimmed while a subscription to a pattern has no cursor of its own in a topic.

use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::bus::{Bus, Verdict};
use dispatch_core::log::{Cursor, LogError, Offset, Retention, StoredSubscription, TopicLog};
use dispatch_core::{Envelope, Topic};
use dispatch_tests::support::{Asked, ToldLog, paused};
use tokio::time::sleep;

use crate::support::{Seen, TOPIC, builder, log, publish, settle};

fn trimming(log: &Arc<dyn TopicLog>) -> Bus {
    let retention = Retention { max_records: Some(2), ..Retention::default() };
    builder(log).configure(|config| config.retention = retention).start().unwrap()
}

async fn oldest(log: &Arc<dyn TopicLog>) -> Offset {
    log.bounds(&TOPIC.parse::<Topic>().unwrap()).await.unwrap().oldest
}

#[test]
fn a_topic_that_a_pattern_has_picked_up_keeps_what_was_not_acknowledged() {
    paused(async {
        let log = log();
        let bus = trimming(&log);
        let subscription = bus.reliable_exclusive("s", "shop.*.events").open().await.unwrap();
        let seen = Seen::default();
        seen.connect_with(&subscription, "a", |_| Verdict::Nack { delay: None, reason: "no".into() }).await;
        publish(&bus, 10).await;
        settle().await;
        let stored = log.load("s").await.unwrap().unwrap();
        assert_eq!(stored.cursors.len(), 1, "the cursor stands as soon as the topic does");
        sleep(Duration::from_secs(95)).await;
        assert_eq!(oldest(&log).await, Offset::ZERO);
        assert_eq!(subscription.info().await.unwrap().status.counters.gap, 0);
    });
}

#[test]
fn a_cursor_that_could_not_be_saved_yet_holds_back_what_it_stands_for() {
    paused(async {
        let told = ToldLog::new(log());
        told.fail(Asked::SaveCursors, LogError::unavailable("a test", "it says so"));
        let log: Arc<dyn TopicLog> = told;
        let bus = trimming(&log);
        let _subscription = bus.reliable_exclusive("s", "shop.*.events").open().await.unwrap();
        publish(&bus, 10).await;
        sleep(Duration::from_secs(95)).await;
        assert_eq!(oldest(&log).await, Offset::ZERO);
    });
}

#[test]
fn a_stopped_pattern_keeps_a_topic_that_has_come_to_be_meanwhile() {
    paused(async {
        let log = log();
        let bus = trimming(&log);
        let subscription = bus.reliable_exclusive("s", "shop.*.events").open().await.unwrap();
        subscription.stop(Duration::ZERO).await.unwrap();
        publish(&bus, 10).await;
        sleep(Duration::from_secs(95)).await;
        assert_eq!(oldest(&log).await, Offset::ZERO);
        let subscription = bus.reliable_exclusive("s", "shop.*.events").open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        settle().await;
        assert_eq!(seen.offsets(), (0..10).collect::<Vec<_>>());
        subscription.flush().await.unwrap();
        sleep(Duration::from_secs(31)).await;
        assert_eq!(oldest(&log).await, Offset::new(8), "what was acknowledged goes");
        subscription.stop(Duration::ZERO).await.unwrap();
        bus.unsubscribe("s").await.unwrap();
        bus.publish("shop.other.events", Envelope::empty("OrderPlaced")).await.unwrap();
    });
}

#[test]
fn a_trim_that_takes_longer_than_its_interval_is_not_started_beside_itself() {
    paused(async {
        let told = ToldLog::new(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = trimming(&log);
        publish(&bus, 10).await;
        told.hold(Asked::Trim);
        sleep(Duration::from_secs(125)).await;
        assert_eq!(told.count(Asked::Trim), 1);
        told.go(Asked::Trim);
        publish(&bus, 10).await;
        sleep(Duration::from_secs(31)).await;
        assert_eq!((told.count(Asked::Trim), oldest(&log).await), (2, Offset::new(18)));
    });
}

#[test]
fn a_subscription_whose_definition_cannot_be_read_keeps_topics_that_it_has_no_cursor_in() {
    paused(async {
        const KNOWN: &str = "shop.known.events";
        let log = log();
        let bus = trimming(&log);
        let definition = serde_json::json!({ "of": "a version to come" });
        let cursors = vec![Cursor::at(KNOWN.parse().unwrap(), Offset::new(5))];
        log.save(&StoredSubscription { name: "newer".into(), definition, cursors }).await.unwrap();
        publish(&bus, 10).await;
        bus.publish_batch(KNOWN, (0..10).map(|_| Envelope::empty("OrderPlaced"))).await.unwrap();
        let oldest = async || {
            let of = async |topic: &str| log.bounds(&topic.parse().unwrap()).await.unwrap().oldest.get();
            (of(TOPIC).await, of(KNOWN).await)
        };
        sleep(Duration::from_secs(31)).await;
        assert_eq!(oldest().await, (0, 5));
        log.remove("newer").await.unwrap();
        sleep(Duration::from_secs(31)).await;
        assert_eq!(oldest().await, (8, 8));
    });
}
