use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use dispatch_core::delivery::{DeliveryEvent, DeliveryLabels};
use dispatch_core::policy::{Failure, RefusedBy};
use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::Level;

use super::{Call, Policy};

/// Tells of every attempt and turns a panic into an error; in a [`Delivery`](crate::Delivery) only the time-out is
/// further inside.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observe;

impl Policy for Observe {
    fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        async move {
            let running = Running::start(call);
            // The attempt is a call of foreign code; nothing of it is used again after it has panicked.
            let result = match AssertUnwindSafe(async { attempt().await }).catch_unwind().await {
                Ok(result) => result,
                Err(panic) => {
                    call.waited();
                    Err(E::panicked(text_of(&*panic)))
                }
            };
            running.finish(&result);
            result
        }
    }
}

/// An attempt that runs; dropped before its end, it was abandoned.
struct Running<'a> {
    call: Call<'a>,
    /// `None` if nobody wants to know.
    since: Option<Instant>,
    ended: bool,
}

impl<'a> Running<'a> {
    fn start(call: Call<'a>) -> Self {
        call.telemetry.emit(DeliveryEvent::Started);
        let since = (call.telemetry.is_observed() || tracing::enabled!(Level::DEBUG)).then(|| call.clock());
        Self { call, since, ended: false }
    }

    fn finish<T, E: Failure>(mut self, result: &Result<T, E>) {
        self.ended = true;
        let Some(since) = self.since else {
            return;
        };
        let latency = self.call.clock().saturating_duration_since(since);
        let failed = result.as_ref().err().map(Failure::kind);
        self.call.telemetry.emit(DeliveryEvent::Attempted { failed, latency });
        if let Err(error) = result {
            if let Some(refusal) = error.refusal().filter(|refusal| refusal.by == RefusedBy::PoolExhausted) {
                // Made by the adapter, which tells nobody.
                self.call.telemetry.emit(DeliveryEvent::Refused { by: refusal.by });
            }
            let DeliveryLabels { adapter, destination } = self.call.telemetry.labels();
            tracing::debug!(
                %adapter,
                %destination,
                kind = error.kind().as_str(),
                latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
                error = error.text(),
                "attempt failed"
            );
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.call.telemetry.emit(DeliveryEvent::Abandoned);
        }
    }
}

/// What a panic says.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
