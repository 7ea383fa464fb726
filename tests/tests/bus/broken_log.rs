//! A log that fails under a bus, in every way that a log can.

use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::bus::{BusError, SeekTo};
use dispatch_core::log::{LogEntry, LogError, Offset, TopicLog};
use dispatch_core::subscription::SubscriptionType;
use dispatch_core::{Envelope, Topic};
use dispatch_tests::support::{Asked, Logs, ToldLog, paused};
use tokio::time::{Instant, sleep};

use crate::support::{Seen, TOPIC, bus, log, publish, settle};

fn failures() -> Vec<LogError> {
    let (topic, what) = (TOPIC.parse().unwrap(), String::from("a test says so"));
    vec![
        LogError::Full { what: what.clone() },
        LogError::ReadOnly { what: what.clone() },
        LogError::Damaged { topic, offset: Offset::new(1), what: what.clone() },
        LogError::failed(what.clone(), "for good"),
        LogError::unavailable(what, "for now"),
    ]
}

#[test]
fn what_cannot_be_stored_is_refused_by_name_and_what_is_stored_is_delivered() {
    for failure in failures() {
        paused(async {
            let told = ToldLog::new(log());
            let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
            let bus = bus(&log);
            let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
            publish(&bus, 2).await;
            told.fail(Asked::Append, failure.repeat());
            told.fail(Asked::SaveCursors, failure.repeat());
            let (text, since) = (failure.to_string(), Instant::now());
            let refused = bus.publish(TOPIC, Envelope::empty("OrderPlaced")).await.unwrap_err();
            assert_eq!((refused.to_string(), since.elapsed()), (text.clone(), Duration::ZERO));
            let seen = Seen::default();
            seen.connect(&subscription, "a").await;
            sleep(Duration::from_secs(6)).await;
            assert_eq!(seen.offsets(), [0, 1]);
            assert_eq!(subscription.info().await.unwrap().last_error.as_deref(), Some(text.as_str()));
            assert_eq!(subscription.flush().await.unwrap_err().to_string(), text);
            for asked in [Asked::Append, Asked::SaveCursors] {
                told.go(asked);
            }
            publish(&bus, 1).await;
            subscription.flush().await.unwrap();
            assert_eq!((seen.offsets(), subscription.lag().await.unwrap()), (vec![0, 1, 2], 0));
        });
    }
}

#[test]
fn what_cannot_be_read_is_waited_for_and_neither_passed_nor_counted_as_gone() {
    for failure in failures() {
        paused(async {
            let told = ToldLog::new(log());
            let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
            let bus = bus(&log);
            let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
            publish(&bus, 3).await;
            told.fail(Asked::Read, failure.repeat());
            let seen = Seen::default();
            seen.connect(&subscription, "a").await;
            sleep(Duration::from_secs(60)).await;
            let info = subscription.info().await.unwrap();
            assert_eq!((info.lag(), info.status.counters.gap), (3, 0));
            assert_eq!(info.last_error.as_deref(), Some(failure.to_string().as_str()));
            told.fail(Asked::Bounds, failure.repeat());
            let refused = subscription.seek(TOPIC, SeekTo::Latest).await.unwrap_err();
            assert!(matches!(refused, BusError::Log(_)), "{refused}");
            let refused = bus.reliable_exclusive("other", TOPIC).open().await.unwrap_err();
            assert!(matches!(refused, BusError::Log(_)), "{refused}");
            told.go(Asked::Read);
            told.go(Asked::Bounds);
            sleep(Duration::from_secs(2)).await;
            assert_eq!(seen.offsets(), [0, 1, 2]);
        });
    }
}

