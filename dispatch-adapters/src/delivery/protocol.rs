use dispatch_core::Envelope;
use dispatch_core::delivery::{DeliveryError, Receipt};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// What the delivery actor is told.
pub(super) enum Command {
    /// Deliver this.
    Deliver(Job),
    /// Hurry, and answer when everything that was queued before has its outcome.
    Flush(oneshot::Sender<()>),
    /// Finish what there is until then, and report the rest.
    Stop { until: Instant },
}

/// An envelope that was taken and has no result yet.
pub(super) struct Job {
    pub(super) envelope: Envelope,
    pub(super) reply: oneshot::Sender<Result<Receipt, DeliveryError>>,
    pub(super) permit: OwnedSemaphorePermit,
}

/// What was left when a delivery was shut down.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DeliveryReport {
    /// Envelopes that were taken and not delivered. The last attempt of some may have arrived, and the dead letters may
    /// have been given others meanwhile.
    pub abandoned: Vec<Envelope>,
    /// Calls of [`deliver`](crate::Delivery) that were still running; their callers have them.
    pub running: usize,
    /// Whether the runtime ended before the delivery did, so that nobody knows what was left.
    pub is_unknown: bool,
}

impl DeliveryReport {
    /// Whether nothing was left.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.abandoned.is_empty() && self.running == 0 && !self.is_unknown
    }
}
