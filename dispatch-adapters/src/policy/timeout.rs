use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use dispatch_core::delivery::DeliveryEvent;
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::policy::Failure;

use super::{Call, Policy};

/// Gives an attempt so much time.
///
/// An attempt that is done when it is first looked at costs no timer.
#[derive(Debug, Clone, Copy)]
pub struct Timeout {
    limit: Duration,
}

impl Timeout {
    /// The longest limit.
    pub const LONGEST: Duration = Duration::from_secs(3600);

    /// Each attempt may take this long.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self { limit }
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }
}

impl Policy for Timeout {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        async move {
            let mut attempt = pin!(attempt());
            let first = std::future::poll_fn(|cx| Poll::Ready(attempt.as_mut().poll(cx))).await;
            if let Poll::Ready(result) = first {
                return result;
            }
            match tokio::time::timeout(self.limit, attempt).await {
                Ok(result) => result,
                Err(_) => {
                    call.waited();
                    call.telemetry.emit(DeliveryEvent::TimedOut);
                    Err(E::timed_out(self.limit))
                }
            }
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let valid = !self.limit.is_zero() && self.limit <= Self::LONGEST;
        let text = || format!("timeout is {:?}: use 1 ms to 1 h", self.limit);
        if valid { Vec::new() } else { vec![Problem::new(ErrorCode::InvalidParameter, text())] }
    }
}
