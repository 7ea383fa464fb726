//! Collects envelopes and delivers them together.
//!
//! - A batch leaves when it is full, when its first envelope has waited long enough, when it is flushed, or when
//!   the last handle is gone.
//! - Every caller gets the result of its own envelope; what failed can be tried again alone.
//! - An envelope whose caller has gone is not sent.
//! - Callers wait while `capacity` envelopes are on their way: nothing is collected without bound.

mod actor;
mod protocol;

use std::sync::Arc;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::{ErrorCode, Problem};
use dispatch_core::policy::BatchPolicy;
use dispatch_core::{Envelope, RegistrationError};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::policy::Telemetry;
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
}

impl<A: Adapter> Batched<A> {
    /// Batches on their way at once that the capacity has room for.
    const BATCHES: usize = 10;

    /// Puts a batch in front of an adapter and starts the actor that sends it.
    ///
    /// # Errors
    /// Everything that is wrong with the policy; that there is no runtime.
    pub fn start(policy: BatchPolicy, adapter: A, telemetry: Telemetry) -> Result<Self, RegistrationError> {
        RegistrationError::check(policy.problems())?;
        let runtime = crate::runtime::current()?;
        let inner = Arc::new(adapter);
        let (mailbox, commands) = mpsc::unbounded_channel();
        runtime.spawn(actor::run(policy, Arc::clone(&inner), telemetry, commands));
        let capacity = policy.max_size.saturating_mul(Self::BATCHES).min(Semaphore::MAX_PERMITS);
        Ok(Self { inner, mailbox, room: Arc::new(Semaphore::new(capacity)), capacity })
    }

    /// Sends what there is, and waits until everything that came before has its result.
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
        let stopped = || DeliveryError::retry("the batch in front of the destination has been stopped");
        let permit = Arc::clone(&self.room).acquire_owned().await.map_err(|_| stopped())?;
        let (reply, result) = oneshot::channel();
        let item = Item { envelope: envelope.clone(), reply, _permit: permit };
        self.mailbox.send(Command::Add(item)).map_err(|_| stopped())?;
        result.await.unwrap_or_else(|_| Err(stopped()))
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