/// With more messages than keep their record in memory, those that were waiting aside are read again.
#[test]
fn a_message_that_waits_for_its_time_is_not_passed_when_its_record_cannot_be_read_again() {
    for failure in failures() {
        paused(async {
            const MANY: usize = 1_100;
            let told = ToldLog::new(log());
            let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
            let bus = bus(&log);
            let config = |it: dispatch_core::subscription::SubscriptionConfig| {
                it.of_type(SubscriptionType::Shared).with_window(64)
            };
            let subscription = bus.reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
            let seen = Seen::default();
            seen.connect(&subscription, "a").await;
            let due = dispatch_actors::testing::start_of_time() + Duration::from_secs(60);
            for _ in 0..11 {
                let batch = (0..MANY / 11).map(|_| LogEntry::new(Envelope::empty("Later")).available_at(due));
                bus.publish_batch(TOPIC, batch).await.unwrap();
                settle().await;
            }
            settle().await;
            told.fail(Asked::Read, failure.repeat());
            let before = told.count(Asked::Read);
            sleep(Duration::from_secs(90)).await;
            let info = subscription.info().await.unwrap();
            assert!(info.lag() > 0, "some cannot be read");
            // They were due half a minute ago: as many as may be at a time were read, then one a second.
            let reads = told.count(Asked::Read) - before;
            assert!((30..=64 + 31).contains(&reads), "{reads} reads");
            assert_eq!(info.status.counters.gap, 0);
            told.go(Asked::Read);
            sleep(Duration::from_secs(5)).await;
            let mut offsets = seen.offsets();
            offsets.sort_unstable();
            assert_eq!(offsets, (0..MANY as u64).collect::<Vec<_>>());
            let topic: Topic = TOPIC.parse().unwrap();
            assert_eq!(log.bounds(&topic).await.unwrap().len(), MANY as u64);
        });
    }
}

#[test]
fn a_log_that_is_away_is_told_once_a_minute_and_not_each_time_it_is_asked() {
    let logs = Logs::new();
    tracing::subscriber::with_default(logs.clone(), || {
        paused(async {
            let told = ToldLog::new(log());
            let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
            let bus = bus(&log);
            let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
            publish(&bus, 1).await;
            told.fail(Asked::Read, LogError::unavailable("for now", "a test"));
            Seen::default().connect(&subscription, "a").await;
            sleep(Duration::from_secs(150)).await;
            assert!(told.count(Asked::Read) > 100);
            told.fail(Asked::Read, LogError::unavailable("for another reason", "a test"));
            sleep(Duration::from_secs(30)).await;
        });
    });
    let lines = logs.of("the log cannot be read; it is tried again, and told again after a minute");
    let reasons: Vec<_> = lines.iter().filter_map(|line| line.get("error")).collect();
    assert_eq!(reasons.iter().filter(|reason| reason.contains("for now")).count(), 3, "{reasons:?}");
    assert_eq!(
        reasons.iter().filter(|reason| reason.contains("for another reason")).count(),
        1,
        "{reasons:?}"
    );
}

#[test]
fn a_record_that_somebody_who_is_behind_does_not_have_is_not_gone() {
    paused(async {
        const MANY: usize = 1_100;
        let told = ToldLog::new(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let subscription =
            bus.reliable_shared("s", TOPIC).configure(|it| it.with_window(64)).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        let due = dispatch_actors::testing::start_of_time() + Duration::from_secs(60);
        // More than have their records kept in memory.
        for _ in 0..11 {
            let batch = (0..MANY / 11).map(|_| LogEntry::new(Envelope::empty("Later")).available_at(due));
            bus.publish_batch(TOPIC, batch).await.unwrap();
            settle().await;
        }
        told.be_behind(true);
        sleep(Duration::from_secs(90)).await;
        let info = subscription.info().await.unwrap();
        assert_eq!((info.lag() > 0, info.status.counters.gap), (true, 0), "some are waited for");
        told.be_behind(false);
        sleep(Duration::from_secs(5)).await;
        let mut offsets = seen.offsets();
        offsets.sort_unstable();
        assert_eq!(offsets, (0..MANY as u64).collect::<Vec<_>>());
    });
}
