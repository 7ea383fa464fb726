//! How subscriptions end, and what a log that does not answer means for it.

use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::bus::{BusError, Verdict};
use dispatch_core::Envelope;
use dispatch_core::log::{LogError, TopicLog};
use dispatch_tests::support::{Asked, ToldLog, paused};
use futures_util::poll;
use tokio::time::{Instant, sleep};

use crate::support::{Seen, TOPIC, bus, log, publish, settle};

fn failure() -> LogError {
    LogError::unavailable("a test", "it says so")
}

#[test]
fn a_stop_that_nobody_waits_for_frees_the_name_all_the_same() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let slow = |_| sleep(Duration::from_secs(5));
        subscription.consumer("slow").run(slow).await.unwrap();
        publish(&bus, 1).await;
        settle().await;
        let mut stopping = Box::pin(subscription.stop(Duration::from_secs(60)));
        assert!(poll!(&mut stopping).is_pending());
        drop(stopping);
        sleep(Duration::from_secs(6)).await;
        assert!(bus.find("s").await.unwrap().is_none());
        let again = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        assert_eq!(again.lag().await.unwrap(), 0);
        publish(&bus, 1).await;
        assert_eq!(again.lag().await.unwrap(), 1, "it gets what comes");
    });
}

#[test]
fn whoever_stops_a_subscription_twice_hears_twice_of_its_end() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        subscription.consumer("hangs").run(|_| std::future::pending::<()>()).await.unwrap();
        publish(&bus, 1).await;
        settle().await;
        let since = Instant::now();
        let patient = subscription.clone().stop(Duration::from_secs(20));
        let (patient, hasty) = tokio::join!(patient, subscription.stop(Duration::from_secs(2)));
        assert_eq!((patient.unwrap().unacknowledged, hasty.unwrap().unacknowledged), (1, 1));
        assert_eq!(since.elapsed(), Duration::from_secs(2));
        bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
    });
}

#[test]
fn a_flush_says_so_when_the_log_cannot_be_written() {
    paused(async {
        let told = ToldLog::new(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        Seen::default().connect(&subscription, "a").await;
        told.fail(Asked::SaveCursors, failure());
        publish(&bus, 1).await;
        settle().await;
        for _ in 0..2 {
            let since = Instant::now();
            let flushed = subscription.flush().await;
            assert!(matches!(flushed, Err(BusError::Log(_))), "{flushed:?}");
            assert!(since.elapsed() <= Duration::from_secs(1));
        }
        told.go(Asked::SaveCursors);
        subscription.flush().await.unwrap();
        assert_eq!(log.load("s").await.unwrap().unwrap().cursors[0].next.get(), 1);
    });
}

#[test]
fn a_shutdown_waits_no_longer_than_its_deadline_for_what_the_log_does_not_take() {
    paused(async {
        let told = ToldLog::new(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        subscription.consumer("hangs").run(|_| std::future::pending::<()>()).await.unwrap();
        publish(&bus, 1).await;
        settle().await;
        told.hold(Asked::Append);
        let publishing = bus.publish_batch(TOPIC, [Envelope::empty("A"), Envelope::empty("B")]);
        let mut publishing = Box::pin(publishing);
        assert!(poll!(&mut publishing).is_pending());
        let since = Instant::now();
        let report = bus.shutdown(Duration::from_secs(3)).await.unwrap();
        assert_eq!((since.elapsed(), report.unwritten), (Duration::from_secs(3), 2));
        assert_eq!(report.subscriptions[0].unacknowledged, 1);
        assert!(matches!(publishing.await, Err(BusError::Stopped)));
    });
}

#[test]
fn info_is_answered_while_a_backlog_is_worked_off() {
    paused(async {
        let bus = bus(&log());
        publish(&bus, 100_000).await;
        let config = |it: dispatch_core::subscription::SubscriptionConfig| {
            it.starting_at(dispatch_core::subscription::Start::Earliest)
        };
        let subscription = bus.reliable_exclusive("s", TOPIC).configure(config).open().await.unwrap();
        let seen = Seen::default();
        seen.connect_with(&subscription, "a", |_| Verdict::Ack).await;
        let lag = subscription.lag().await.unwrap();
        assert!(lag > 10_000, "asked at the beginning, answered with {lag} to go");
        let metrics = bus.metrics().await.unwrap();
        assert!(metrics.subscriptions["s"].lag() > 0);
        settle().await;
        assert_eq!(seen.offsets().len(), 100_000);
    });
}
