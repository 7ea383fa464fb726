use std::time::Duration;

use dispatch_actors::bus::BusError;
use dispatch_core::Envelope;
use dispatch_core::log::{LogEntry, Offset, ReadLimit};
use dispatch_core::policy::RateLimit;
use dispatch_core::subscription::SubscriptionConfig;
use dispatch_tests::support::paused;

use crate::support::{Seen, TOPIC, builder, bus, log, publish, settle};

#[test]
fn a_message_is_published_when_the_log_has_it_whoever_has_subscribed() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        let published = bus.publish(TOPIC, Envelope::empty("OrderPlaced")).await.unwrap();
        assert_eq!((published.offset, published.duplicate), (Some(Offset::ZERO), false));
        let published = bus.publish_batch(TOPIC, [Envelope::empty("A"), Envelope::empty("B")]).await.unwrap();
        let offsets: Vec<_> = published.iter().map(|published| published.offset.unwrap().get()).collect();
        assert_eq!(offsets, [1, 2]);
        let topic = TOPIC.parse().unwrap();
        let read = log.read(&topic, Offset::ZERO, ReadLimit::records(10)).await.unwrap();
        assert_eq!(read.records.len(), 3);
        assert_eq!(read.records[2].entry.envelope.message_type_str(), "B");
        assert_eq!(read.records[2].entry.envelope.topic(), Some(&topic));
    });
}

#[test]
fn c6_a_message_is_delivered_when_it_is_published_and_not_with_the_next_heartbeat() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        publish(&bus, 1).await;
        settle().await;
        assert_eq!(seen.offsets(), [0]);
    });
}

