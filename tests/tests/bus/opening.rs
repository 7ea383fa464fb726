use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::bus::{Bus, BusError, SeekTo};
use dispatch_core::Envelope;
use dispatch_core::log::{Cursor, MemoryLog, Offset, TopicLog};
use dispatch_core::policy::RateLimit;
use dispatch_core::subscription::{Exhausted, Start, SubscriptionConfig, SubscriptionType};
use dispatch_tests::support::{Asked, ToldLog, paused};
use tokio::time::sleep;

use crate::support::{Seen, TOPIC, bus, log, publish, settle};

#[test]
fn it_begins_where_it_was_told_to() {
    paused(async {
        let bus = bus(&log());
        publish(&bus, 3).await;
        sleep(Duration::from_secs(10)).await;
        let time = dispatch_actors::testing::start_of_time() + Duration::from_secs(5);
        publish(&bus, 2).await;
        for (name, start, expected) in [
            ("latest", Start::Latest, vec![]),
            ("earliest", Start::Earliest, vec![0, 1, 2, 3, 4]),
            ("offset", Start::Offset(Offset::new(2)), vec![2, 3, 4]),
            ("time", Start::Time(time), vec![3, 4]),
        ] {
            let config = SubscriptionConfig::new(name, TOPIC).starting_at(start);
            let subscription = bus.subscription(config).open().await.unwrap();
            let seen = Seen::default();
            seen.connect(&subscription, "a").await;
            settle().await;
            assert_eq!(seen.offsets(), expected, "{name}");
        }
    });
}

#[test]
fn a_name_is_one_subscription_and_keeps_its_type() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        let first = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let again = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        Seen::default().connect(&first, "a").await;
        assert_eq!(again.info().await.unwrap().consumers.len(), 1);
        let refused = bus.reliable_shared("s", TOPIC).open().await.unwrap_err();
        assert!(matches!(refused, BusError::Conflict(_)), "{refused}");
        first.stop(Duration::ZERO).await.unwrap();
        let refused = bus.reliable_shared("s", TOPIC).open().await.unwrap_err();
        assert!(matches!(refused, BusError::Conflict(_)), "also when it is stored only: {refused}");
        let (a, b) = tokio::join!(
            bus.reliable_exclusive("s", TOPIC).open(),
            bus.reliable_exclusive("s", TOPIC).open()
        );
        assert!(a.is_ok() && b.is_ok());
    });
}

#[test]
fn a_pattern_picks_up_topics_that_come_later_from_their_beginning() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        publish(&bus, 2).await;
        let subscription =
            bus.reliable_exclusive("s", "shop.**").configure(|it| it.with_window(10)).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        bus.publish("shop.invoice.events", Envelope::empty("Invoiced")).await.unwrap();
        publish(&bus, 1).await;
        bus.publish("other.events.x", Envelope::empty("No")).await.unwrap();
        settle().await;
        assert_eq!(seen.offsets(), [0, 2]);
        subscription.stop(Duration::from_secs(1)).await.unwrap();
        bus.publish("shop.refund.events", Envelope::empty("While it was stopped")).await.unwrap();
        let subscription = bus.reliable_exclusive("s", "shop.**").open().await.unwrap();
        seen.connect(&subscription, "a").await;
        settle().await;
        assert_eq!(seen.offsets(), [0, 2, 0]);
        assert_eq!(subscription.info().await.unwrap().topics.len(), 3);
    });
}

#[test]
fn f10_unsubscribing_forgets_everything_unless_there_are_consumers() {
    paused(async {
        let log = log();
        let bus = bus(&log);
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let consumer = Seen::default().connect(&subscription, "a").await;
        let refused = bus.unsubscribe("s").await.unwrap_err();
        assert!(matches!(refused, BusError::HasConsumers { consumers: 1, .. }), "{refused}");
        consumer.remove().await.unwrap();
        bus.unsubscribe("s").await.unwrap();
        assert!(log.load("s").await.unwrap().is_none());
        let refused = bus.unsubscribe("s").await.unwrap_err();
        assert!(matches!(refused, BusError::UnknownSubscription { .. }), "{refused}");
        bus.reliable_shared("s", TOPIC).open().await.unwrap();
    });
}

