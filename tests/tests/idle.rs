//! What a subscription takes to which nothing happens.
//!
//! Bytes are those that were asked of the allocator, so a run on any machine has the same figure.

use std::alloc::System as SystemAllocator;
use std::time::Duration;

use dispatch_actors::bus::{Bus, SubscriptionBuilder};
use dispatch_core::Envelope;
use dispatch_core::log::MemoryLog;
use dispatch_tests::support::paused;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::time::sleep;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<SystemAllocator> = &INSTRUMENTED_SYSTEM;

/// The tables of the bus are as full with these as they are with 10,000.
const SUBSCRIPTIONS: usize = 625;

/// Most bytes of one, with its topic and a consumer.
const FRESH: usize = 4_096;

/// The same once it has had a message, with that message and what the log and the bus know of the topic since then.
const USED: usize = 5_376;

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Bytes of each of many subscriptions, in a system of their own: before a message, and long after one.
fn bytes_each(open: impl Fn(&Bus, String, String) -> SubscriptionBuilder) -> [usize; 2] {
    paused(async {
        let bus = Bus::builder(MemoryLog::new()).start().unwrap();
        let before = live();
        for n in 0..SUBSCRIPTIONS {
            let opening = open(&bus, format!("idle-{n}"), format!("shop.{n}.events"));
            let subscription = opening.open().await.unwrap();
            subscription.consumer("one").run(|_| async {}).await.unwrap();
        }
        let each = || (live() - before) / SUBSCRIPTIONS;
        // What was to be done for their beginning is done.
        sleep(Duration::from_secs(10)).await;
        let fresh = each();
        for n in 0..SUBSCRIPTIONS {
            bus.publish(format!("shop.{n}.events"), Envelope::empty("OrderPlaced")).await.unwrap();
        }
        sleep(Duration::from_secs(60)).await;
        [fresh, each()]
    })
}

// One test: the allocator counts for the whole process.
#[test]
fn an_idle_subscription_with_a_topic_and_a_consumer_takes_at_most_four_kibibytes() {
    let reliable = bytes_each(Bus::reliable_shared);
    let live = bytes_each(Bus::non_reliable_shared);
    let fits = [reliable, live].iter().all(|[fresh, used]| *fresh <= FRESH && *used <= USED);
    assert!(fits, "bytes, and those once it was used: at least once {reliable:?}, at most once {live:?}");
}
