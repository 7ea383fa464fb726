//! The bus on a log in a folder, where the folder has something to say.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dispatch_adapters::bus::{Bus, BusError, Delivery, SeekTo, Start, Subscription, SubscriptionConfig};
use dispatch_adapters::model::log::{LogError, Offset, Retention, TopicLog};
use tokio::sync::{Notify, mpsc};

use crate::support::{damage_six, fill, numbered, open, run, topic};

const TOPIC: &str = "shop.order.events";

/// From the beginning, a few at a time.
fn config(name: &str) -> SubscriptionConfig {
    SubscriptionConfig::new(name, TOPIC).starting_at(Start::Earliest).with_window(10)
}

/// What a consumer gets.
struct Got(mpsc::UnboundedReceiver<u64>);

impl Got {
    /// Connects a consumer that acknowledges what it gets.
    async fn of(subscription: &Subscription) -> Self {
        let (sent, got) = mpsc::unbounded_channel();
        let run = move |delivery: Delivery| {
            sent.send(delivery.offset().get()).unwrap();
            async {}
        };
        subscription.consumer("one").run(run).await.unwrap();
        Self(got)
    }

    /// Waits for so many.
    async fn next(&mut self, count: usize) -> Vec<u64> {
        let mut offsets = Vec::with_capacity(count);
        while offsets.len() < count {
            offsets.push(self.0.recv().await.unwrap());
        }
        offsets
    }
}

async fn end(bus: Bus) {
    bus.shutdown(Duration::from_secs(10)).await.unwrap();
    bus.log().close().await.unwrap();
}

#[test]
fn f8_a_subscription_stops_before_a_damaged_record_says_so_and_can_be_led_past_it() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path()).await.unwrap();
        fill(&log, &topic(), 0..10).await;
        log.close().await.unwrap();
        damage_six(folder.path());
        let bus = Bus::builder(open(folder.path()).await.unwrap()).start().unwrap();
        let subscription = bus.subscription(config("s")).open().await.unwrap();
        let mut got = Got::of(&subscription).await;
        assert_eq!(got.next(6).await, [0, 1, 2, 3, 4, 5]);
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let info = loop {
            let info = subscription.info().await.unwrap();
            if info.last_error.is_some() && info.status.topics[0].cursor == Offset::new(6) {
                break info;
            }
            look.tick().await;
        };
        let said = info.last_error.as_deref().unwrap();
        assert!(said.contains("record 6 of topic 'shop.order.events' is damaged"), "{said}");
        assert_eq!((info.lag(), info.status.counters.gap), (4, 0));
        assert!(got.0.try_recv().is_err(), "nothing behind it is handed out");
        let next = subscription.seek(TOPIC, SeekTo::Offset(Offset::new(7))).await.unwrap();
        assert_eq!((next, got.next(3).await), (Offset::new(7), vec![7, 8, 9]));
        end(bus).await;
    });
}

#[test]
fn f8_what_is_left_of_a_torn_log_is_delivered_and_goes_on_without_a_gap() {
    run(async {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let log = open(from.path()).await.unwrap();
        fill(&log, &topic(), 0..10).await;
        for name in ["log.lock", "log.db", "log.db-wal"] {
            fs::copy(from.path().join(name), to.path().join(name)).unwrap();
        }
        log.close().await.unwrap();
        let ahead = fs::OpenOptions::new().write(true).open(to.path().join("log.db-wal")).unwrap();
        ahead.set_len(ahead.metadata().unwrap().len() - 100).unwrap();
        let bus = Bus::builder(open(to.path()).await.unwrap()).start().unwrap();
        let left = bus.log().bounds(&topic()).await.unwrap().head.get();
        assert!((1..10).contains(&left), "{left}");
        let subscription = bus.subscription(config("s")).open().await.unwrap();
        let mut got = Got::of(&subscription).await;
        let published = bus.publish(TOPIC, numbered(77)).await.unwrap();
        assert_eq!(published.offset, Some(Offset::new(left)));
        let wanted: Vec<_> = (0..=left).collect();
        assert_eq!(got.next(wanted.len()).await, wanted);
        end(bus).await;
    });
}

