//! Collects envelopes and delivers them together.
//!
//! - A batch leaves when it is full, when its first envelope has waited long enough, when it is flushed, or when
//!   the last handle is gone.
//! - Every caller gets the result of its own envelope, as soon as it is known. In a [`Delivery`](crate::Delivery) with
//!   retries, what of a batch failed is tried again together and in its order, after one delay, and waits for nobody to
//!   fill the batch up again.
//! - Batches are sent one at a time, in order; meanwhile the next one is collected. While a batch waits to be tried again
//!   others are sent, unless something in it has to keep its order: what a queue has taken, and lists of envelopes. A
//!   [`Delivery`](crate::Delivery) that was told to work on several envelopes at once sends several.
//! - An envelope whose caller has gone is not sent.
//! - Callers wait while ten batches are inside: nothing is collected without bound. While the circuit breaker of a
//!   delivery refuses, no more envelopes than it may hold are inside; the others are refused.

mod actor;
mod line;
mod protocol;
mod sending;

use std::sync::Arc;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::policy::{BatchPolicy, RefusedBy};
use dispatch_core::{Envelope, RegistrationError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::policy::{Breaker, Rates, Retry, Telemetry};
pub(crate) use protocol::Order;
use protocol::{Command, Item};

/// An adapter that delivers in batches.
///
/// Clones share the batch. It needs a tokio runtime.
#[derive(Debug, Clone)]
pub struct Batched<A> {
    inner: Arc<A>,
    mailbox: mpsc::UnboundedSender<Command>,
    /// What bounds the mailbox: one permit for each envelope that has no result yet.
    room: Arc<Semaphore>,
    capacity: usize,
    hold: Option<Hold>,
    telemetry: Telemetry,
}

/// How batches are sent.
pub(crate) struct Sends {
    /// So many at once.
    pub(crate) at_once: usize,
    /// How many envelopes may wait for a breaker.
    pub(crate) hold: Option<Hold>,
    /// What of a batch failed is tried again.
    pub(crate) again: Option<Again>,
}

/// How what failed is tried again.
pub(crate) struct Again {
    pub(crate) retry: Retry,
    /// What each envelope passes once more.
    pub(crate) rates: Rates,
}

/// While a breaker refuses, so many envelopes may wait.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) breaker: Breaker,
    pub(crate) most: usize,
}

impl<A: Adapter> Batched<A> {
    /// Batches on their way at once that the capacity has room for.
    const BATCHES: usize = 10;

    /// Puts a batch in front of an adapter and starts the actor that sends it.
    ///
    /// # Errors
    /// Everything that is wrong with the policy; that there is no runtime.
    pub fn start(policy: BatchPolicy, adapter: A, telemetry: Telemetry) -> Result<Self, RegistrationError> {
        Self::start_with(policy, Sends { at_once: 1, hold: None, again: None }, adapter, telemetry)
    }

    /// Like [`start`](Self::start), with more to say about how batches are sent.
    pub(crate) fn start_with(
        policy: BatchPolicy,
        sends: Sends,
        adapter: A,
        telemetry: Telemetry,
    ) -> Result<Self, RegistrationError> {
        RegistrationError::check(policy.problems())?;
        let runtime = crate::runtime::current()?;
        let inner = Arc::new(adapter);
        let (mailbox, commands) = mpsc::unbounded_channel();
        let hold = sends.hold.clone();
        let batches = policy.max_size.saturating_mul(sends.at_once.max(Self::BATCHES));
        // With room for all that may be held, whoever waits for room is one too many.
        let capacity = batches.max(hold.as_ref().map_or(0, |hold| hold.most)).min(Semaphore::MAX_PERMITS);
        runtime.spawn(actor::run(policy, sends, Arc::clone(&inner), telemetry.clone(), commands));
        let room = Arc::new(Semaphore::new(capacity));
        Ok(Self { inner, mailbox, room, capacity, hold, telemetry })
    }

    /// Sends what there is, and waits until everything that came before has its result. What comes afterwards does not
    /// keep it waiting.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.mailbox.send(Command::Flush(done)).is_ok() {
            // An error says that the actor has gone, and with it everything there was to flush.
            let _ = flushed.await;
        }
    }

    /// From now on waits for nobody: an envelope leaves with whatever comes together with it.
    pub fn drain(&self) {
        // If the actor has gone, nothing is left to hurry.
        let _ = self.mailbox.send(Command::Drain);
    }

    /// Envelopes that have no result yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.capacity - self.room.available_permits()
    }

    /// What is behind the batch.
    #[must_use]
    pub fn inner(&self) -> &A {
        &self.inner
    }

    /// Puts an envelope into the batch and waits for its result.
    pub(crate) async fn add(&self, envelope: &Envelope, order: Order) -> Result<Receipt, DeliveryError> {
        let stopped = || DeliveryError::retry("the batch in front of the destination has been stopped");
        let permit = self.enter().await?.ok_or_else(stopped)?;
        let (reply, result) = oneshot::channel();
        let item = Item { envelope: envelope.clone(), order, reply, _permit: permit };
        self.mailbox.send(Command::Add(item)).map_err(|_| stopped())?;
        result.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Waits for room; `None` if there never will be any again.
    ///
    /// # Errors
    /// A refusal, while the breaker refuses and as much is inside as it may hold.
    async fn enter(&self) -> Result<Option<OwnedSemaphorePermit>, DeliveryError> {
        let room = Arc::clone(&self.room).acquire_owned();
        let Some(hold) = &self.hold else {
            return Ok(room.await.ok());
        };
        let over = || self.pending() >= hold.most;
        let remaining = match hold.breaker.refuses().filter(|_| over()) {
            Some(remaining) => remaining,
            None => tokio::select! {
                biased;
                permit = room => return Ok(permit.ok()),
                // Whoever waits for room finds as much inside as may be.
                remaining = hold.breaker.refusing(), if self.room.available_permits() == 0 => remaining,
            },
        };
        Err(self.telemetry.refuse(RefusedBy::CircuitOpen, Some(remaining)))
    }
}

#[async_trait]
impl<A: Adapter> Adapter for Batched<A> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn destination(&self) -> &str {
        self.inner.destination()
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        self.inner.validate()
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.add(envelope, Order::Free).await
    }

    /// A batch as it is; it does not wait for others.
    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.inner.deliver_batch(envelopes).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }
}

/// The problem of a result list that does not fit its batch.
fn wrong_count(name: &str, got: usize, wanted: usize) -> Problem {
    Problem::new(
        ErrorCode::InvalidState,
        format!(
            "adapter '{name}' answered {got} results for {wanted} envelopes: it must answer one for each"
        ),
    )
}
