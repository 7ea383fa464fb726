use std::sync::Arc;
use std::time::Duration;

use dispatch_core::delivery::Adapter;
use dispatch_core::error::Problem;
use dispatch_core::policy::Failure;

use crate::policy::{Call, Policy, Timeout};

/// The time-out of an attempt, worked out when the attempt begins: what an adapter needs itself may change, as that of a
/// name does when something else is registered under it.
pub(super) struct Limit {
    pub(super) adapter: Arc<dyn Adapter>,
    /// How long the destination may take for one envelope.
    pub(super) timeout: Duration,
    /// How many envelopes an attempt may have.
    pub(super) envelopes: u32,
}

impl Limit {
    fn now(&self) -> Timeout {
        let limit = self.adapter.time_for(self.timeout).saturating_mul(self.envelopes);
        Timeout::new(limit.min(Timeout::LONGEST.max(self.timeout)))
    }
}

#[expect(clippy::manual_async_fn, reason = "an async fn keeps its arguments twice, as in the other policies")]
impl Policy for Limit {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        async move {
            let timeout = self.now();
            timeout.apply(call, attempt).await
        }
    }

    fn problems(&self) -> Vec<Problem> {
        Timeout::new(self.timeout).problems()
    }
}
