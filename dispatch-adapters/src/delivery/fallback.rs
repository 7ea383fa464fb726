use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, Receipt};
use dispatch_core::policy::Failure as _;
use futures_util::FutureExt;

/// What happens instead when a destination does not take an envelope.
///
/// It is asked when the circuit breaker is open and after the last failure, before the dead letters are. With a
/// fallback an open breaker holds nothing: the fallback takes it at once. What it takes counts as delivered: the receipt
/// says [`fallback`](Receipt::fallback), so does the outcome of a dispatch
/// ([`Outcome::is_fallback`](dispatch_core::dispatch::Outcome::is_fallback)), and it is counted as `fell_back`.
#[derive(Clone)]
#[non_exhaustive]
pub enum Fallback {
    /// The envelope counts as delivered, with this receipt.
    Value(Receipt),
    /// A function decides.
    With(Arc<FallbackFn>),
    /// A second destination takes it, in the time that an attempt of the delivery has.
    To(Arc<dyn Adapter>),
}

/// Decides what becomes of an envelope that failed.
pub type FallbackFn = dyn Fn(&Envelope, &DeliveryError) -> Result<Receipt, DeliveryError> + Send + Sync;

impl Fallback {
    /// A function decides.
    pub fn with(
        decide: impl Fn(&Envelope, &DeliveryError) -> Result<Receipt, DeliveryError> + Send + Sync + 'static,
    ) -> Self {
        Self::With(Arc::new(decide))
    }

    /// A second destination takes it.
    pub fn to(adapter: impl Adapter) -> Self {
        Self::To(Arc::new(adapter))
    }

    /// Asks it.
    pub(super) async fn take(
        &self,
        envelope: &Envelope,
        error: &DeliveryError,
        limit: Duration,
    ) -> Result<Receipt, DeliveryError> {
        let asked = async {
            match self {
                Self::Value(receipt) => Ok(receipt.clone()),
                Self::With(decide) => decide(envelope, error),
                Self::To(adapter) => {
                    let limit = adapter.time_for(limit);
                    let answer = tokio::time::timeout(limit, adapter.deliver(envelope)).await;
                    answer.unwrap_or_else(|_| Err(DeliveryError::timed_out(limit)))
                }
            }
        };
        // Foreign code; nothing of it is used again after it has panicked.
        let receipt = AssertUnwindSafe(asked).catch_unwind().await;
        receipt
            .unwrap_or_else(|_| Err(DeliveryError::retry("the fallback panicked")))
            .map(Receipt::from_fallback)
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value"),
            Self::With(_) => f.write_str("With"),
            Self::To(adapter) => f.debug_tuple("To").field(&adapter.name()).finish(),
        }
    }
}
