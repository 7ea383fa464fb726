//! Collects envelopes and delivers them together.
//!
//! - A batch leaves when it is full, when its first envelope has waited long enough, when it is flushed, or when
//!   the last handle is gone.
//! - Every caller gets the result of its own envelope, as soon as it is known. In a [`Delivery`](crate::Delivery) with
//!   retries, what of a batch failed is tried again together and in its order, after one delay, and waits for nobody to
//!   fill the batch up again.
//! - Batches are sent one at a time, in order; meanwhile the next one is collected, and while a batch waits to be tried
//!   again others are sent. A [`Delivery`](crate::Delivery) that was told to work on several envelopes at once sends
//!   several. Only callers meet here: the queue of a delivery and lists make batches of their own.
//! - An envelope whose caller has gone by the time its batch leaves is not sent. A batch that a breaker holds has left.
//! - Callers wait while ten batches are inside: nothing is collected without bound. While the circuit breaker of a
//!   delivery refuses, no more envelopes than it may hold are inside; the others are refused.

mod actor;
mod line;
mod protocol;
mod room;
mod sending;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::delivery::{Adapter, DeliveryError, Health, Receipt};
use dispatch_core::error::Problem;
use dispatch_core::policy::{BatchPolicy, RefusedBy};
use dispatch_core::{Envelope, RegistrationError};
use futures_util::future::OptionFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::policy::{Breaker, Moment, Rates, Retry, Telemetry};
use protocol::{Command, Item};
use room::Room;
use sending::Sender;
pub(crate) use sending::{Ask, Audience};

/// An adapter that delivers in batches.
///
/// Clones share the batch. It needs a tokio runtime.
pub struct Batched<A> {
    sender: Arc<Sender<A>>,
    mailbox: mpsc::UnboundedSender<Command>,
    room: Room,
    hold: Option<Hold>,
    max_age: Duration,
}

/// How batches are sent.
pub(crate) struct Sends<A> {
    /// So many at once.
    pub(crate) at_once: usize,
    /// How many envelopes may wait for a breaker.
    pub(crate) hold: Option<Hold>,
    /// What of a batch failed is tried again.
    pub(crate) again: Option<Again>,
    /// How the adapter is asked, if it has policies around it.
    pub(crate) ask: Option<Ask<A>>,
}

/// How what failed of a batch is tried again.
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

impl Hold {
    /// The refusal of one who has waited for its turn for too long: by the breaker only if that is what kept it.
    fn refuse(hold: Option<&Self>, telemetry: &Telemetry) -> DeliveryError {
        match hold.and_then(|hold| hold.breaker.refuses()) {
            Some(remaining) => telemetry.refuse(RefusedBy::CircuitOpen, Some(remaining)),
            None => telemetry.refuse(RefusedBy::QueueFull, None),
        }
    }
}

impl<A: Adapter> Batched<A> {
    /// Batches on their way at once that the capacity has room for.
    const BATCHES: usize = 10;

    /// Puts a batch in front of an adapter and starts the actor that sends it.
    ///
    /// # Errors
    /// Everything that is wrong with the policy; that there is no runtime.
    pub fn start(policy: BatchPolicy, adapter: A, telemetry: Telemetry) -> Result<Self, RegistrationError> {
        let sends = Sends { at_once: 1, hold: None, again: None, ask: None };
        Self::start_with(policy, sends, adapter, telemetry)
    }