#[test]
fn f9_a_consumer_that_stalls_gets_everything_from_the_folder_and_in_order() {
    const COUNT: u64 = 3_000;
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::builder(open(folder.path()).await.unwrap()).start().unwrap();
        let subscription = bus.subscription(config("s").with_window(1)).open().await.unwrap();
        let (sent, got) = mpsc::unbounded_channel();
        let (stalled, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let run = {
            let (stalled, goes_on) = (Arc::clone(&stalled), Arc::clone(&goes_on));
            move |delivery: Delivery| {
                let offset = delivery.offset().get();
                sent.send(offset).unwrap();
                let (stalled, goes_on) = (Arc::clone(&stalled), Arc::clone(&goes_on));
                async move {
                    if offset == 0 {
                        stalled.notify_one();
                        goes_on.notified().await;
                    }
                }
            }
        };
        subscription.consumer("one").run(run).await.unwrap();
        bus.publish(TOPIC, numbered(0)).await.unwrap();
        stalled.notified().await;
        for batch in 0..3 {
            bus.publish_batch(TOPIC, (0..COUNT / 3).map(|at| numbered(batch * COUNT / 3 + at)))
                .await
                .unwrap();
        }
        assert_eq!(subscription.lag().await.unwrap(), COUNT + 1);
        goes_on.notify_one();
        let wanted: Vec<_> = (0..=COUNT).collect();
        assert_eq!(Got(got).next(wanted.len()).await, wanted);
        end(bus).await;
    });
}

#[test]
fn a_subscription_that_is_being_opened_while_the_bus_stops_is_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::builder(open(folder.path()).await.unwrap()).start().unwrap();
        let subscription = bus.subscription(config("s")).open().await.unwrap();
        let (begun, ends) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let run = {
            let (begun, ends) = (Arc::clone(&begun), Arc::clone(&ends));
            move |_| {
                let (begun, ends) = (Arc::clone(&begun), Arc::clone(&ends));
                async move {
                    begun.notify_one();
                    ends.notified().await;
                }
            }
        };
        subscription.consumer("slow").run(run).await.unwrap();
        bus.publish(TOPIC, numbered(0)).await.unwrap();
        begun.notified().await;
        // It is asked for first, and the log has not answered yet when the bus is told to stop.
        let late = async {
            let opened = bus.subscription(config("late")).open().await;
            ends.notify_one();
            opened
        };
        let (opened, report) = tokio::join!(late, bus.shutdown(Duration::from_secs(10)));
        assert!(matches!(opened, Err(BusError::Stopped)), "{opened:?}");
        assert_eq!(report.unwrap().subscriptions.len(), 1);
        bus.log().close().await.unwrap();
    });
}

#[test]
fn a_bus_whose_handles_are_gone_gives_its_folder_up() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::builder(open(folder.path()).await.unwrap()).start().unwrap();
        let subscription = bus.subscription(config("s")).open().await.unwrap();
        let mut got = Got::of(&subscription).await;
        bus.publish(TOPIC, numbered(0)).await.unwrap();
        assert_eq!(got.next(1).await, [0]);
        drop((bus, subscription));
        // It ends on its own thread.
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let log = loop {
            match open(folder.path()).await {
                Ok(log) => break log,
                Err(error) => assert!(matches!(error, LogError::Locked { .. }), "{error}"),
            }
            look.tick().await;
        };
        log.close().await.unwrap();
    });
}

#[test]
fn f11_retention_by_size_waits_for_the_slowest_cursor_and_the_rest_is_read_in_order() {
    const MOST: u64 = 64 * 1024;
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::builder(open(folder.path()).await.unwrap()).start().unwrap();
        let (quick, slow) = (bus.subscription(config("quick")), bus.subscription(config("slow")));
        let (quick, slow) = (quick.open().await.unwrap(), slow.open().await.unwrap());
        let mut got = Got::of(&quick).await;
        let mut count = 0;
        while bus.log().usage(&topic()).await.unwrap().bytes < 3 * MOST {
            bus.publish_batch(TOPIC, (count..count + 50).map(numbered)).await.unwrap();
            count += 50;
        }
        let all: Vec<_> = (0..count).collect();
        assert_eq!(got.next(all.len()).await, all);
        quick.flush().await.unwrap();
        let (retention, topic) = (Retention { max_bytes: Some(MOST), ..Retention::default() }, topic());
        let trim = || retention.apply(&**bus.log(), &topic, SystemTime::now());
        assert_eq!(trim().await.unwrap(), 0, "one has not had it yet");
        assert_eq!(Got::of(&slow).await.next(all.len()).await, all);
        slow.flush().await.unwrap();
        let trimmed = trim().await.unwrap();
        assert!(trimmed > 0 && bus.log().usage(&topic).await.unwrap().bytes <= MOST);
        let late = bus.subscription(config("late")).open().await.unwrap();
        let rest: Vec<_> = (trimmed..count).collect();
        assert_eq!(Got::of(&late).await.next(rest.len()).await, rest);
        end(bus).await;
    });
}
