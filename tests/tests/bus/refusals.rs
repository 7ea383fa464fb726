//! A log that refuses some messages and takes others.

use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::bus::{Bus, BusError, Published};
use dispatch_core::Envelope;
use dispatch_core::log::{LogError, Offset, ReadLimit, TopicLog};
use dispatch_tests::support::{Asked, ToldLog, paused};
use futures_util::future::join_all;

use crate::support::{Seen, TOPIC, builder, bus, log, publish, settle};

fn of_entries() -> [LogError; 3] {
    let what = String::from("a test says so");
    [
        LogError::TooLarge { bytes: 11, limit: 10 },
        LogError::NotStorable { what: what.clone() },
        LogError::Full { what },
    ]
}

/// What publishers get who publish a message each, all at the same time.
async fn at_once(bus: &Bus, types: &[&'static str]) -> Vec<Result<Published, BusError>> {
    join_all(types.iter().map(|own| bus.publish(TOPIC, Envelope::empty(*own)))).await
}

async fn stored(log: &dyn TopicLog) -> Vec<String> {
    let read = log.read(&TOPIC.parse().unwrap(), Offset::ZERO, ReadLimit::records(100)).await.unwrap();
    read.records.iter().map(|record| record.entry.envelope.message_type_str().to_owned()).collect()
}

fn offsets(published: &[Result<Published, BusError>]) -> Vec<Option<u64>> {
    let offset = |it: &Result<Published, BusError>| it.as_ref().ok()?.offset.map(Offset::get);
    published.iter().map(offset).collect()
}

#[test]
fn a_message_that_the_log_refuses_is_refused_by_itself_and_those_beside_it_are_stored_in_order() {
    for failure in of_entries() {
        paused(async {
            let told = ToldLog::new(log());
            told.refuse("Bad", failure.repeat());
            let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
            let bus = bus(&log);
            let subscription = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
            let seen = Seen::default();
            seen.connect(&subscription, "a").await;
            let published = at_once(&bus, &["A", "Bad", "B", "Bad", "C"]).await;
            assert_eq!(offsets(&published), [Some(0), None, Some(1), None, Some(2)], "{published:?}");
            for refused in published.iter().filter_map(|it| it.as_ref().err()) {
                assert_eq!(refused.to_string(), failure.to_string());
            }
            assert_eq!(stored(&*log).await, ["A", "B", "C"]);
            settle().await;
            assert_eq!((seen.offsets(), subscription.lag().await.unwrap()), (vec![0, 1, 2], 0));
            publish(&bus, 1).await;
            settle().await;
            assert_eq!(seen.offsets(), [0, 1, 2, 3]);
        });
    }
}

#[test]
fn what_is_published_while_the_others_are_appended_again_does_not_overtake_them() {
    paused(async {
        let told = ToldLog::new(log());
        let [_, failure, _] = of_entries();
        told.refuse("Bad", failure);
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        told.hold(Asked::Append);
        let mut first = Box::pin(at_once(&bus, &["A", "Bad", "B"]));
        assert!(futures_util::poll!(&mut first).is_pending());
        settle().await;
        let mut later = Box::pin(at_once(&bus, &["Later", "Bad", "Last"]));
        assert!(futures_util::poll!(&mut later).is_pending());
        settle().await;
        told.go(Asked::Append);
        assert_eq!(offsets(&first.await), [Some(0), None, Some(1)]);
        assert_eq!(offsets(&later.await), [Some(2), None, Some(3)]);
        assert_eq!(stored(&*log).await, ["A", "B", "Later", "Last"]);
        // Three together, each of them, and that once more.
        assert_eq!(told.count(Asked::Append), 8);
    });
}

#[test]
fn all_or_nothing_of_a_batch_is_stored_though_others_are_appended_beside_it() {
    paused(async {
        let told = ToldLog::new(log());
        let [failure, ..] = of_entries();
        told.refuse("Bad", failure);
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let batch = |types: [&'static str; 3]| bus.publish_batch(TOPIC, types.map(Envelope::empty));
        let (good, bad, last) =
            tokio::join!(batch(["A", "B", "C"]), batch(["D", "Bad", "E"]), batch(["F", "G", "H"]));
        assert!(good.is_ok() && bad.is_err() && last.is_ok());
        assert_eq!(stored(&*log).await, ["A", "B", "C", "F", "G", "H"]);
    });
}

#[test]
fn a_copy_of_a_message_that_was_refused_with_its_batch_is_no_duplicate() {
    paused(async {
        let told = ToldLog::new(log());
        let [failure, ..] = of_entries();
        told.refuse("Bad", failure);
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = builder(&log).configure(|config| config.dedup_capacity = 100).start().unwrap();
        let envelope = Envelope::empty("A");
        let (refused, one, two) = tokio::join!(
            bus.publish_batch(TOPIC, [envelope.clone(), Envelope::empty("Bad")]),
            bus.publish(TOPIC, envelope.clone()),
            bus.publish(TOPIC, envelope.clone()),
        );
        assert!(refused.is_err());
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!((one.offset, one.duplicate, two.duplicate), (Some(Offset::ZERO), false, true));
        assert_eq!(stored(&*log).await, ["A"]);
    });
}

#[test]
fn a_bus_that_stops_meanwhile_writes_what_was_taken() {
    paused(async {
        let told = ToldLog::new(log());
        let [failure, ..] = of_entries();
        told.refuse("Bad", failure);
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let types = ["A", "Bad", "B"];
        let (published, report) = tokio::join!(at_once(&bus, &types), bus.shutdown(Duration::from_secs(1)));
        assert_eq!((offsets(&published), report.unwrap().unwritten), (vec![Some(0), None, Some(1)], 0));
        assert_eq!(stored(&*log).await, ["A", "B"]);
    });
}
