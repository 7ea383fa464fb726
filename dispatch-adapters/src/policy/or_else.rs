use std::collections::BTreeSet;
use std::fmt;
use std::panic::AssertUnwindSafe;

use async_trait::async_trait;
use dispatch_core::delivery::{DeliveryEvent, DeliveryLabels};
use dispatch_core::dispatcher::{Context, Dispatcher, DispatcherError, Outputs};
use dispatch_core::policy::Failure as _;
use dispatch_core::{Category, Envelope, NodeKind};
use futures_util::FutureExt;

use super::{Telemetry, text_of};

/// A dispatcher with something to do instead when it fails: the fallback of a dispatcher, outside its policies.
///
/// What the fallback returns stands in for the outputs, and the outcome of the dispatch says that it is
/// [one](dispatch_core::dispatch::Outcome::is_fallback); if it fails, its error does. Each time is logged, and told to
/// the observers and counted by the metrics of its [`Telemetry`](Self::with_telemetry).
///
/// A panic of the dispatcher is a failure, too. A time-out of the engine is not seen here: it drops the call, and the
/// dispatch has `TIMEOUT`. For a fallback put a [`Timeout`](super::Timeout) that is shorter inside.
///
/// For an adapter there is [`Fallback`](crate::Fallback).
///
/// ```
/// use dispatch_adapters::model::policy::BreakerConfig;
/// use dispatch_adapters::model::{Category, Context, Dispatcher, DispatcherError, Envelope, Outputs};
/// use dispatch_adapters::policy::{Around, Breaker, OrElse};
///
/// struct Price;
///
/// #[async_trait::async_trait]
/// impl Dispatcher for Price {
///     fn id(&self) -> &str { "price" }
///     fn category(&self) -> Category { Category::Command }
///     async fn handle(&self, _: Envelope, _: Context) -> Result<Outputs, DispatcherError> {
///         Err(DispatcherError::msg("the price list does not answer"))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let guarded = Around::dispatcher(Breaker::new(BreakerConfig::default())?, Price);
/// let price = OrElse::new(guarded, |_: &Envelope, _: &DispatcherError| Ok(Outputs::none()));
/// assert_eq!(price.id(), "price");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OrElse<D, F> {
    inner: D,
    fallback: F,
    telemetry: Telemetry,
}

impl<D, F> OrElse<D, F>
where
    D: Dispatcher,
    F: Fn(&Envelope, &DispatcherError) -> Result<Outputs, DispatcherError> + Send + Sync + 'static,
{
    /// A dispatcher and what it does instead when it fails.
    pub fn new(dispatcher: D, fallback: F) -> Self {
        let telemetry = Telemetry::new(DeliveryLabels::new("dispatcher", dispatcher.id()));
        Self { inner: dispatcher, fallback, telemetry }
    }

    /// Tells others that it fell back, under other labels.
    #[must_use]
    pub fn with_telemetry(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = telemetry;
        self
    }
}

#[async_trait]
impl<D, F> Dispatcher for OrElse<D, F>
where
    D: Dispatcher,
    F: Fn(&Envelope, &DispatcherError) -> Result<Outputs, DispatcherError> + Send + Sync + 'static,
{
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn category(&self) -> Category {
        self.inner.category()
    }

    fn message_types(&self) -> Option<BTreeSet<String>> {
        self.inner.message_types()
    }

    fn node_kind(&self) -> Option<NodeKind> {
        self.inner.node_kind()
    }

    async fn handle(&self, envelope: Envelope, context: Context) -> Result<Outputs, DispatcherError> {
        // Foreign code; nothing of it is used again after it has panicked.
        let handled = AssertUnwindSafe(async { self.inner.handle(envelope.clone(), context).await });
        let error = match handled.catch_unwind().await {
            Ok(Ok(outputs)) => return Ok(outputs),
            Ok(Err(error)) => error,
            Err(panic) => DispatcherError::panicked(text_of(&*panic)),
        };
        tracing::warn!(
            dispatcher = self.inner.id(),
            envelope_id = %envelope.id(),
            error_type = error.error_type(),
            "a dispatcher failed and its fallback was asked"
        );
        let outputs = (self.fallback)(&envelope, &error)?;
        self.telemetry.emit(DeliveryEvent::FellBack);
        Ok(outputs.from_fallback())
    }
}

impl<D: Dispatcher, F> fmt::Debug for OrElse<D, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrElse").field("dispatcher", &self.inner.id()).finish_non_exhaustive()
    }
}
