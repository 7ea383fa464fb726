//! A wall clock that is set while messages wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use dispatch_actors::bus::Bus;
use dispatch_actors::testing::{VirtualClock, start_of_time};
use dispatch_core::Envelope;
use dispatch_core::log::{LogEntry, MemoryLog};
use dispatch_core::time::Clock;
use dispatch_tests::support::paused;
use tokio::time::{Duration, sleep};

use crate::support::{Seen, TOPIC, settle};

const DAY: i64 = 86_400;

/// Virtual wall time that somebody sets, by so many seconds.
#[derive(Clone)]
struct Settable(VirtualClock, Arc<AtomicI64>);

impl Settable {
    fn set(&self, seconds: i64) {
        self.1.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for Settable {
    fn now(&self) -> SystemTime {
        let (now, by) = (self.0.now(), self.1.load(Ordering::Relaxed));
        let distance = Duration::from_secs(by.unsigned_abs());
        if by < 0 { now - distance } else { now + distance }
    }
}

/// Delays go on as they began, what is new goes its way, and nothing is lost or waits for the clock to be right again.
#[test]
fn a_clock_that_is_set_back_or_forward_loses_nothing_and_holds_up_nobody() {
    for by in [-DAY, DAY] {
        paused(async {
            let wall = Settable(VirtualClock::starting_at(start_of_time()), Arc::default());
            let log = Arc::new(MemoryLog::new().with_clock(Arc::new(wall.clone())));
            let bus = Bus::on(log).clock(wall.clone()).start().unwrap();
            let subscription = bus.reliable_shared("s", TOPIC).open().await.unwrap();
            let seen = Seen::default();
            let consumer = seen.connect(&subscription, "a").await;
            let plain = || LogEntry::from(Envelope::empty("OrderPlaced"));
            let at = |seconds: u64| wall.now() + Duration::from_secs(seconds);
            bus.publish(TOPIC, plain().available_at(at(60))).await.unwrap();
            bus.publish(TOPIC, plain().expires_at(at(120))).await.unwrap();
            settle().await;
            assert_eq!(seen.offsets(), [1]);

            wall.set(by);
            bus.publish(TOPIC, plain()).await.unwrap();
            bus.publish(TOPIC, plain().available_at(at(30))).await.unwrap();
            settle().await;
            assert_eq!(seen.offsets(), [1, 2], "{by}: what is new is there at once");
            sleep(Duration::from_secs(59)).await;
            assert_eq!(seen.offsets(), [1, 2, 3], "{by}");
            sleep(Duration::from_secs(2)).await;
            assert_eq!(seen.offsets(), [1, 2, 3, 0], "{by}: a delay is as long as it was to be");

            consumer.remove().await.unwrap();
            bus.publish(TOPIC, plain().expires_at(at(10))).await.unwrap();
            bus.publish(TOPIC, plain().expires_at(at(3 * DAY.unsigned_abs()))).await.unwrap();
            settle().await;
            wall.set(0);
            sleep(Duration::from_secs(11)).await;
            seen.connect(&subscription, "b").await;
            settle().await;
            assert_eq!(
                seen.offsets().last(),
                Some(&5),
                "{by}: of those with a time to live the one that has it"
            );
            let info = subscription.info().await.unwrap();
            let handled = seen.offsets().len() as u64;
            assert_eq!((info.lag(), handled + info.status.counters.expired), (0, 6), "{by}: {info:?}");
        });
    }
}
