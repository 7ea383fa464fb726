//! The figures of a bus as metrics.

use dispatch_metrics::{BusMetrics, SubscriptionMetrics};
use futures_util::future::join_all;

use super::{Bus, BusError, Subscription, SubscriptionInfo};

impl Bus {
    /// How every open subscription is, as metrics: plain numbers, which serialise, and which
    /// `dispatch_metrics::prometheus` writes as text.
    ///
    /// ```
    /// # use dispatch_actors::bus::Bus;
    /// # use dispatch_core::{Envelope, log::MemoryLog};
    /// # #[actix::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = Bus::builder(MemoryLog::new()).name("shop").start()?;
    /// bus.reliable_exclusive("billing", "shop.*.events").open().await?;
    /// bus.publish("shop.order.events", Envelope::empty("OrderPlaced")).await?;
    /// let metrics = bus.metrics().await?;
    /// assert_eq!(metrics.subscriptions["billing"].lag(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`BusError::Stopped`]; [`BusError::Log`] if it cannot be read how many messages are parked.
    pub async fn metrics(&self) -> Result<BusMetrics, BusError> {
        let all = self.subscriptions().await?;
        let mut metrics = BusMetrics::new(self.name());
        for own in join_all(all.iter().map(of)).await {
            match own {
                Ok((name, own)) => drop(metrics.subscriptions.insert(name, own)),
                // One that has stopped meanwhile is not open any more.
                Err(BusError::Stopped) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(metrics)
    }
}

/// The name and the figures of a subscription.
async fn of(subscription: &Subscription) -> Result<(String, SubscriptionMetrics), BusError> {
    let SubscriptionInfo { config, status, topics, oldest_unacknowledged, .. } = subscription.info().await?;
    let parked = subscription.parked_count().await?;
    let mut own = SubscriptionMetrics::default();
    (own.kind, own.guarantee) = (config.kind, config.guarantee);
    own.topics = topics.into_iter().map(|(topic, status)| (topic.to_string(), status)).collect();
    own.oldest_unacknowledged = oldest_unacknowledged;
    own.paused = status.paused;
    own.consumers = status.consumers as u64;
    own.window = u64::from(status.window);
    (own.in_flight, own.held) = (status.in_flight as u64, status.held as u64);
    (own.aside, own.blocked) = (status.aside as u64, status.blocked as u64);
    (own.parked, own.counters) = (parked, status.counters);
    Ok((config.name, own))
}
