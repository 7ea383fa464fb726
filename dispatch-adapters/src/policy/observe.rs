use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use dispatch_core::delivery::DeliveryEvent;
use dispatch_core::policy::Failure;
use futures_util::FutureExt;
use tokio::time::Instant;

use super::{Call, Policy, Telemetry};

/// Tells of every attempt and turns a panic into an error; the innermost policy of a [`Delivery`](crate::Delivery).
#[derive(Debug, Clone, Copy, Default)]
pub struct Observe;

impl Policy for Observe {
    async fn apply<T, E, F, Fut>(&self, call: Call<'_>, attempt: F) -> Result<T, E>
    where
        T: Send,
        E: Failure,
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, E>> + Send,
    {
        let running = Running::start(call.telemetry);
        // The attempt is a call of foreign code; nothing of it is used again after it has panicked.
        let result = match AssertUnwindSafe(async { attempt().await }).catch_unwind().await {
            Ok(result) => result,
            Err(panic) => Err(E::panicked(text_of(&*panic))),
        };
        running.finish(&result);
        result
    }
}

/// An attempt that runs; dropped before its end, it was abandoned.
struct Running<'a> {
    telemetry: &'a Telemetry,
    since: Option<Instant>,
}

impl<'a> Running<'a> {
    fn start(telemetry: &'a Telemetry) -> Self {
        telemetry.emit(DeliveryEvent::Started);
        Self { telemetry, since: Some(Instant::now()) }
    }

    fn finish<T, E: Failure>(mut self, result: &Result<T, E>) {
        if let Some(since) = self.since.take() {
            let failed = result.as_ref().err().map(Failure::kind);
            self.telemetry.emit(DeliveryEvent::Attempted { failed, latency: since.elapsed() });
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.since.is_some() {
            self.telemetry.emit(DeliveryEvent::Abandoned);
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