    /// Like [`start`](Self::start), with more to say about how batches are sent.
    pub(crate) fn start_with(
        policy: BatchPolicy,
        sends: Sends<A>,
        adapter: A,
        telemetry: Telemetry,
    ) -> Result<Self, RegistrationError> {
        RegistrationError::check(policy.problems())?;
        let runtime = crate::runtime::current()?;
        let Sends { at_once, hold, again, ask } = sends;
        let batches = policy.max_size.saturating_mul(at_once.max(Self::BATCHES));
        // With room for all that may be held, whoever waits for room is one too many.
        let room = Room::new(batches.max(hold.as_ref().map_or(0, |hold| hold.most)));
        let places = Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)));
        let adapter = Arc::new(adapter);
        let sender = Arc::new(Sender { adapter, ask, telemetry, again, hold: hold.clone(), places });
        let (mailbox, commands) = mpsc::unbounded_channel();
        runtime.spawn(actor::run(policy, hold.clone(), Arc::clone(&sender), room.clone(), commands));
        Ok(Self { sender, mailbox, room, hold, max_age: policy.max_age })
    }

    /// Sends these together as they are, when it is their turn; what of them fails is tried again together.
    pub(crate) async fn send(&self, envelopes: Vec<Envelope>, audience: &mut impl Audience, moment: &Moment) {
        self.sender.send(envelopes, audience, moment, None).await;
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
    pub(crate) fn hurry(&self) {
        // If the actor has gone, nothing is left to hurry.
        let _ = self.mailbox.send(Command::Hurry);
    }

    /// Whether a batch would be sent at once.
    pub(crate) fn has_place(&self) -> bool {
        self.sender.places.available_permits() > 0
    }

    /// Waits until a place is free, and leaves it to whoever takes it first.
    pub(crate) async fn place(&self) {
        // Nobody closes it.
        let _ = self.sender.places.acquire().await;
    }

    /// Envelopes that have no result yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.room.pending()
    }

    /// What is behind the batch.
    #[must_use]
    pub fn inner(&self) -> &A {
        &self.sender.adapter
    }

    /// Waits for room; `None` if there never will be any again.
    ///
    /// # Errors
    /// A refusal, while the breaker refuses and as much is inside as it may hold.
    async fn enter(&self) -> Result<Option<OwnedSemaphorePermit>, DeliveryError> {
        let refuse = |remaining| {
            if self.room.begin_clearing() {
                // If the actor has gone, there is nothing to clear.
                let _ = self.mailbox.send(Command::Clear);
            }
            self.sender.telemetry.refuse(RefusedBy::CircuitOpen, Some(remaining))
        };
        let over = |hold: &&Hold| self.pending() >= hold.most;
        if let Some(remaining) = self.hold.as_ref().filter(over).and_then(|hold| hold.breaker.refuses()) {
            return Err(refuse(remaining));
        }
        // Without waiting, also when many come at once.
        if let Some(permit) = self.room.try_enter() {
            return Ok(Some(permit));
        }
        let refusing = OptionFuture::from(self.hold.as_ref().map(|hold| hold.breaker.refusing()));
        tokio::select! {
            biased;
            permit = self.room.enter() => Ok(permit.ok()),
            // Whoever waits for room finds as much inside as may be.
            Some(remaining) = refusing => Err(refuse(remaining)),
        }
    }
}

#[async_trait]
impl<A: Adapter> Adapter for Batched<A> {
    fn name(&self) -> &str {
        self.sender.adapter.name()
    }

    fn destination(&self) -> &str {
        self.sender.adapter.destination()
    }

    fn validate(&self) -> Result<(), Vec<Problem>> {
        self.sender.adapter.validate()
    }

    /// With the time in which an envelope waits for others.
    fn time_for(&self, limit: Duration) -> Duration {
        self.sender.adapter.time_for(limit).saturating_add(self.max_age)
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        let stopped = || -> DeliveryError { self.sender.telemetry.refuse(RefusedBy::Stopped, None) };
        let permit = self.enter().await?.ok_or_else(stopped)?;
        let (reply, result) = oneshot::channel();
        let until = self.sender.again.as_ref().and_then(|again| again.retry.gives_up_at());
        let item = Item { envelope: envelope.clone(), until, reply, permit };
        self.mailbox.send(Command::Add(item)).map_err(|_| stopped())?;
        // It may have been on its way.
        let lost =
            || DeliveryError::retry("the batch in front of the destination ended before it had a result");
        result.await.unwrap_or_else(|_| Err(lost()))
    }

    /// A batch as it is; it does not wait for others.
    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        self.sender.adapter.deliver_batch(envelopes).await
    }

    async fn health(&self) -> Health {
        self.sender.adapter.health().await
    }
}

impl<A> Clone for Batched<A> {
    fn clone(&self) -> Self {
        Self {
            sender: Arc::clone(&self.sender),
            mailbox: self.mailbox.clone(),
            room: self.room.clone(),
            hold: self.hold.clone(),
            max_age: self.max_age,
        }
    }
}

impl<A: Adapter> fmt::Debug for Batched<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batched")
            .field("adapter", &self.name())
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
