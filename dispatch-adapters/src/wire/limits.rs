use std::future::Future;
use std::time::Duration;

use dispatch_core::delivery::DeliveryError;
use tokio::time::Instant;

/// Refuses what is longer than a server or its operator allows.
pub(crate) fn check_size(bytes: usize, max_bytes: usize) -> Result<(), DeliveryError> {
    if bytes > max_bytes {
        let text = format!(
            "the message has {bytes} bytes, over max_bytes of {max_bytes}: send less, or where it is"
        );
        return Err(DeliveryError::permanent(text));
    }
    Ok(())
}

/// How long everything that one delivery takes may take together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    limit: Duration,
    until: Instant,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self { limit, until: Instant::now() + limit }
    }

    /// Waits for a server, but no longer than that.
    pub(crate) async fn wait<T>(
        self,
        server: &str,
        answer: impl Future<Output = Result<T, DeliveryError>>,
    ) -> Result<T, DeliveryError> {
        tokio::time::timeout_at(self.until, answer).await.unwrap_or_else(|_| {
            Err(DeliveryError::retry(format!("no answer from {server} within {} ms", self.limit.as_millis())))
        })
    }
}
