//! Subscriptions of a bus whose messages are delivered by an adapter.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dispatch_adapters::bus::{Bus, Exhausted, MemoryLog, Subscription, SubscriptionConfig};
use dispatch_adapters::model::policy::RetryPolicy;
use dispatch_adapters::model::{Adapter, DeliveryError, Envelope, Receipt};
use dispatch_adapters::{Delivery, Target, Targets, testing};

use crate::support::Memory;

/// Refuses `Bad` for good, `Late` twice, and remembers what it took.
#[derive(Default)]
struct Picky {
    taken: Memory,
    late: AtomicUsize,
}

#[async_trait::async_trait]
impl Adapter for Picky {
    fn name(&self) -> &str {
        "picky"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        match envelope.message_type_str() {
            "Bad" => Err(DeliveryError::permanent("never")),
            "Late" if self.late.fetch_add(1, Ordering::SeqCst) < 2 => Err(DeliveryError::retry("not yet")),
            _ => self.taken.deliver(envelope).await,
        }
    }
}

fn config() -> SubscriptionConfig {
    SubscriptionConfig::new("out", "shop.events")
        .with_retry(RetryPolicy::default().with_base(Duration::from_millis(10)))
        .when_exhausted(Exhausted::Park)
}

async fn publish(bus: &Bus, message_type: &str) {
    bus.publish("shop.events", Envelope::empty(message_type)).await.unwrap();
}

/// Until nothing is left to do.
async fn settled(subscription: &Subscription) {
    let look = async {
        while subscription.lag().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look).await.unwrap();
}

fn types(envelopes: &[Envelope]) -> Vec<&str> {
    envelopes.iter().map(Envelope::message_type_str).collect()
}

#[test]
fn what_the_adapter_takes_is_acknowledged_what_it_refuses_for_good_rejected_and_the_rest_comes_again() {
    testing::run(async {
        let bus = Bus::builder(MemoryLog::new()).start().unwrap();
        let subscription = bus.subscription(config()).open().await.unwrap();
        let picky = Picky::default();
        let taken = picky.taken.clone();
        subscription.consumer("one").deliver_to(picky).await.unwrap();
        publish(&bus, "Fine").await;
        settled(&subscription).await;
        let counters = subscription.info().await.unwrap().status.counters;
        assert_eq!((counters.acked, counters.nacked, counters.redelivered), (1, 0, 0));

        publish(&bus, "Late").await;
        settled(&subscription).await;
        let counters = subscription.info().await.unwrap().status.counters;
        assert_eq!((counters.acked, counters.nacked, counters.redelivered), (2, 2, 2));

        publish(&bus, "Bad").await;
        settled(&subscription).await;
        let counters = subscription.info().await.unwrap().status.counters;
        assert_eq!(
            (counters.acked, counters.redelivered, counters.parked),
            (2, 2, 1),
            "it is not tried again"
        );
        let parked = subscription.parked(None, 10).await.unwrap();
        assert_eq!(parked[0].envelope.message_type_str(), "Bad");
        assert_eq!(types(&taken.envelopes()), ["Fine", "Late"]);
    });
}

#[test]
fn a_target_that_queues_is_acknowledged_before_it_is_delivered() {
    testing::run(async {
        let bus = Bus::builder(MemoryLog::new()).start().unwrap();
        let subscription = bus.subscription(config()).open().await.unwrap();
        let delivery = Delivery::to(Picky::default()).start().unwrap();
        let targets = Targets::new([Target::new("picky", delivery).queued()]).unwrap();
        subscription.consumer("one").deliver_to(targets).await.unwrap();
        publish(&bus, "Bad").await;
        settled(&subscription).await;
        let counters = subscription.info().await.unwrap().status.counters;
        assert_eq!((counters.acked, counters.nacked, counters.parked), (1, 0, 0), "it is the delivery's now");
    });
}
