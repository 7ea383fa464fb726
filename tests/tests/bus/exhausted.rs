use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dispatch_actors::bus::{BusError, Verdict};
use dispatch_core::delivery::{Adapter, DeadLetter, DeliveryError, Receipt};
use dispatch_core::log::Offset;
use dispatch_core::subscription::{Exhausted, Resolution};
use dispatch_core::{DeadLetterOrigin, Envelope};
use dispatch_tests::support::paused;
use tokio::time::sleep;

use crate::support::{Seen, TOPIC, bus, log, publish, settle};

fn refuse_zero(offset: u64) -> Verdict {
    if offset == 0 { Verdict::Nack { delay: None, reason: "no".into() } } else { Verdict::Ack }
}

#[test]
fn a_parked_message_is_listed_and_delivered_again_on_request() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_shared("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        let consumer = seen.connect_with(&subscription, "a", refuse_zero).await;
        publish(&bus, 3).await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(seen.offsets(), [0, 0, 0, 0, 1, 2]);
        assert_eq!(subscription.parked_count().await.unwrap(), 1);
        let parked = subscription.parked(None, 10).await.unwrap();
        assert_eq!((parked[0].history.attempts, parked[0].last_error.as_str()), (4, "no"));
        let topic = TOPIC.parse().unwrap();
        let origin = DeadLetterOrigin::Subscription { subscription: "s".into(), topic, offset: Offset::ZERO };
        assert_eq!(parked[0].origin, origin);
        assert_eq!(subscription.lag().await.unwrap(), 0, "the cursor passes it");

        consumer.remove().await.unwrap();
        seen.connect(&subscription, "b").await;
        assert_eq!(subscription.replay_parked(parked).await.unwrap(), 1);
        settle().await;
        assert_eq!(seen.all().last().unwrap(), &("b".to_owned(), 0));
        assert_eq!(subscription.parked_count().await.unwrap(), 0);
    });
}

#[test]
fn a_message_that_blocks_waits_for_a_decision() {
    paused(async {
        let bus = bus(&log());
        let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let seen = Seen::default();
        seen.connect_with(&subscription, "a", refuse_zero).await;
        publish(&bus, 2).await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(seen.offsets(), [0; 4]);
        let error = subscription.resolve(TOPIC, Offset::new(1), Resolution::Skip).await.unwrap_err();
        assert!(matches!(error, BusError::NotBlocked { .. }), "{error}");
        subscription.resolve(TOPIC, Offset::ZERO, Resolution::Retry).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(seen.offsets(), [0; 8]);
        subscription.resolve(TOPIC, Offset::ZERO, Resolution::Park).await.unwrap();
        settle().await;
        assert_eq!(seen.offsets().last(), Some(&1));
        assert_eq!(subscription.parked_count().await.unwrap(), 1);
    });
}

/// A target that is away at first.
#[derive(Clone, Default)]
struct Target {
    letters: Arc<Mutex<Vec<Envelope>>>,
    refusals: Arc<Mutex<u32>>,
    /// How long it takes.
    takes: Duration,
}

#[async_trait]
impl Adapter for Target {
    fn name(&self) -> &str {
        "target"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        sleep(self.takes).await;
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return Err(DeliveryError::retry("away"));
        }
        self.letters.lock().unwrap().push(envelope.clone());
        Ok(Receipt::taken())
    }
}

#[test]
fn c21_a_dead_letter_is_tried_until_its_target_has_it_and_the_cursor_waits() {
    paused(async {
        let bus = bus(&log());
        let target = Target { refusals: Arc::new(Mutex::new(3)), ..Target::default() };
        let letters = Arc::clone(&target.letters);
        let subscription = bus.reliable_exclusive("s", TOPIC).dead_letters(target).open().await.unwrap();
        let seen = Seen::default();
        seen.connect_with(&subscription, "a", |offset| {
            if offset == 0 { Verdict::Reject { reason: "cannot be read".into() } } else { Verdict::Ack }
        })
        .await;
        publish(&bus, 2).await;
        settle().await;
        assert_eq!(subscription.info().await.unwrap().status.topics[0].cursor.get(), 0);
        sleep(Duration::from_millis(3_100)).await;
        let letter = DeadLetter::from_envelope(&letters.lock().unwrap()[0]).unwrap();
        assert_eq!((letter.history.attempts, letter.last_error.as_str()), (1, "cannot be read"));
        let status = subscription.info().await.unwrap().status;
        assert_eq!((status.topics[0].cursor.get(), status.counters.dead_lettered), (2, 1));
        assert_eq!(seen.offsets(), [0, 1]);
    });
}

