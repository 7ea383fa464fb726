//! A name that is unsubscribed while it is opened.

use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::bus::BusError;
use dispatch_core::log::{Offset, TopicLog};
use dispatch_tests::support::{Asked, ToldLog, paused};
use futures_util::poll;

use crate::support::{Seen, TOPIC, bus, log, publish, settle};

/// Up to where a subscription is stored in the usual topic, if it is.
async fn stored(log: &dyn TopicLog, name: &str) -> Option<u64> {
    let stored = log.load(name).await.unwrap()?;
    let cursor = stored.cursors.into_iter().find(|cursor| cursor.topic.as_str() == TOPIC);
    Some(cursor.map_or(0, |cursor| cursor.next.get()))
}

#[test]
fn what_is_opened_while_its_name_is_removed_begins_anew_and_its_cursor_is_stored() {
    paused(async {
        let inner = log();
        let told = ToldLog::new(Arc::clone(&inner));
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        publish(&bus, 2).await;
        told.hold(Asked::Remove);
        let mut removed = Box::pin(bus.unsubscribe("s"));
        assert!(poll!(&mut removed).is_pending());
        settle().await;
        let mut opened = Box::pin(bus.reliable_exclusive("s", TOPIC).open());
        assert!(poll!(&mut opened).is_pending());
        settle().await;
        assert!(poll!(&mut opened).is_pending(), "it waits");
        told.go(Asked::Remove);
        removed.await.unwrap();
        let subscription = opened.await.unwrap();
        let seen = Seen::default();
        seen.connect(&subscription, "a").await;
        publish(&bus, 3).await;
        settle().await;
        subscription.flush().await.unwrap();
        assert_eq!(seen.offsets(), [2, 3, 4], "a new one begins with what is published then");
        assert_eq!(stored(&*inner, "s").await, Some(5));
        assert_eq!(inner.floor(&TOPIC.parse().unwrap()).await.unwrap(), Some(Offset::new(5)));
        drop(bus);
    });
}

#[test]
fn a_name_that_is_being_opened_is_removed_when_that_is_done() {
    paused(async {
        let inner = log();
        let told = ToldLog::new(Arc::clone(&inner));
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        let first = bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        first.stop(Duration::ZERO).await.unwrap();
        told.hold(Asked::Save);
        let mut opened = Box::pin(bus.reliable_exclusive("s", TOPIC).open());
        assert!(poll!(&mut opened).is_pending());
        settle().await;
        let mut removed = Box::pin(bus.unsubscribe("s"));
        assert!(poll!(&mut removed).is_pending());
        settle().await;
        assert!(poll!(&mut removed).is_pending(), "it waits");
        told.go(Asked::Save);
        let subscription = opened.await.unwrap();
        removed.await.unwrap();
        assert!(matches!(subscription.info().await, Err(BusError::Stopped)));
        assert!(bus.find("s").await.unwrap().is_none());
        assert_eq!(stored(&*inner, "s").await, None);
        let again = bus.unsubscribe("s").await.unwrap_err();
        assert!(matches!(again, BusError::UnknownSubscription { .. }), "{again}");
    });
}

#[test]
fn those_who_open_and_unsubscribe_a_name_again_and_again_all_get_their_turn() {
    paused(async {
        let inner = log();
        let told = ToldLog::new(Arc::clone(&inner));
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        told.hold(Asked::Save);
        let mut all = Box::pin(async {
            tokio::join!(
                bus.reliable_exclusive("s", TOPIC).open(),
                bus.unsubscribe("s"),
                bus.reliable_shared("s", TOPIC).open(),
                bus.unsubscribe("s"),
                bus.unsubscribe("s"),
            )
        });
        assert!(poll!(&mut all).is_pending());
        settle().await;
        told.go(Asked::Save);
        let (opened, removed, other, removed_too, unknown) = all.await;
        assert!(opened.is_ok() && removed.is_ok() && other.is_ok() && removed_too.is_ok());
        assert!(matches!(unknown, Err(BusError::UnknownSubscription { .. })));
        assert_eq!(stored(&*inner, "s").await, None);
    });
}

#[test]
fn a_name_that_could_not_be_removed_is_free_and_stored() {
    paused(async {
        let told = ToldLog::new(log());
        let log: Arc<dyn TopicLog> = Arc::clone(&told) as _;
        let bus = bus(&log);
        bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        let failure = dispatch_core::log::LogError::ReadOnly { what: "a test says so".to_owned() };
        told.fail(Asked::Remove, failure);
        let refused = bus.unsubscribe("s").await.unwrap_err();
        assert!(matches!(refused, BusError::Log(_)), "{refused}");
        assert_eq!(stored(&*log, "s").await, Some(0));
        told.go(Asked::Remove);
        bus.reliable_exclusive("s", TOPIC).open().await.unwrap();
        bus.unsubscribe("s").await.unwrap();
    });
}
