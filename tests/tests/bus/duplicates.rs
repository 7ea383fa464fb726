//! Envelopes that are published again, while the log takes its time and fails.

use std::sync::Arc;

use dispatch_actors::bus::{Bus, BusError};
use dispatch_core::log::{LogError, TopicLog};
use dispatch_core::{Envelope, Topic};
use dispatch_tests::support::{Asked, ToldLog, paused};
use futures_util::poll;

use crate::support::{TOPIC, builder, log, settle};

fn remembering(told: &Arc<ToldLog>) -> Bus {
    let log: Arc<dyn TopicLog> = Arc::clone(told) as _;
    builder(&log).configure(|config| config.dedup_capacity = 100).start().unwrap()
}

fn failure() -> LogError {
    LogError::unavailable("a test", "it says so")
}

async fn stored(log: &Arc<ToldLog>) -> u64 {
    log.bounds(&TOPIC.parse::<Topic>().unwrap()).await.unwrap().len()
}

#[test]
fn a_duplicate_is_acknowledged_no_sooner_than_its_first_copy() {
    paused(async {
        let told = ToldLog::new(log());
        let bus = remembering(&told);
        told.hold(Asked::Append);
        let envelope = Envelope::empty("OrderPlaced");
        let mut first = Box::pin(bus.publish(TOPIC, envelope.clone()));
        assert!(poll!(&mut first).is_pending());
        settle().await;
        let mut again = Box::pin(bus.publish(TOPIC, envelope.clone()));
        assert!(poll!(&mut again).is_pending());
        settle().await;
        assert!(poll!(&mut again).is_pending(), "nothing is durable yet");
        told.go(Asked::Append);
        let (first, again) = tokio::join!(first, again);
        let (first, again) = (first.unwrap(), again.unwrap());
        assert_eq!((first.duplicate, again.duplicate, again.offset), (false, true, None));
        assert_eq!(stored(&told).await, 1);
    });
}

#[test]
fn a_duplicate_whose_first_copy_was_not_stored_is_stored_in_its_place() {
    paused(async {
        let told = ToldLog::new(log());
        let bus = remembering(&told);
        told.hold(Asked::Append);
        let envelope = Envelope::empty("OrderPlaced");
        let mut first = Box::pin(bus.publish(TOPIC, envelope.clone()));
        assert!(poll!(&mut first).is_pending());
        settle().await;
        let mut again = Box::pin(bus.publish(TOPIC, envelope.clone()));
        assert!(poll!(&mut again).is_pending());
        told.fail(Asked::Append, failure());
        assert!(matches!(first.await, Err(BusError::Log(_))));
        assert!(matches!(again.await, Err(BusError::Log(_))), "it had to be stored itself");
        told.go(Asked::Append);
        assert!(!bus.publish(TOPIC, envelope.clone()).await.unwrap().duplicate);
        assert!(bus.publish(TOPIC, envelope).await.unwrap().duplicate);
        assert_eq!(stored(&told).await, 1);
    });
}

#[test]
fn copies_that_are_appended_together_are_stored_once() {
    paused(async {
        let told = ToldLog::new(log());
        let bus = remembering(&told);
        let (one, two) = (Envelope::empty("One"), Envelope::empty("Two"));
        let batch = [one.clone(), two.clone(), one.clone()];
        let (batch, single) = tokio::join!(bus.publish_batch(TOPIC, batch), bus.publish(TOPIC, two));
        let duplicates: Vec<_> = batch.unwrap().iter().map(|published| published.duplicate).collect();
        assert_eq!((duplicates, single.unwrap().duplicate), (vec![false, false, true], true));
        assert_eq!(stored(&told).await, 2);
    });
}

#[test]
fn a_failure_forgets_nothing_but_what_it_was_about() {
    paused(async {
        let told = ToldLog::new(log());
        let bus = remembering(&told);
        let (stored_one, lost) = (Envelope::empty("Stored"), Envelope::empty("Lost"));
        bus.publish(TOPIC, stored_one.clone()).await.unwrap();
        told.fail(Asked::Append, failure());
        bus.publish(TOPIC, lost.clone()).await.unwrap_err();
        told.go(Asked::Append);
        assert!(bus.publish(TOPIC, stored_one).await.unwrap().duplicate);
        assert!(!bus.publish(TOPIC, lost).await.unwrap().duplicate);
        assert_eq!(stored(&told).await, 2);
    });
}
