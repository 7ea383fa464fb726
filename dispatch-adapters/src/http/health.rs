use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use dispatch_core::delivery::{DeliveryError, DeliveryErrorKind, Health, HealthStatus, Receipt};

use super::HttpError;

/// What the last calls say about the destination.
///
/// - One that answers is healthy, also where it says that a request is not valid; not where it asks to be spared, has
///   failed, or wants nothing more.
/// - What was not sent says nothing.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Health>);

impl Record {
    /// Takes note of a call of one or several URLs.
    pub(crate) fn note<'a>(
        &self,
        results: impl Iterator<Item = &'a Result<Receipt, DeliveryError>>,
        latency: Duration,
        now: SystemTime,
    ) {
        let (mut well, mut ill, mut delivered) = (false, false, true);
        for result in results {
            delivered &= result.is_ok();
            match judge(result) {
                Some(true) => well = true,
                Some(false) => ill = true,
                None => {}
            }
        }
        let status = match (well, ill) {
            (true, false) => HealthStatus::Healthy,
            (true, true) => HealthStatus::Degraded,
            (false, true) => HealthStatus::Unhealthy,
            (false, false) => return,
        };
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        health.latency = Some(latency);
        health.status = status;
        if delivered {
            health.last_success = Some(now);
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the destination works, if the call says anything about that.
fn judge(result: &Result<Receipt, DeliveryError>) -> Option<bool> {
    let Err(error) = result else {
        return Some(true);
    };
    let cause = error.source().and_then(|source| source.downcast_ref());
    match (error.kind(), cause) {
        (
            _,
            Some(HttpError::PoolExhausted { .. } | HttpError::Envelope { .. } | HttpError::Options { .. }),
        ) => None,
        (DeliveryErrorKind::Permanent, Some(HttpError::Status { .. })) => Some(true),
        _ => Some(false),
    }
}