#[test]
fn a_stop_waits_for_a_dead_letter_that_is_on_its_way() {
    paused(async {
        let log = log();
        let target = Target { takes: Duration::from_secs(1), ..Target::default() };
        let seen = Seen::default();
        let refuse = |_| Verdict::Reject { reason: "cannot be read".into() };
        for _ in 0..2 {
            let bus = bus(&log);
            let subscription = bus.reliable_exclusive("s", TOPIC).dead_letters(target.clone());
            seen.connect_with(&subscription.open().await.unwrap(), "a", refuse).await;
            publish(&bus, 1).await;
            settle().await;
            let report = bus.shutdown(Duration::from_secs(5)).await.unwrap();
            let left = &report.subscriptions[0];
            assert_eq!((left.lag, left.unsaved), (0, false));
        }
        assert_eq!((seen.offsets(), target.letters.lock().unwrap().len()), (vec![0, 1], 2), "nothing twice");
    });
}

#[test]
fn c22_dead_letters_without_a_target_are_refused() {
    paused(async {
        let bus = bus(&log());
        let refused = bus
            .reliable_exclusive("s", TOPIC)
            .configure(|it| it.when_exhausted(Exhausted::DeadLetter).with_window(0))
            .open()
            .await
            .unwrap_err();
        let BusError::Invalid(problems) = refused else { panic!("{refused}") };
        assert_eq!(problems.problems().len(), 2, "both at once: {problems}");
    });
}

#[test]
fn a_message_that_can_never_be_parked_is_shown_and_waits_for_a_decision() {
    use dispatch_core::log::LogError;
    use dispatch_core::subscription::SubscriptionType::{KeyShared, Shared};
    use dispatch_tests::support::{Asked, ToldLog};
    for (kind, window, decision) in [
        (Shared, 1, Resolution::Skip),
        (Shared, 2, Resolution::Park),
        (Shared, 1, Resolution::Retry),
        (KeyShared, 1, Resolution::Skip),
        (KeyShared, 1, Resolution::Retry),
    ] {
        paused(async {
            let told = ToldLog::new(log());
            let on: Arc<dyn dispatch_core::log::TopicLog> = Arc::clone(&told) as _;
            let bus = bus(&on);
            let config =
                |it: dispatch_core::subscription::SubscriptionConfig| it.of_type(kind).with_window(window);
            let subscription = bus.reliable_shared("s", TOPIC).configure(config).open().await.unwrap();
            let seen = Seen::default();
            seen.connect_with(&subscription, "a", |offset| match offset {
                0 => Verdict::Reject { reason: "never".into() },
                _ => Verdict::Ack,
            })
            .await;
            told.fail(Asked::Park, LogError::TooLarge { bytes: 2_000_000, limit: 1_000_000 });
            for key in ["k0", "k0", "k1"] {
                bus.publish(TOPIC, Envelope::empty("OrderPlaced").with_key(key)).await.unwrap();
            }
            sleep(Duration::from_secs(60)).await;
            let info = subscription.info().await.unwrap();
            assert_eq!((told.count(Asked::Park), info.status.blocked), (1, 1), "{info:?}");
            assert!(info.last_error.unwrap().contains("2000000"));
            let others: &[u64] = match (kind, window) {
                (KeyShared, _) => &[0, 2],
                (_, 1) => &[0],
                _ => &[0, 1, 2],
            };
            assert_eq!(
                seen.offsets(),
                others,
                "it holds up its key, or no more than its place in the window"
            );

            told.go(Asked::Park);
            subscription.resolve(TOPIC, Offset::ZERO, decision).await.unwrap();
            settle().await;
            let info = subscription.info().await.unwrap();
            assert_eq!((info.lag(), info.status.blocked, info.status.held), (0, 0, 0), "{info:?}");
            let parked = subscription.parked(None, 10).await.unwrap();
            match decision {
                Resolution::Skip => assert!(parked.is_empty()),
                _ => assert_eq!(parked[0].last_error, "never"),
            }
            assert_eq!(seen.offsets().iter().filter(|offset| **offset == 1).count(), 1);
        });
    }
}

#[test]
fn a_message_that_cannot_be_parked_now_is_tried_again() {
    use dispatch_core::log::LogError;
    use dispatch_tests::support::{Asked, ToldLog};
    let full = || LogError::Full { what: "the disk".into() };
    let broken = || LogError::failed("the disk", std::io::Error::other("it may be put right"));
    for error in [full(), broken()] {
        paused(async {
            let told = ToldLog::new(log());
            let on: Arc<dyn dispatch_core::log::TopicLog> = Arc::clone(&told) as _;
            let bus = bus(&on);
            let subscription = bus.reliable_shared("s", TOPIC).open().await.unwrap();
            let reject = |_| Verdict::Reject { reason: "never".into() };
            Seen::default().connect_with(&subscription, "a", reject).await;
            told.fail(Asked::Park, error);
            publish(&bus, 1).await;
            sleep(Duration::from_millis(3_500)).await;
            assert_eq!((told.count(Asked::Park), subscription.info().await.unwrap().status.blocked), (4, 0));
            told.go(Asked::Park);
            sleep(Duration::from_secs(1)).await;
            assert_eq!(subscription.parked_count().await.unwrap(), 1);
        });
    }
}
