use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Progress, Receipt};
use dispatch_core::policy::{BatchPolicy, History};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::limit::Limit;
use crate::batch::Batched;
use crate::policy::{Around, Breaker, Gate, InFlight, Moment, Observe, Rates, Retry, Stack};

/// What stands around every attempt.
pub(super) type Attempt = Stack<Option<InFlight>, Stack<Gate, Stack<Observe, Limit>>>;
/// The whole, without a batch.
pub(super) type Single = Stack<Option<Retry>, Stack<Option<Breaker>, Stack<Rates, Attempt>>>;
/// What stands behind a batch, around every attempt of it.
pub(super) type Behind = Stack<Option<Breaker>, Attempt>;

/// A batch in front of an adapter.
pub(super) type Batch = Batched<Around<Behind, Arc<dyn Adapter>>>;

/// Hands a batch to the policies behind it.
pub(super) fn ask<'a>(
    behind: &'a Around<Behind, Arc<dyn Adapter>>,
    envelopes: &'a [Envelope],
    moment: &'a Moment,
) -> BoxFuture<'a, Vec<Result<Receipt, DeliveryError>>> {
    behind.deliver_batch_at(envelopes, moment).boxed()
}

/// What goes with an envelope from one attempt to the next.
#[derive(Clone, Copy)]
pub(super) struct Course<'a> {
    pub(super) progress: &'a Progress,
    pub(super) moment: &'a Moment,
    /// What was tried before its attempts of now.
    pub(super) before: Option<&'a History>,
}

/// A way to the adapter in batches.
pub(super) struct Lane {
    /// When a batch is full, and when it is old.
    pub(super) policy: BatchPolicy,
    pub(super) adapter: Around<Rates, Batch>,
}

/// An adapter with its policies.
pub(super) enum Route {
    Single(Around<Single, Arc<dyn Adapter>>),
    Batched(Lane),
}

impl Route {
    pub(super) async fn deliver(
        &self,
        envelope: &Envelope,
        course: Course<'_>,
    ) -> Result<Receipt, DeliveryError> {
        match self {
            Self::Single(adapter) => adapter.deliver_at(envelope, course.moment, course.progress).await,
            Self::Batched(lane) => lane.adapter.deliver_at(envelope, course.moment, course.progress).await,
        }
    }

    /// Sends what callers have in the batch, and waits for the results of what came before.
    pub(super) async fn flush(&self) {
        if let Self::Batched(lane) = self {
            lane.adapter.inner().flush().await;
        }
    }

    /// Callers who wait for others to fill their batch wait no longer.
    pub(super) fn hurry(&self) {
        if let Self::Batched(lane) = self {
            lane.adapter.inner().hurry();
        }
    }

    /// Whether a batch would be sent at once.
    pub(super) fn has_place(&self) -> bool {
        match self {
            Self::Single(_) => true,
            Self::Batched(lane) => lane.adapter.inner().has_place(),
        }
    }

    /// Waits until a batch would be sent at once, or nearly: whoever comes first may have taken the place again.
    pub(super) async fn place(&self) {
        if let Self::Batched(lane) = self {
            lane.adapter.inner().place().await;
        }
    }

    pub(super) fn time_for(&self, limit: Duration) -> Duration {
        match self {
            Self::Single(adapter) => adapter.time_for(limit),
            Self::Batched(lane) => lane.adapter.time_for(limit),
        }
    }

    pub(super) async fn health(&self) -> Health {
        match self {
            Self::Single(adapter) => adapter.health().await,
            Self::Batched(lane) => lane.adapter.health().await,
        }
    }
}
