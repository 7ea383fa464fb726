use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use dispatch_core::delivery::{DeliveryError, Health, HealthStatus, Receipt};
use dispatch_core::policy::Failure;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::policy::Moment;

/// Signs of life.
#[derive(Debug)]
pub(super) struct Vitals {
    running: AtomicUsize,
    /// Whether anybody waits until nothing runs.
    awaited: AtomicBool,
    quiet: Notify,
    /// What the time of the last success is counted from.
    origin: Instant,
    /// Milliseconds since the origin, and one; 0 for never.
    last_success_ms: AtomicU64,
    latency_us: AtomicU64,
    failing: AtomicBool,
}

impl Vitals {
    pub(super) fn start() -> Self {
        Self {
            running: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
            quiet: Notify::new(),
            origin: Instant::now(),
            last_success_ms: AtomicU64::new(0),
            latency_us: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        }
    }

    pub(super) fn enter(&self) -> impl Drop {
        self.running.fetch_add(1, Ordering::SeqCst);
        RunningCall(self)
    }

    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    pub(super) async fn wait_until_quiet(&self) {
        // Either the last call to end sees this, or it is not counted any more below.
        self.awaited.store(true, Ordering::SeqCst);
        loop {
            let mut quiet = pin!(self.quiet.notified());
            quiet.as_mut().enable();
            if self.running() == 0 {
                return;
            }
            quiet.await;
        }
    }

    /// Takes note of how a call ended.
    pub(super) fn note(&self, result: &Result<Receipt, DeliveryError>, moment: &Moment) {
        // What was refused on this side, or answered with a no, says nothing against the destination.
        if result.as_ref().is_err_and(Failure::is_fault) {
            self.failing.store(true, Ordering::Release);
        }
        if result.is_ok() {
            self.failing.store(false, Ordering::Release);
            let now = moment.now();
            let millis = now.saturating_duration_since(self.origin).as_millis();
            let micros = now.saturating_duration_since(moment.origin()).as_micros();
            let millis = u64::try_from(millis).unwrap_or(u64::MAX).saturating_add(1);
            self.last_success_ms.store(millis, Ordering::Release);
            self.latency_us.store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Release);
        }
    }

    /// How the destination is, with `wall` as the time of day.
    pub(super) fn health(&self, wall: SystemTime) -> Health {
        // A success is noted on the monotonic clock, which costs nothing more there, and told as time of day.
        let last_success = match self.last_success_ms.load(Ordering::Acquire) {
            0 => None,
            ms => wall.checked_sub(self.origin.elapsed().saturating_sub(Duration::from_millis(ms - 1))),
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
        if self.0.running.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.awaited.load(Ordering::SeqCst) {
            self.0.quiet.notify_waiters();
        }
    }
}
