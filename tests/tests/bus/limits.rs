//! Limits, and values at the end of what can be given.

use std::time::Duration;

use dispatch_actors::bus::{BusError, Verdict};
use dispatch_core::Envelope;
use dispatch_core::log::{LogEntry, Retention};
use dispatch_core::subscription::SubscriptionConfig;
use dispatch_tests::support::paused;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::support::{Seen, TOPIC, builder, bus, log, publish, settle};

#[test]
fn times_without_an_end_are_no_overflow() {
    paused(async {
        let log = log();
        let bus = builder(&log)
            .configure(|config| {
                config.heartbeat = Duration::MAX;
                config.retention_interval = Duration::MAX;
                config.idle_timeout = Duration::MAX;
                config.dedup_window = Duration::MAX;
                config.dedup_capacity = 10;
                config.retention = Retention { max_age: Some(Duration::MAX), ..Retention::default() };
            })
            .start()
            .unwrap();
        let endless = |it: SubscriptionConfig| {
            it.with_window(4).with_ack_timeout(Duration::MAX).with_cursor_interval(Duration::MAX)
        };
        let subscription = bus.reliable_exclusive("s", TOPIC).configure(endless).open().await.unwrap();
        let live = bus.non_reliable_exclusive("live", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect_with(&subscription, "a", |offset| match offset {
            0 => Verdict::Nack { delay: Some(Duration::MAX), reason: "later".into() },
            _ => Verdict::Ack,
        })
        .await;
        publish(&bus, 3).await;
        bus.publish(TOPIC, LogEntry::new(Envelope::empty("Never")).with_ttl(Duration::MAX)).await.unwrap();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(seen.offsets(), [0, 1, 2, 3]);
        assert_eq!(live.info().await.unwrap().status.counters.no_consumer, 4, "and it has not ended");
        let report = live.stop(Duration::MAX).await.unwrap();
        assert_eq!(report.unacknowledged, 0);
        let report = bus.shutdown(Duration::MAX).await.unwrap();
        assert_eq!((report.subscriptions[0].lag, report.subscriptions[0].unsaved), (4, false));
    });
}

#[test]
fn more_that_waits_than_goes_into_one_append_is_appended_without_a_heartbeat() {
    paused(async {
        let log = log();
        let bus = builder(&log).configure(|config| config.max_batch = 2).start().unwrap();
        let since = Instant::now();
        let publications = (0..500).map(|_| bus.publish(TOPIC, Envelope::empty("OrderPlaced")));
        for published in futures_util::future::join_all(publications).await {
            published.unwrap();
        }
        assert_eq!(since.elapsed(), Duration::ZERO);
        assert_eq!(log.bounds(&TOPIC.parse().unwrap()).await.unwrap().len(), 500);
    });
}

#[test]
fn g4_a_payload_that_is_no_bytes_is_measured_as_it_is_written() {
    #[derive(Serialize)]
    struct Order {
        text: String,
    }
    paused(async {
        let log = log();
        let bus = builder(&log).configure(|config| config.max_payload = 20).start().unwrap();
        let typed = |len| Envelope::typed(Order { text: "x".repeat(len) });
        bus.publish(TOPIC, typed(9)).await.unwrap();
        let refused = bus.publish(TOPIC, typed(10)).await.unwrap_err();
        assert!(matches!(refused, BusError::TooLarge { bytes: 21, limit: 20 }), "{refused}");
        let json = serde_json::json!({ "text": "x".repeat(10) });
        let refused = bus.publish(TOPIC, Envelope::json("Order", json)).await.unwrap_err();
        assert!(matches!(refused, BusError::TooLarge { .. }), "{refused}");
        let batch = bus.publish_batch(TOPIC, [typed(1), typed(100)]).await.unwrap_err();
        assert!(matches!(batch, BusError::TooLarge { .. }), "all or none: {batch}");
        assert_eq!(log.bounds(&TOPIC.parse().unwrap()).await.unwrap().len(), 1);
        let unlimited = builder(&log).configure(|config| config.max_payload = 0).start().unwrap();
        unlimited.publish(TOPIC, typed(100_000)).await.unwrap();
    });
}

#[test]
fn g5_more_subscriptions_and_consumers_than_there_may_be_are_refused_by_name() {
    paused(async {
        let bus = builder(&log()).configure(|config| config.max_subscriptions = 2).start().unwrap();
        let two = |mut it: SubscriptionConfig| {
            it.max_consumers = 2;
            it
        };
        let seen = Seen::default();
        let first = bus.reliable_shared("first", TOPIC).configure(two).open().await.unwrap();
        let second = bus.non_reliable_shared("second", TOPIC).configure(two).open().await.unwrap();
        let refused = bus.reliable_shared("third", TOPIC).open().await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "2 subscriptions are open: stop one first, or raise max_subscriptions"
        );
        bus.reliable_shared("first", TOPIC).configure(two).open().await.expect("it is open already");
        for subscription in [&first, &second] {
            let connect = |name| subscription.consumer(name).run(|_| async {});
            let (a, b, c) = tokio::join!(connect("a"), connect("b"), connect("c"));
            let refused = c.unwrap_err();
            assert!(matches!(refused, BusError::TooManyConsumers { limit: 2, .. }), "{refused}");
            a.unwrap().remove().await.unwrap();
            b.unwrap();
            seen.connect(subscription, "d").await;
        }
        first.stop(Duration::ZERO).await.unwrap();
        bus.reliable_shared("third", TOPIC).open().await.unwrap();
        publish(&bus, 1).await;
        settle().await;
    });
}

#[test]
fn a_window_of_none_is_refused_while_it_runs_too() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_shared("s", TOPIC).open().await.unwrap();
        let refused = subscription.set_window(0).unwrap_err();
        assert!(refused.to_string().contains("window is 0"), "{refused}");
        subscription.set_window(7).unwrap();
        assert_eq!(subscription.info().await.unwrap().status.window, 7);
    });
}
