use std::sync::Arc;

use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Progress, Receipt};

use crate::batch::Batched;
use crate::policy::{Around, Breaker, InFlight, KeyedRate, Moment, Observe, Rate, Retry, Stack, Timeout};

/// What stands in front of every attempt.
pub(super) type Limits = Stack<Option<Rate>, Option<KeyedRate>>;
/// What stands around every attempt.
pub(super) type Attempt = Stack<Option<InFlight>, Stack<Observe, Timeout>>;
/// The whole, without a batch.
pub(super) type Single = Stack<Option<Retry>, Stack<Option<Breaker>, Stack<Limits, Attempt>>>;
/// What stands in front of a batch, and what stands behind it.
pub(super) type Before = Stack<Option<Retry>, Limits>;
/// What stands around every attempt of a batch.
pub(super) type Behind = Stack<Option<Breaker>, Attempt>;

/// A batch in front of an adapter.
pub(super) type Batch = Batched<Around<Behind, Arc<dyn Adapter>>>;

/// An adapter with its policies.
pub(super) enum Route {
    Single(Around<Single, Arc<dyn Adapter>>),
    Batched(Around<Before, Batch>),
}

impl Route {
    pub(super) async fn deliver(
        &self,
        envelope: &Envelope,
        moment: &Moment,
        progress: &Progress,
    ) -> Result<Receipt, DeliveryError> {
        match self {
            Self::Single(adapter) => adapter.deliver_at(envelope, moment, progress).await,
            Self::Batched(adapter) => adapter.deliver_at(envelope, moment, progress).await,
        }
    }

    pub(super) async fn flush(&self) {
        if let Self::Batched(adapter) = self {
            adapter.inner().flush().await;
        }
    }

    pub(super) fn drain(&self) {
        if let Self::Batched(adapter) = self {
            adapter.inner().drain();
        }
    }

    pub(super) async fn health(&self) -> Health {
        match self {
            Self::Single(adapter) => adapter.health().await,
            Self::Batched(adapter) => adapter.health().await,
        }
    }
}
