//! A log that others append to as well.

use std::sync::Arc;
use std::time::Duration;

use dispatch_core::log::{LogError, TopicLog};
use dispatch_core::{Envelope, Topic};
use dispatch_tests::support::{Asked, ToldLog, paused};
use tokio::time::sleep;

use crate::support::{Seen, TOPIC, bus, log, publish, settle};

async fn by_others(log: &Arc<dyn TopicLog>, topic: &str, count: usize) {
    let topic: Topic = topic.parse().unwrap();
    let entries = (0..count).map(|_| Envelope::empty("OrderPlaced").into()).collect();
    log.append(&topic, entries).await.unwrap();
}

#[test]
fn at_most_once_hears_what_others_publish_in_order_and_once() {
    paused(async {
        let told = ToldLog::shared(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        by_others(&log, TOPIC, 3).await;
        let exact = bus.non_reliable_exclusive("exact", TOPIC).open().await.unwrap();
        let pattern = bus.non_reliable_shared("pattern", "shop.**").open().await.unwrap();
        let (one, many) = (Seen::default(), Seen::default());
        one.connect(&exact, "a").await;
        many.connect(&pattern, "a").await;
        by_others(&log, TOPIC, 1).await;
        publish(&bus, 1).await;
        by_others(&log, TOPIC, 2).await;
        sleep(Duration::from_secs(1)).await;
        publish(&bus, 2).await;
        by_others(&log, TOPIC, 3_000).await;
        sleep(Duration::from_secs(1)).await;
        let all: Vec<_> = (3..3_009).collect();
        assert_eq!(one.offsets(), all, "what was there before it was opened is not for it");
        assert_eq!(many.offsets(), all);
    });
}

#[test]
fn at_most_once_a_read_that_fails_is_made_again() {
    paused(async {
        let told = ToldLog::shared(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let live = bus.non_reliable_exclusive("live", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&live, "a").await;
        told.fail(Asked::Read, LogError::unavailable("a test", "it says so"));
        by_others(&log, TOPIC, 2).await;
        publish(&bus, 1).await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(seen.offsets(), Vec::<u64>::new());
        told.go(Asked::Read);
        sleep(Duration::from_millis(501)).await;
        assert_eq!(seen.offsets(), [0, 1, 2]);
    });
}

#[test]
fn a_topic_that_another_process_begins_joins_a_pattern_within_ten_heartbeats() {
    paused(async {
        let told = ToldLog::shared(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let reliable = bus.reliable_exclusive("reliable", "shop.**").open().await.unwrap();
        let live = bus.non_reliable_exclusive("live", "shop.**").open().await.unwrap();
        let (kept, heard) = (Seen::default(), Seen::default());
        kept.connect(&reliable, "a").await;
        heard.connect(&live, "a").await;
        by_others(&log, "shop.new.events", 2).await;
        sleep(Duration::from_millis(4_900)).await;
        assert!(kept.offsets().is_empty(), "topics are looked for with every tenth heartbeat");
        sleep(Duration::from_millis(700)).await;
        assert_eq!((kept.offsets(), heard.offsets()), (vec![0, 1], vec![0, 1]));
        settle().await;
    });
}

#[test]
fn a_second_subscription_does_not_swallow_the_wake_up_of_the_first() {
    paused(async {
        let told = ToldLog::shared(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let reliable = bus.reliable_exclusive("reliable", TOPIC).open().await.unwrap();
        let live = bus.non_reliable_exclusive("live", TOPIC).open().await.unwrap();
        let (kept, heard) = (Seen::default(), Seen::default());
        kept.connect(&reliable, "a").await;
        heard.connect(&live, "a").await;
        by_others(&log, TOPIC, 2).await;
        let _second = bus.reliable_exclusive("second", TOPIC).open().await.unwrap();
        settle().await;
        assert_eq!((kept.offsets(), heard.offsets()), (vec![0, 1], vec![0, 1]), "before the first heartbeat");
    });
}

#[test]
fn while_an_append_is_under_way_the_log_is_not_asked_again_and_again_how_long_it_is() {
    paused(async {
        let inner = log();
        let told = ToldLog::shared(Arc::clone(&inner));
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let subscription = bus.reliable_shared("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        sleep(Duration::from_millis(501)).await;
        assert_eq!(told.count(Asked::Tail), 1, "it is followed");
        told.hold(Asked::Append);
        let mut published = Box::pin(bus.publish(TOPIC, Envelope::empty("OrderPlaced")));
        assert!(futures_util::poll!(&mut published).is_pending());
        settle().await;
        by_others(&inner, TOPIC, 1).await;
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(told.count(Asked::Tail), 1, "the append under way tells it");
        told.go(Asked::Append);
        published.await.unwrap();
        settle().await;
        assert_eq!(seen.offsets(), [0, 1]);
        by_others(&inner, TOPIC, 1).await;
        settle().await;
        assert_eq!((seen.offsets(), told.count(Asked::Tail)), (vec![0, 1, 2], 3), "it is followed again");
    });
}
