use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};

use async_trait::async_trait;
use dispatch_core::delivery::{DeadLetter, DeadLetterOrigin, DeliveryEvent, DeliveryLabels};
use dispatch_core::dispatcher::{Context, Dispatcher, DispatcherError, Outputs};
use dispatch_core::policy::Failure as _;
use dispatch_core::uuid::Uuid;
use dispatch_core::{Category, Envelope, NodeKind};
use futures_util::FutureExt;

use super::DeadLetters;
use crate::policy::{Telemetry, text_of};

/// A dispatcher with dead letters: what it fails to handle goes there, once, and the failure is its outcome all the same.
///
/// It goes outside the policies of the dispatcher, so that only the last failure counts. A refusal of one of them is no
/// failure, since nothing was tried. A panic is one, and goes on to the engine. A time-out of the engine is not seen here: it
/// drops the call, there is no dead letter, and the dispatch has `TIMEOUT`. For a dead letter put a
/// [`Timeout`](crate::policy::Timeout) that is shorter inside. For an adapter a [`Delivery`](crate::Delivery) has
/// [`dead_letters`](crate::DeliveryBuilder::dead_letters).
///
/// ```
/// use dispatch_adapters::model::policy::RetryPolicy;
/// use dispatch_adapters::model::{Category, Context, Dispatcher, DispatcherError, Envelope, Outputs};
/// use dispatch_adapters::policy::{Around, Retry};
/// use dispatch_adapters::{Buried, DeadLetters, NoopAdapter};
///
/// struct Price;
///
/// #[async_trait::async_trait]
/// impl Dispatcher for Price {
///     fn id(&self) -> &str { "price" }
///     fn category(&self) -> Category { Category::Command }
///     async fn handle(&self, _: Envelope, _: Context) -> Result<Outputs, DispatcherError> {
///         Err(DispatcherError::msg("there is no such article").unrecoverable())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let letters = DeadLetters::to([NoopAdapter::new()])?;
/// let price = Buried::new(Around::dispatcher(Retry::new(RetryPolicy::default()), Price), &letters);
/// assert_eq!(price.id(), "price");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Buried<D> {
    inner: D,
    letters: DeadLetters,
    telemetry: Telemetry,
}

impl<D: Dispatcher> Buried<D> {
    /// A dispatcher, and where what it fails to handle goes.
    pub fn new(dispatcher: D, letters: &DeadLetters) -> Self {
        let telemetry = Telemetry::new(DeliveryLabels::new("dispatcher", dispatcher.id()));
        Self { inner: dispatcher, letters: letters.clone(), telemetry }
    }

    /// Tells others of dead letters, under other labels, and takes wall time from its clock.
    #[must_use]
    pub fn with_telemetry(mut self, telemetry: Telemetry) -> Self {
        self.telemetry = telemetry;
        self
    }

    async fn bury(&self, envelope: Envelope, error: &DispatcherError) {
        let origin = DeadLetterOrigin::Dispatcher { dispatcher: self.inner.id().to_owned() };
        let id = envelope.id();
        let letter = DeadLetter::of_failure(Uuid::now_v7(), envelope, origin, error, self.telemetry.now());
        match self.letters.put(letter).await {
            Ok(()) => self.telemetry.emit(DeliveryEvent::DeadLettered),
            Err(letter) => tracing::error!(
                dead_letter_id = %letter.id, envelope_id = %id, dispatcher = self.inner.id(),
                "a dead letter came after its targets were closed; nobody has it"
            ),
        }
    }
}

#[async_trait]
impl<D: Dispatcher> Dispatcher for Buried<D> {
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
        let result = match handled.catch_unwind().await {
            Ok(result) => result,
            Err(panic) => {
                if !DeadLetter::is_in(&envelope) {
                    self.bury(envelope, &DispatcherError::panicked(text_of(&*panic))).await;
                }
                // Its outcome is up to the engine, as without dead letters.
                resume_unwind(panic);
            }
        };
        if let Err(error) = &result
            && error.refusal().is_none()
            && !DeadLetter::is_in(&envelope)
        {
            self.bury(envelope, error).await;
        }
        result
    }
}

impl<D: Dispatcher> fmt::Debug for Buried<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buried")
            .field("dispatcher", &self.inner.id())
            .field("letters", &self.letters)
            .finish_non_exhaustive()
    }
}
