use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::bus::{Acknowledge, BusError, Verdict};
use dispatch_core::log::{LogError, TopicLog};
use dispatch_core::subscription::Start;
use dispatch_core::{Adapter, Envelope};
use dispatch_tests::support::{Asked, Between, Trouble, paused};
use tokio::time::sleep;

use crate::support::{Seen, TOPIC, bus, log, publish, settle};

#[test]
fn f3_a_graceful_stop_saves_what_was_acknowledged() {
    paused(async {
        let log = log();
        let first = bus(&log);
        let subscription = first.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        publish(&first, 5).await;
        settle().await;
        let report = first.shutdown(Duration::from_secs(1)).await.unwrap();
        assert!(!report.subscriptions[0].unsaved && report.subscriptions[0].lag == 0);
        let second = bus(&log);
        let subscription = second.reliable_exclusive("s", TOPIC).open().await.unwrap();
        seen.connect(&subscription, "b").await;
        publish(&second, 1).await;
        settle().await;
        assert_eq!(seen.all().last().unwrap(), &("b".to_owned(), 5));
        assert_eq!(seen.offsets(), [0, 1, 2, 3, 4, 5], "nothing came twice");
    });
}

#[test]
fn a_stop_waits_for_answers_and_says_what_was_left() {
    paused(async {
        let bus = bus(&log());
        let subscription =
            bus.reliable_shared("s", TOPIC).configure(|it| it.with_window(4)).open().await.unwrap();
        let slow = |delivery: dispatch_actors::bus::Delivery| async move {
            let time = if delivery.offset().get() == 0 { 1 } else { 100 };
            sleep(Duration::from_secs(time)).await;
        };
        subscription.consumer("a").run(slow).await.unwrap();
        publish(&bus, 6).await;
        settle().await;
        let report = subscription.stop(Duration::from_secs(10)).await.unwrap();
        assert_eq!(
            (report.name.as_str(), report.unacknowledged, report.lag, report.unsaved),
            ("s", 3, 5, false)
        );
    });
}

#[test]
fn what_is_acknowledged_while_a_stop_waits_for_it_is_saved_at_once() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        let subscription = bus.reliable_shared("s", TOPIC).configure(|it| it.with_window(2)).open();
        let subscription = subscription.await.unwrap();
        let slow = |delivery: dispatch_actors::bus::Delivery| {
            sleep(Duration::from_millis(500 * (1 + delivery.offset().get())))
        };
        subscription.consumer("a").run(slow).await.unwrap();
        publish(&bus, 2).await;
        settle().await;
        let since = tokio::time::Instant::now();
        let report = bus.shutdown(Duration::from_secs(2)).await.unwrap();
        let stopped = &report.subscriptions[0];
        assert_eq!((stopped.unacknowledged, stopped.lag, stopped.unsaved), (0, 0, false));
        assert!(since.elapsed() <= Duration::from_secs(1), "it waited {:?}", since.elapsed());
        assert_eq!(log.load("s").await.unwrap().unwrap().cursors[0].next.get(), 2);
    });
}

#[test]
fn f2_the_cursor_of_a_quiet_tail_is_saved_by_the_timer() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        Seen::default().connect(&subscription, "a").await;
        sleep(Duration::from_secs(60)).await;
        publish(&bus, 1).await;
        settle().await;
        let saved = || async { log.load("s").await.unwrap().unwrap().cursors[0].next.get() };
        assert_eq!(saved().await, 1, "the first after a quiet time at once");
        publish(&bus, 3).await;
        settle().await;
        assert_eq!(saved().await, 1);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(saved().await, 4);
    });
}

#[test]
fn f4_what_was_not_saved_before_a_crash_comes_again_and_nothing_else() {
    paused(async {
        let log = log();
        let seen = Seen::default();
        {
            let first = bus(&log);
            let subscription =
                first.reliable_exclusive("s", TOPIC).configure(|it| it.with_window(9)).open().await.unwrap();
            seen.connect_with(&subscription, "a", |offset| {
                if offset == 1 {
                    Verdict::Nack { delay: Some(Duration::from_secs(30)), reason: "later".into() }
                } else {
                    Verdict::Ack
                }
            })
            .await;
            publish(&first, 4).await;
            settle().await;
            subscription.flush().await.unwrap();
            publish(&first, 1).await;
            settle().await;
            assert_eq!(seen.offsets(), [0, 1, 2, 3, 4]);
            // The handles go, and with them the bus; nothing more is saved.
        }
        let second = bus(&log);
        let config = |it: dispatch_core::subscription::SubscriptionConfig| {
            it.with_window(9).starting_at(Start::Latest)
        };
        let subscription = second.reliable_exclusive("s", TOPIC).configure(config).open().await.unwrap();
        let again = Seen::default();
        again.connect(&subscription, "b").await;
        settle().await;
        assert_eq!(again.offsets(), [1, 4], "2 and 3 were acknowledged out of order, and saved so");
    });
}

