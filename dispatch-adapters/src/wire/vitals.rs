use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dispatch_core::delivery::{DeliveryError, Health, HealthStatus};
use dispatch_core::{Clock as _, SystemClock};
use tokio::time::Instant;

/// When an adapter last delivered something.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    /// Milliseconds since 1970; 0 for never.
    last_success_ms: AtomicU64,
}

impl Vitals {
    /// Something was delivered.
    pub(crate) fn delivered(&self) {
        let now = SystemClock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_success_ms.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Asks the server something and says how that went.
    pub(crate) async fn health(&self, ask: impl Future<Output = Result<(), DeliveryError>>) -> Health {
        let since = Instant::now();
        let status = match ask.await {
            Ok(()) => HealthStatus::Healthy,
            Err(_) => HealthStatus::Unhealthy,
        };
        let last_success = match self.last_success_ms.load(Ordering::Relaxed) {
            0 => None,
            ms => SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms)),
        };
        Health { status, latency: Some(since.elapsed()), last_success }
    }
}
