use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dispatch_core::delivery::{DeliveryErrorKind, DeliveryLabels};
use dispatch_core::policy::{Failure, RefusedBy};

use super::{Call, Policy, Telemetry};

/// Makes no attempt any more at a destination that has said that it wants nothing more, until it is opened again.
///
/// It stands inside of whatever makes a call wait, so that what waited is not sent after that word.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    closed: Arc<AtomicBool>,
}

impl Gate {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn open(&self) {
        self.closed.store(false, Ordering::Release);
    }

    /// Reads an error, and closes at the word of the destination; what it has refused itself says nothing new.
    pub(crate) fn note(&self, error: &impl Failure, labels: &DeliveryLabels) {
        let said = error.kind() == DeliveryErrorKind::Disabled && error.refusal().is_none();
        if said && !self.closed.swap(true, Ordering::AcqRel) {
            let DeliveryLabels { adapter, destination } = labels;
            tracing::warn!(%adapter, %destination, "the destination wants nothing more and is switched off");
        }
    }

    /// The error of what it does not let through.
    pub(crate) fn refuse<E: Failure>(telemetry: &Telemetry) -> E {
        telemetry.refuse(RefusedBy::Disabled, None)
    }
}

impl Policy for Gate {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        async move {
            if self.is_closed() {
                return Err(Self::refuse(call.telemetry));
            }
            let result = attempt().await;
            if let Err(error) = &result {
                self.note(error, call.telemetry.labels());
            }
            result
        }
    }
}
