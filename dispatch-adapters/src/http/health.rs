use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use dispatch_core::delivery::{Health, HealthStatus};

/// What the last calls say about the destination.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Health>);

impl Record {
    /// Takes note of a call.
    pub(crate) fn note(&self, delivered: bool, latency: Duration, now: SystemTime) {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        health.latency = Some(latency);
        health.status = if delivered { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
        if delivered {
            health.last_success = Some(now);
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
