use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use dispatch_core::delivery::{Health, HealthStatus};
use dispatch_core::{Clock, SystemClock};

/// What the last attempts say about a destination.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    /// 0: nothing is known; 1: the last attempt went well; 2: it failed.
    last: AtomicU8,
    /// Milliseconds since the epoch; 0 is never.
    last_success: AtomicU64,
}

impl Vitals {
    pub(crate) fn record(&self, success: bool) {
        if success {
            let since = SystemClock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.last_success.store(u64::try_from(since.as_millis()).unwrap_or(0), Ordering::Relaxed);
        }
        self.last.store(if success { 1 } else { 2 }, Ordering::Relaxed);
    }

    pub(crate) fn health(&self) -> Health {
        let status = match self.last.load(Ordering::Relaxed) {
            0 => HealthStatus::Unknown,
            1 => HealthStatus::Healthy,
            _ => HealthStatus::Unhealthy,
        };
        let since = Some(self.last_success.load(Ordering::Relaxed)).filter(|ms| *ms > 0);
        let last_success = since.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        Health { status, latency: None, last_success }
    }
}