#[test]
fn a_bus_ends_with_the_last_handle_of_it_and_of_its_subscriptions() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        let opened = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        bus.non_reliable_shared("live", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        let consumer = seen.connect(&opened, "a").await;
        publish(&bus, 1).await;
        let adapter = bus.adapter();
        drop(bus);
        adapter.deliver(&Envelope::empty("OrderPlaced").with_topic(&TOPIC.parse().unwrap())).await.unwrap();
        drop(adapter);
        log.append(&TOPIC.parse().unwrap(), vec![Envelope::empty("OrderPlaced").into()]).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(seen.offsets(), [0, 1, 2], "a handle of a subscription keeps all of it");
        drop(opened);
        settle().await;
        assert!(matches!(consumer.pause().await, Err(BusError::Stopped)));
        assert_eq!(Arc::strong_count(&log), 1, "nothing holds the log any more");
    });
}

#[test]
fn what_was_taken_is_written_though_the_last_handle_is_gone() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        let mut published = Box::pin(bus.publish(TOPIC, Envelope::empty("OrderPlaced")));
        assert!(futures_util::poll!(&mut published).is_pending());
        drop(published);
        drop(bus);
        settle().await;
        assert_eq!(log.bounds(&TOPIC.parse().unwrap()).await.unwrap().len(), 1);
        assert_eq!(Arc::strong_count(&log), 1);
    });
}

/// A log that takes its time to save a cursor.
struct SlowSaves;

const SAVING: Duration = Duration::from_millis(50);

#[async_trait::async_trait]
impl Trouble for SlowSaves {
    fn is_shared(&self) -> bool {
        false
    }

    async fn before(&self, asked: Asked) -> Result<(), LogError> {
        if asked == Asked::SaveCursors {
            sleep(SAVING).await;
        }
        Ok(())
    }

    async fn after(&self, _: Asked) -> Result<(), LogError> {
        Ok(())
    }
}

#[test]
fn a_flush_under_steady_acknowledgements_waits_for_those_before_it_only() {
    paused(async {
        let log: Arc<dyn TopicLog> = Arc::new(Between::with(log(), SlowSaves));
        let bus = bus(&log);
        let subscription = bus.reliable_shared("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        let steady = async {
            loop {
                publish(&bus, 1).await;
                sleep(Duration::from_millis(7)).await;
            }
        };
        let flushes = async {
            for _ in 0..20 {
                sleep(Duration::from_millis(100)).await;
                let (handled, since) = (seen.offsets().len() as u64, tokio::time::Instant::now());
                subscription.flush().await.unwrap();
                // One save may have been under way, and the one that was asked for has followed.
                assert!(since.elapsed() <= 2 * SAVING + Duration::from_millis(2), "{:?}", since.elapsed());
                let saved = log.load("s").await.unwrap().unwrap().cursors[0].next.get();
                assert!(saved >= handled, "{saved} of {handled}");
            }
        };
        tokio::select! {
            () = steady => {}
            () = flushes => {}
            () = sleep(Duration::from_secs(60)) => panic!("a flush has not returned"),
        }
    });
}

#[test]
fn a_flush_saves_what_was_acknowledged_right_before_it() {
    paused(async {
        // Beside one, more than are worked off in one turn.
        for count in [1, 3_000] {
            let log = log();
            let bus = bus(&log);
            let config = |it: dispatch_core::subscription::SubscriptionConfig| it.with_window(4_000);
            let subscription = bus.reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
            let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel::<Acknowledge>();
            let keep = move |_, acknowledge| {
                let kept = sender.send(acknowledge);
                async move { kept.unwrap() }
            };
            subscription.consumer("a").run_manual(keep).await.unwrap();
            publish(&bus, 1 + count).await;
            sleep(Duration::from_secs(10)).await;
            answers.recv().await.unwrap().ack();
            settle().await;
            // From here on the next save is some seconds away.
            for _ in 0..count {
                answers.try_recv().unwrap().ack();
            }
            let since = tokio::time::Instant::now();
            subscription.flush().await.unwrap();
            assert_eq!(since.elapsed(), Duration::ZERO);
            assert_eq!(log.load("s").await.unwrap().unwrap().cursors[0].next.get(), 1 + count as u64);
        }
    });
}