#[test]
fn seeking_goes_back_and_forth() {
    paused(async {
        let bus = bus(&log());
        let config = SubscriptionConfig::new("s", TOPIC).of_type(SubscriptionType::Failover).with_window(5);
        let subscription = bus.subscription(config).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        publish(&bus, 4).await;
        settle().await;
        assert_eq!(subscription.replay(TOPIC, Offset::new(2)).await.unwrap(), Offset::new(2));
        settle().await;
        assert_eq!(seen.offsets(), [0, 1, 2, 3, 2, 3]);
        subscription.pause();
        publish(&bus, 4).await;
        assert_eq!(subscription.seek(TOPIC, SeekTo::Latest).await.unwrap(), Offset::new(8));
        subscription.resume();
        publish(&bus, 1).await;
        settle().await;
        assert_eq!(seen.offsets(), [0, 1, 2, 3, 2, 3, 8]);
        let refused = subscription.seek("no.such.events", SeekTo::Latest).await.unwrap_err();
        assert!(matches!(refused, BusError::UnknownTopic { .. }), "{refused}");
    });
}

#[test]
fn a_log_that_ends_below_a_cursor_is_reported_and_opened_only_knowingly() {
    paused(async {
        let log = log();
        let first = bus(&log);
        first.reliable_exclusive("s", TOPIC).open().await.unwrap();
        publish(&first, 2).await;
        first.shutdown(Duration::ZERO).await.unwrap();
        let topic = TOPIC.parse().unwrap();
        log.save_cursors("s", vec![Cursor::at(topic, Offset::new(7))]).await.unwrap();
        let second = bus(&log);
        let refused = second.reliable_exclusive("s", TOPIC).open().await.unwrap_err();
        let text =
            "the log of topic 'shop.order.events' ends at 2, but subscription 's' has already passed 7";
        assert!(refused.to_string().starts_with(text), "{refused}");
        let subscription = second.reliable_exclusive("s", TOPIC).accept_loss().open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        publish(&second, 1).await;
        settle().await;
        assert_eq!(seen.offsets(), [2]);
    });
}

#[test]
fn it_runs_in_a_plain_tokio_program_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let bus = Bus::builder(MemoryLog::new()).start().unwrap();
        let subscription =
            bus.reliable_shared("s", TOPIC).configure(|it| it.with_window(16)).open().await.unwrap();
        let (seen, mut offsets) = tokio::sync::mpsc::unbounded_channel();
        let run = move |delivery: dispatch_actors::bus::Delivery| {
            let sent = seen.send(delivery.offset().get());
            async move { sent }
        };
        subscription.consumer("a").run(run).await.unwrap();
        let publishers = (0..4).map(|_| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    bus.publish(TOPIC, Envelope::empty("OrderPlaced")).await.unwrap();
                }
            })
        });
        for publisher in publishers {
            publisher.await.unwrap();
        }
        let mut all = Vec::new();
        while all.len() < 400 {
            all.push(offsets.recv().await.unwrap());
        }
        all.sort_unstable();
        assert_eq!(all, (0..400).collect::<Vec<_>>());
        bus.shutdown(Duration::from_secs(5)).await.unwrap();
    });
}

#[test]
fn a_stored_name_keeps_its_guarantee_after_a_restart() {
    paused(async {
        let log = log();
        let first = bus(&log);
        first.reliable_exclusive("s", TOPIC).open().await.unwrap();
        first.shutdown(Duration::ZERO).await.unwrap();
        let second = bus(&log);
        let refused = second.non_reliable_exclusive("s", TOPIC).open().await.unwrap_err();
        assert!(matches!(refused, BusError::Conflict(_)), "{refused}");
        second.unsubscribe("s").await.unwrap();
        second.non_reliable_exclusive("s", TOPIC).open().await.unwrap();
    });
}

#[test]
fn a_subscription_to_a_topic_does_not_have_one_of_other_letters_and_a_pattern_does() {
    paused(async {
        let bus = bus(&log());
        let large = "Shop.Order.Events";
        for _ in 0..3 {
            bus.publish(large, Envelope::empty("OrderPlaced")).await.unwrap();
        }
        let one = bus.reliable_exclusive("one", TOPIC).open().await.unwrap();
        let live = bus.non_reliable_exclusive("live", TOPIC).open().await.unwrap();
        let many = bus.reliable_exclusive("many", "shop.*.events").open().await.unwrap();
        let (a, b, c) = (Seen::default(), Seen::default(), Seen::default());
        a.connect(&one, "a").await;
        b.connect(&live, "b").await;
        c.connect(&many, "c").await;
        bus.publish(large, Envelope::empty("OrderPlaced")).await.unwrap();
        publish(&bus, 1).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!((a.offsets(), b.offsets()), (vec![0], vec![0]), "one of its own");
        let topics = one.info().await.unwrap().topics;
        assert_eq!(topics.iter().map(|(topic, _)| topic.as_str()).collect::<Vec<_>>(), [TOPIC]);
        assert_eq!(c.offsets(), [3, 0], "patterns match in any case, and begin where they were told to");
    });
}