#[test]
fn g1_the_rest_of_a_burst_over_the_rate_comes_though_nothing_else_happens() {
    paused(async {
        let bus = bus(&log());
        let slow = |it: SubscriptionConfig| it.with_window(10).with_rate(RateLimit::per_second(50));
        let subscription = bus.reliable_exclusive("s", TOPIC).configure(slow).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        publish(&bus, 5).await;
        for expected in 1..=5 {
            settle().await;
            assert_eq!(seen.offsets().len(), expected);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn g3_the_rate_of_a_subscription_slows_no_publisher() {
    paused(async {
        let bus = bus(&log());
        let slow = |it: SubscriptionConfig| it.with_window(1_000).with_rate(RateLimit::per_second(50));
        let subscription = bus.reliable_exclusive("s", TOPIC).configure(slow).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        let since = tokio::time::Instant::now();
        for _ in 0..1_000 {
            publish(&bus, 1).await;
        }
        assert_eq!(since.elapsed(), Duration::ZERO);
        tokio::time::sleep(Duration::from_millis(1_990)).await;
        assert_eq!((seen.offsets().len(), subscription.lag().await.unwrap()), (100, 900));
    });
}

#[test]
fn g3_more_than_may_wait_for_the_log_is_refused_by_name_and_the_rest_is_stored() {
    paused(async {
        let log = log();
        let bus = builder(&log).configure(|config| config.max_waiting = 10).start().unwrap();
        let publications = (0..15).map(|_| bus.publish(TOPIC, Envelope::empty("OrderPlaced")));
        let published = futures_util::future::join_all(publications).await;
        let refused: Vec<_> = published.iter().filter_map(|it| it.as_ref().err()).collect();
        assert_eq!(refused.len(), 5);
        assert_eq!(
            refused[0].to_string(),
            "10 messages wait to be appended to topic 'shop.order.events': publish more slowly, or raise max_waiting"
        );
        publish(&bus, 1).await;
        assert_eq!(log.bounds(&TOPIC.parse().unwrap()).await.unwrap().len(), 11);
    });
}

#[test]
fn h1_what_many_publish_at_once_is_delivered_in_the_order_of_the_log() {
    paused(async {
        let bus = bus(&log());
        let subscription =
            bus.reliable_exclusive("s", TOPIC).configure(|it| it.with_window(100)).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        let publishers = (0..8).map(|_| async {
            for _ in 0..50 {
                bus.publish(TOPIC, Envelope::empty("OrderPlaced")).await.unwrap();
            }
        });
        futures_util::future::join_all(publishers).await;
        settle().await;
        assert_eq!(seen.offsets(), (0..400).collect::<Vec<_>>());
        assert_eq!(subscription.lag().await.unwrap(), 0);
    });
}

#[test]
fn h2_a_publisher_that_is_faster_than_the_consumer_loses_nothing() {
    paused(async {
        let bus = bus(&log());
        let subscription =
            bus.reliable_shared("s", "shop.**").configure(|it| it.with_window(4)).open().await.unwrap();
        let seen = Seen::default();
        for name in ["a", "b", "c"] {
            seen.connect(&subscription, name).await;
        }
        for _ in 0..100 {
            publish(&bus, 100).await;
        }
        settle().await;
        let mut offsets = seen.offsets();
        offsets.sort_unstable();
        assert_eq!(offsets, (0..10_000).collect::<Vec<_>>());
    });
}

#[test]
fn an_envelope_that_is_published_again_is_stored_once() {
    paused(async {
        let log = log();
        let bus = builder(&log).configure(|config| config.dedup_capacity = 100).start().unwrap();
        let envelope = Envelope::empty("OrderPlaced");
        let first = bus.publish(TOPIC, envelope.clone()).await.unwrap();
        let again = bus.publish(TOPIC, envelope.clone()).await.unwrap();
        assert!(!first.duplicate && again.duplicate);
        let other = bus.publish("shop.invoice.events", envelope.clone()).await.unwrap();
        assert!(!other.duplicate, "each topic has a window of its own");
        tokio::time::sleep(Duration::from_secs(121)).await;
        assert!(!bus.publish(TOPIC, envelope).await.unwrap().duplicate);
        assert_eq!(log.bounds(&TOPIC.parse().unwrap()).await.unwrap().len(), 2);
    });
}

#[test]
fn g4_what_is_too_large_or_has_no_valid_topic_is_refused_and_nothing_is_stored() {
    paused(async {
        let log = log();
        let bus = builder(&log).configure(|config| config.max_payload = 10).start().unwrap();
        let large = Envelope::bytes("Blob", vec![0; 11], "application/octet-stream");
        let error = bus.publish(TOPIC, large).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the payload has 11 bytes, the bus takes 10: send less, or raise max_payload"
        );
        let error = bus.publish("shop..events", Envelope::empty("A")).await.unwrap_err();
        assert!(matches!(error, BusError::Topic { .. }), "{error}");
        assert!(log.topics().await.unwrap().is_empty());
    });
}

#[test]
fn delayed_messages_come_when_they_are_due_and_old_ones_never() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        let now = dispatch_actors::testing::start_of_time();
        let later = LogEntry::new(Envelope::empty("Later")).available_at(now + Duration::from_secs(60));
        bus.publish(TOPIC, later).await.unwrap();
        let old = LogEntry::new(Envelope::empty("Old")).expires_at(now - Duration::from_secs(1));
        bus.publish(TOPIC, old).await.unwrap();
        publish(&bus, 1).await;
        settle().await;
        assert_eq!(seen.offsets(), [2]);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(seen.offsets(), [2, 0]);
        let info = subscription.info().await.unwrap();
        assert_eq!((info.lag(), info.status.counters.expired), (0, 1));
    });
}

