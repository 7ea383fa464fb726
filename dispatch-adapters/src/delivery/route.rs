use std::sync::Arc;

use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Progress, Receipt};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::batch::Batched;
use crate::policy::{Around, Breaker, Gate, InFlight, Moment, Observe, Rates, Retry, Stack, Timeout};

/// What stands around every attempt.
pub(super) type Attempt = Stack<Option<InFlight>, Stack<Gate, Stack<Observe, Timeout>>>;
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
}

/// An adapter with its policies.
pub(super) enum Route {
    Single(Around<Single, Arc<dyn Adapter>>),
    Batched(Around<Rates, Batch>),
}

impl Route {
    pub(super) async fn deliver(
        &self,
        envelope: &Envelope,
        course: Course<'_>,
    ) -> Result<Receipt, DeliveryError> {
        match self {
            Self::Single(adapter) => adapter.deliver_at(envelope, course.moment, course.progress).await,
            Self::Batched(adapter) => adapter.deliver_at(envelope, course.moment, course.progress).await,
        }
    }

    pub(super) async fn flush(&self) {
        if let Self::Batched(adapter) = self {
            adapter.inner().flush().await;
        }
    }

    pub(super) fn hurry(&self) {
        if let Self::Batched(adapter) = self {
            adapter.inner().hurry();
        }
    }

    pub(super) fn calm(&self) {
        if let Self::Batched(adapter) = self {
            adapter.inner().calm();
        }
    }

    pub(super) async fn health(&self) -> Health {
        match self {
            Self::Single(adapter) => adapter.health().await,
            Self::Batched(adapter) => adapter.health().await,
        }
    }
}
