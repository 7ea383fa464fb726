use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dispatch_core::delivery::{DeliveryError, Health, HealthStatus, Receipt};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::policy::Telemetry;

/// Signs of life.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    running: AtomicUsize,
    quiet: Notify,
    /// Milliseconds since 1970; 0 for never.
    last_success_ms: AtomicU64,
    latency_us: AtomicU64,
    failing: AtomicBool,
}

impl Vitals {
    pub(super) fn enter(&self) -> impl Drop {
        self.running.fetch_add(1, Ordering::AcqRel);
        RunningCall(self)
    }

    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    pub(super) async fn wait_until_quiet(&self) {
        loop {
            let mut quiet = pin!(self.quiet.notified());
            quiet.as_mut().enable();
            if self.running() == 0 {
                return;
            }
            quiet.await;
        }
    }

    pub(super) fn note(
        &self,
        result: &Result<Receipt, DeliveryError>,
        since: Instant,
        telemetry: &Telemetry,
    ) {
        self.failing.store(result.is_err(), Ordering::Release);
        if result.is_ok() {
            let now = telemetry.now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.last_success_ms.store(u64::try_from(now.as_millis()).unwrap_or(0), Ordering::Release);
            self.latency_us.store(micros, Ordering::Release);
        }
    }

    pub(super) fn health(&self) -> Health {
        let last_success = match self.last_success_ms.load(Ordering::Acquire) {
            0 => None,
            ms => Some(SystemTime::UNIX_EPOCH + Duration::from_millis(ms)),
        };
        let status = match (self.failing.load(Ordering::Acquire), last_success) {
            (true, _) => HealthStatus::Unhealthy,
            (false, Some(_)) => HealthStatus::Healthy,
            (false, None) => HealthStatus::Unknown,
        };
        let latency = last_success.map(|_| Duration::from_micros(self.latency_us.load(Ordering::Acquire)));
        Health { status, latency, last_success }
    }
}

struct RunningCall<'a>(&'a Vitals);

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.quiet.notify_waiters();
        }
    }
}
