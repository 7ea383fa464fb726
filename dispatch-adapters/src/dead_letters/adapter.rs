use async_trait::async_trait;
use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeadLetter, DeliveryError, Health, HealthStatus, Receipt};

use super::DeadLetters;

/// The targets as one target, for a messenger or a subscription: delivered means kept until every target has it.
///
/// What is kept is in memory. A messenger has its failed messages in its transport all the same; a subscription passes a
/// message that is only kept here, so give it a target that stores what it takes.
#[async_trait]
impl Adapter for DeadLetters {
    fn name(&self) -> &str {
        "dead_letters"
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let Some(letter) = DeadLetter::from_envelope(envelope) else {
            return Err(DeliveryError::permanent(
                "the envelope holds no dead letter: deliver it to a target of its own",
            ));
        };
        match self.put(DeadLetter::clone(&letter)).await {
            Ok(()) => Ok(Receipt::queued()),
            Err(_) => Err(DeliveryError::permanent("the targets of dead letters are closed")),
        }
    }

    async fn health(&self) -> Health {
        let is_kept = self.targets.iter().any(|target| target.pending() > 0);
        let status = if is_kept { HealthStatus::Degraded } else { HealthStatus::Healthy };
        Health { status, ..Health::default() }
    }
}
