use std::sync::{Arc, Mutex};

use dispatch_actors::bus::{Bus, BusBuilder, Consumer, Subscription, Verdict};
use dispatch_actors::testing::{VirtualClock, start_of_time};
use dispatch_core::Envelope;
use dispatch_core::log::{MemoryLog, TopicLog};
use tokio::time::{Duration, sleep};

pub(crate) const TOPIC: &str = "shop.order.events";

/// A log with virtual wall time.
pub(crate) fn log() -> Arc<dyn TopicLog> {
    Arc::new(MemoryLog::new().with_clock(Arc::new(VirtualClock::starting_at(start_of_time()))))
}

/// A builder of a bus with virtual wall time.
pub(crate) fn builder(log: &Arc<dyn TopicLog>) -> BusBuilder {
    Bus::on(Arc::clone(log))
        .clock(VirtualClock::starting_at(start_of_time()))
        .configure(|config| config.seed = Some(1))
}

pub(crate) fn bus(log: &Arc<dyn TopicLog>) -> Bus {
    builder(log).start().unwrap()
}

/// So many messages on the usual topic.
pub(crate) async fn publish(bus: &Bus, count: usize) {
    bus.publish_batch(TOPIC, (0..count).map(|_| Envelope::empty("OrderPlaced"))).await.unwrap();
}

/// What consumers have got: their names and offsets, in order.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(String, u64)>>>);

impl Seen {
    pub(crate) fn add(&self, name: &str, offset: u64) {
        self.0.lock().unwrap().push((name.to_owned(), offset));
    }

    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn offsets(&self) -> Vec<u64> {
        self.all().into_iter().map(|(_, offset)| offset).collect()
    }

    /// A consumer that writes down what it gets, and acknowledges it.
    pub(crate) async fn connect(&self, subscription: &Subscription, name: &str) -> Consumer {
        self.connect_with(subscription, name, |_| Verdict::Ack).await
    }

    /// A consumer that writes down what it gets, and answers by offset.
    pub(crate) async fn connect_with(
        &self,
        subscription: &Subscription,
        name: &str,
        answer: impl Fn(u64) -> Verdict + Send + 'static,
    ) -> Consumer {
        let (seen, own) = (self.clone(), name.to_owned());
        let run = move |delivery: dispatch_actors::bus::Delivery| {
            seen.add(&own, delivery.offset().get());
            let verdict = answer(delivery.offset().get());
            async move { verdict }
        };
        subscription.consumer(name).run(run).await.unwrap()
    }
}

/// Lets everything happen that can happen now.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}
