use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, HealthStatus, Receipt};
use dispatch_core::{Envelope, Problem};

use super::{PubSub, PubSubOptions};

/// Publishes what it is given on one topic.
///
/// With a [bus](Self::with_bus), and unless the options say `local`, the bus takes the envelope, and delivered means
/// what the bus says. Otherwise it goes to the subscribers in this process, at most once: delivered means offered to
/// all of them, also if there is none or if a slow one lost it.
#[derive(Clone)]
pub struct PubSubAdapter {
    pubsub: PubSub,
    options: PubSubOptions,
    bus: Option<Arc<dyn Adapter>>,
}

impl PubSubAdapter {
    /// Publishes with an instance.
    #[must_use]
    pub const fn new(pubsub: PubSub, options: PubSubOptions) -> Self {
        Self { pubsub, options, bus: None }
    }

    /// Publishes through a bus, which may reach other processes.
    #[must_use]
    pub fn with_bus(mut self, bus: Arc<dyn Adapter>) -> Self {
        self.bus = Some(bus);
        self
    }

    /// The instance.
    #[must_use]
    pub const fn pubsub(&self) -> &PubSub {
        &self.pubsub
    }

    fn bus(&self) -> Option<&Arc<dyn Adapter>> {
        self.bus.as_ref().filter(|_| !self.options.local)
    }

    fn addressed(&self, envelope: &Envelope) -> Result<Envelope, DeliveryError> {
        match &self.options.topic {
            Some(topic) => Ok(envelope.clone().with_topic(topic)),
            None => Err(DeliveryError::permanent("there is no topic to publish on: set the option 'topic'")),
        }
    }
}

#[async_trait]
impl Adapter for PubSubAdapter {
    fn name(&self) -> &str {
        "pubsub"
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        let mut problems = self.options.problems();
        problems.extend(self.bus().and_then(|bus| bus.validate().err()).unwrap_or_default());
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let envelope = self.addressed(envelope)?;
        match self.bus() {
            Some(bus) => bus.deliver(&envelope).await,
            None => {
                self.pubsub.publish(&envelope);
                Ok(Receipt::taken())
            }
        }
    }

    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let addressed: Result<Vec<_>, _> =
            envelopes.iter().map(|envelope| self.addressed(envelope)).collect();
        match (addressed, self.bus()) {
            (Err(error), _) => envelopes.iter().map(|_| Err(error.repeat())).collect(),
            (Ok(addressed), Some(bus)) => bus.deliver_batch(&addressed).await,
            (Ok(addressed), None) => addressed
                .iter()
                .map(|envelope| {
                    self.pubsub.publish(envelope);
                    Ok(Receipt::taken())
                })
                .collect(),
        }
    }

    async fn health(&self) -> Health {
        match self.bus() {
            Some(bus) => bus.health().await,
            None => Health { status: HealthStatus::Healthy, ..Health::default() },
        }
    }
}

impl fmt::Debug for PubSubAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSubAdapter")
            .field("pubsub", &self.pubsub)
            .field("options", &self.options)
            .field("bus", &self.bus.as_ref().map(Adapter::name))
            .finish()
    }
}