#[test]
fn at_most_once_what_is_dropped_is_counted_by_its_reason() {
    paused(async {
        let bus = bus(&log());
        let config = |mut it: dispatch_core::subscription::SubscriptionConfig| {
            it.max_aside = 2;
            it
        };
        let subscription = bus.non_reliable_exclusive("s", TOPIC).configure(config).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        let now = dispatch_actors::testing::start_of_time();
        let at = |seconds| now + Duration::from_secs(seconds);
        let later = |seconds| LogEntry::new(Envelope::empty("Later")).available_at(at(seconds));
        bus.publish(TOPIC, later(10)).await.unwrap();
        bus.publish(TOPIC, later(20).expires_at(at(15))).await.unwrap();
        bus.publish(TOPIC, later(10)).await.unwrap(); // two wait already
        subscription.pause();
        publish(&bus, 3).await;
        tokio::time::sleep(Duration::from_secs(11)).await;
        subscription.resume();
        tokio::time::sleep(Duration::from_secs(10)).await;
        publish(&bus, 1).await;
        settle().await;
        assert_eq!(seen.offsets(), [6]);
        let status = subscription.info().await.unwrap().status;
        let counters = status.counters;
        assert_eq!((counters.paused, counters.aside_full, counters.expired), (4, 1, 1));
        assert_eq!((counters.delivered, status.aside), (1, 0));
    });
}

#[test]
fn a_transient_topic_has_no_log_and_is_heard_by_whoever_is_there() {
    paused(async {
        let log = log();
        let bus = builder(&log).transient("telemetry.**").start().unwrap();
        let subscription = bus.non_reliable_shared("dashboard", "telemetry.**").open().await.unwrap();
        let published = bus.publish("telemetry.cpu", Envelope::empty("Load")).await.unwrap();
        assert_eq!(published.offset, None);
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        seen.connect(&subscription, "b").await;
        bus.publish_batch("telemetry.cpu", (0..4).map(|_| Envelope::empty("Load"))).await.unwrap();
        settle().await;
        let who: Vec<_> = seen.all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(who, ["a", "b", "a", "b"]);
        assert_eq!(subscription.info().await.unwrap().status.counters.no_consumer, 1);
        assert!(log.topics().await.unwrap().is_empty());
        let refused = bus.reliable_exclusive("s", "telemetry.cpu").open().await.unwrap_err();
        assert!(matches!(refused, BusError::Transient { .. }), "{refused}");
    });
}

#[test]
fn after_a_shutdown_nothing_is_taken_and_what_was_taken_is_in_the_log() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let publishing = bus.publish(TOPIC, Envelope::empty("OrderPlaced"));
        let (published, report) = tokio::join!(publishing, bus.shutdown(Duration::from_secs(1)));
        assert_eq!(published.unwrap().offset, Some(Offset::ZERO));
        assert_eq!(report.unwrap().subscriptions[0].lag, 1);
        let error = bus.publish(TOPIC, Envelope::empty("OrderPlaced")).await.unwrap_err();
        assert!(matches!(error, BusError::Stopped), "{error}");
        assert!(matches!(subscription.info().await, Err(BusError::Stopped)));
        assert_eq!(log.bounds(&TOPIC.parse().unwrap()).await.unwrap().len(), 1);
    });
}

#[test]
fn g6_while_a_bus_stops_it_refuses_publications_and_subscriptions_at_once() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let slow = |_| tokio::time::sleep(Duration::from_secs(10));
        subscription.consumer("slow").run(slow).await.unwrap();
        publish(&bus, 1).await;
        settle().await;
        let late = async {
            settle().await;
            let since = tokio::time::Instant::now();
            let published = bus.publish(TOPIC, Envelope::empty("OrderPlaced")).await;
            assert!(matches!(published, Err(BusError::Stopped)), "{published:?}");
            let opened = bus.reliable_exclusive("late", TOPIC).open().await;
            assert!(matches!(opened, Err(BusError::Stopped)), "{opened:?}");
            assert_eq!(since.elapsed(), Duration::ZERO);
        };
        let (report, ()) = tokio::join!(bus.shutdown(Duration::from_secs(60)), late);
        let left = &report.unwrap().subscriptions[0];
        assert_eq!((left.unacknowledged, left.lag, left.unsaved), (0, 0, false));
        assert_eq!(log.bounds(&TOPIC.parse().unwrap()).await.unwrap().len(), 1);
    });
}