#[test]
fn the_promise_of_the_log_is_said_when_a_bus_starts() {
    let logs = dispatch_tests::support::Logs::new();
    tracing::subscriber::with_default(logs.clone(), || {
        paused(async {
            let _bus = bus(&log());
            let started = logs.one("bus started");
            assert_eq!((started.get("bus"), started.get("log")), (Some("bus"), Some("memory")));
            let promise = started.get("promise").unwrap();
            assert!(promise.contains("process"), "{promise}");
        });
    });
}

#[test]
fn what_is_being_appended_while_the_first_subscription_opens_is_delivered_at_once() {
    paused(async {
        let told = ToldLog::new(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        told.hold(Asked::Append);
        let mut published = Box::pin(bus.publish(TOPIC, Envelope::empty("OrderPlaced")));
        assert!(futures_util::poll!(&mut published).is_pending());
        settle().await;
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        told.go(Asked::Append);
        published.await.unwrap();
        settle().await;
        assert_eq!(seen.offsets(), [0]);
        assert_eq!(subscription.lag().await.unwrap(), 0);
    });
}

#[test]
fn who_opens_a_name_that_is_open_joins_it_in_the_same_way_or_hears_what_differs() {
    paused(async {
        let bus = bus(&log());
        let config = || SubscriptionConfig::new("s", TOPIC).with_window(16);
        let first = bus.subscription(config()).open().await.unwrap();
        let others = [
            ("ack_timeout", config().with_ack_timeout(Duration::from_secs(1))),
            ("retry", config().with_retry(dispatch_core::policy::RetryPolicy::default().with_max_retries(9))),
            ("exhausted", config().when_exhausted(Exhausted::Park)),
            ("rate", config().with_rate(RateLimit::per_second(5))),
            ("max_consumers", SubscriptionConfig { max_consumers: 3, ..config() }),
        ];
        for (member, other) in others {
            let refused = bus.subscription(other).open().await.unwrap_err();
            assert!(matches!(refused, BusError::Conflict(_)), "{refused}");
            let text = format!(
                "subscription 's' is open with another {member}: open it with the same, or stop it first"
            );
            assert_eq!(refused.to_string(), text);
        }
        let same = bus.subscription(config().starting_at(Start::Earliest)).open().await.unwrap();
        assert_eq!(same.info().await.unwrap().config, first.info().await.unwrap().config);
        first.stop(Duration::ZERO).await.unwrap();
        let other = config().with_ack_timeout(Duration::from_secs(1));
        bus.subscription(other).open().await.unwrap();
    });
}

#[test]
fn who_joins_leaves_the_window_as_it_is_unless_another_one_is_asked_for() {
    paused(async {
        let bus = bus(&log());
        let open =
            |window| bus.reliable_shared("s", TOPIC).configure(move |it| it.with_window(window)).open();
        let first = open(16).await.unwrap();
        first.set_window(64).unwrap();
        for (asked, window) in [(1, 64), (16, 64), (32, 32)] {
            open(asked).await.unwrap();
            assert_eq!(first.info().await.unwrap().status.window, window, "asked for {asked}");
        }
        first.set_window(8).unwrap();
        for (asked, window) in [(32, 8), (1, 8), (16, 16)] {
            open(asked).await.unwrap();
            assert_eq!(first.info().await.unwrap().status.window, window, "asked for {asked}");
        }
    });
}

#[test]
fn who_joins_names_the_same_dead_letter_target() {
    paused(async {
        let log = log();
        let (bus, letters) = (bus(&log), crate::support::builder(&log).name("letters").start().unwrap());
        let open = |target| bus.reliable_shared("s", TOPIC).dead_letters(target).open();
        open(letters.adapter()).await.unwrap();
        open(letters.adapter()).await.unwrap();
        let refused = open(bus.adapter()).await.unwrap_err();
        let text = "subscription 's' is open with another dead-letter target: open it with the same, or stop it first";
        assert_eq!(refused.to_string(), text);
    });
}
