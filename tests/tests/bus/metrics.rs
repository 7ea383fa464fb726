use dispatch_actors::bus::Verdict;
use dispatch_core::subscription::{Guarantee, SubscriptionType};
use dispatch_metrics::prometheus;
use dispatch_tests::support::paused;
use tokio::time::{Duration, sleep};

use crate::support::{Seen, TOPIC, bus, log, publish, settle};

#[test]
fn metrics_say_how_far_each_subscription_is_and_what_it_has_given_up() {
    paused(async {
        let bus = bus(&log());
        let workers =
            bus.reliable_shared("workers", TOPIC).configure(|it| it.with_window(8)).open().await.unwrap();
        let screen = bus.non_reliable_exclusive("screen", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect_with(&workers, "a", |offset| match offset {
            0 => Verdict::Reject { reason: "no".into() },
            1 => Verdict::Nack { delay: Some(Duration::from_secs(60)), reason: "later".into() },
            _ => Verdict::Ack,
        })
        .await;
        publish(&bus, 4).await;
        settle().await;
        sleep(Duration::from_secs(5)).await;

        let metrics = bus.metrics().await.unwrap();
        let own = &metrics.subscriptions["workers"];
        assert_eq!((own.kind, own.guarantee), (SubscriptionType::Shared, Guarantee::AtLeastOnce));
        let topic = own.topics[TOPIC];
        assert_eq!((topic.cursor.get(), topic.head.get(), topic.lag), (1, 4, 3));
        assert_eq!((own.consumers, own.window, own.in_flight, own.held), (1, 8, 0, 1));
        assert_eq!((own.parked, own.counters.parked, own.counters.acked), (1, 1, 2));
        assert!(own.oldest_unacknowledged.unwrap() >= Duration::from_secs(5));
        let other = &metrics.subscriptions["screen"];
        assert_eq!((other.guarantee, other.counters.no_consumer), (Guarantee::AtMostOnce, 4));
        assert_eq!(metrics.lag(), 3);

        let text = prometheus::render([&metrics]).unwrap();
        let labels = "bus=\"bus\",subscription=\"workers\"";
        for line in [
            format!("dispatch_subscription_lag{{{labels},topic=\"{TOPIC}\"}} 3"),
            format!("dispatch_subscription_parked{{{labels}}} 1"),
            format!("dispatch_subscription_answers_total{{{labels},answer=\"acked\"}} 2"),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }

        workers.stop(Duration::ZERO).await.unwrap();
        screen.stop(Duration::ZERO).await.unwrap();
        assert!(bus.metrics().await.unwrap().subscriptions.is_empty(), "they are not open any more");
    });
}
