use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dispatch_core::delivery::{DeliveryErrorKind, DeliveryLabels};
use dispatch_core::policy::Failure;

use super::{Call, Policy};

/// Makes no attempt any more at a destination that has said that it wants nothing more, until it is opened again.
///
/// It stands inside of whatever makes a call wait, so that what waited is not sent after that word.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    closed: Arc<AtomicBool>,
}

impl Gate {
    const TEXT: &str = "the destination wants nothing more; enable() delivers to it again";

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn open(&self) {
        self.closed.store(false, Ordering::Release);
    }

    /// Closes it, and says so in the log if it was open.
    pub(crate) fn close(&self, labels: &DeliveryLabels) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            let DeliveryLabels { adapter, destination } = labels;
            tracing::warn!(%adapter, %destination, "the destination wants nothing more and is switched off");
        }
    }

    /// The error of what it does not let through.
    pub(crate) fn refusal<E: Failure>() -> E {
        E::disabled(Self::TEXT)
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
                return Err(Self::refusal());
            }
            let result = attempt().await;
            if result.as_ref().is_err_and(|error| error.kind() == DeliveryErrorKind::Disabled) {
                self.close(call.telemetry.labels());
            }
            result
        }
    }
}
