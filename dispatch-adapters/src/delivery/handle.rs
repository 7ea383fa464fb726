use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, DeliveryLabels, Health, Receipt};
use dispatch_core::policy::RefusedBy;
use tokio::sync::{mpsc, oneshot};

use super::protocol::{Command, Job};
use super::route::Route;
use super::shared::Shared;
use super::{DeliveryBuilder, DeliveryReport};
use crate::dead_letters::DeadLetters;
use crate::policy::Breaker;

/// A destination with its policies, ready to use from any thread. Clones are the same destination.
///
/// It is an [`Adapter`], so it can be registered with an engine, be a fallback, or be one of several targets.
#[derive(Clone)]
pub struct Delivery {
    shared: Arc<Shared>,
    mailbox: mpsc::UnboundedSender<Command>,
}

impl Delivery {
    /// Delivers to an adapter; add policies, then [`start`](DeliveryBuilder::start).
    pub fn to(adapter: impl Adapter) -> DeliveryBuilder {
        DeliveryBuilder::new(Arc::new(adapter))
    }

    pub(super) fn new(shared: Arc<Shared>, mailbox: mpsc::UnboundedSender<Command>) -> Self {
        Self { shared, mailbox }
    }

    /// The labels of its metrics and logs.
    #[must_use]
    pub fn labels(&self) -> &DeliveryLabels {
        self.shared.telemetry.labels()
    }

    /// The circuit breaker, if there is one.
    #[must_use]
    pub fn breaker(&self) -> Option<&Breaker> {
        self.shared.breaker.as_ref()
    }

    /// Where its dead letters go, if they go anywhere; close them when nothing more can fail.
    #[must_use]
    pub fn dead_letters(&self) -> Option<&DeadLetters> {
        self.shared.dead_letters.as_ref()
    }

    /// Queues an envelope and answers at once. The ticket waits for the outcome; dropping it changes nothing.
    ///
    /// Work is begun in the order it was queued.
    ///
    /// # Errors
    /// A refusal, if the queue is full or the delivery has been shut down; the envelope was not taken.
    pub fn enqueue(&self, envelope: Envelope) -> Result<Ticket, DeliveryError> {
        let refuse = |by| self.shared.telemetry.refuse(by, None);
        if self.shared.is_stopped() {
            return Err(refuse(RefusedBy::Stopped));
        }
        let room = Arc::clone(&self.shared.room);
        let permit = room.try_acquire_owned().map_err(|_| refuse(RefusedBy::QueueFull))?;
        let (reply, outcome) = oneshot::channel();
        let job = Job { envelope, reply, permit };
        self.mailbox.send(Command::Deliver(job)).map_err(|_| refuse(RefusedBy::Stopped))?;
        Ok(Ticket { outcome })
    }

    /// Envelopes that were queued and have no outcome yet.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.queue - self.shared.room.available_permits()
    }

    /// Sends a batch that is being collected, if there is one, and waits for its results.
    pub async fn flush(&self) {
        self.shared.route.flush().await;
    }

    /// Whether the destination has said that it wants nothing more.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.shared.disabled.load(Ordering::Acquire)
    }

    /// Delivers again to a destination that had said that it wants nothing more.
    pub fn enable(&self) {
        self.shared.disabled.store(false, Ordering::Release);
    }

    /// Takes nothing more, and waits until everything has an outcome, for `deadline` at most.
    ///
    /// The dead letters are left open, since others may use them: see [`DeadLetters::close`](crate::DeadLetters::close).
    pub async fn shutdown(&self, deadline: Duration) -> DeliveryReport {
        let until = crate::runtime::after(deadline);
        self.shared.stopped.store(true, Ordering::Release);
        let (reply, left) = oneshot::channel();
        let asked = self.mailbox.send(Command::Stop { until, reply });
        let abandoned = if asked.is_ok() { left.await.unwrap_or_default() } else { Vec::new() };
        // Whoever still runs is counted below.
        let _ = tokio::time::timeout_at(until, self.shared.vitals.wait_until_quiet()).await;
        DeliveryReport { abandoned, running: self.shared.vitals.running() }
    }
}

#[async_trait]
impl Adapter for Delivery {
    fn name(&self) -> &str {
        &self.labels().adapter
    }

    fn destination(&self) -> &str {
        &self.labels().destination
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        if self.shared.is_stopped() {
            return Err(self.shared.telemetry.refuse(RefusedBy::Stopped, None));
        }
        self.shared.deliver(envelope).await
    }

    /// Delivers them one after the other, or together if there is a batch.
    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        match self.shared.route {
            Route::Batched(_) => {
                futures_util::future::join_all(envelopes.iter().map(|envelope| self.deliver(envelope))).await
            }
            Route::Single(_) => {
                let mut results = Vec::with_capacity(envelopes.len());
                for envelope in envelopes {
                    results.push(self.deliver(envelope).await);
                }
                results
            }
        }
    }

    async fn health(&self) -> Health {
        self.shared.health().await
    }
}

/// Waits for the outcome of a queued envelope.
#[derive(Debug)]
#[must_use = "drop it on purpose if nobody wants the outcome; the delivery goes on"]
pub struct Ticket {
    outcome: oneshot::Receiver<Result<Receipt, DeliveryError>>,
}

impl Future for Ticket {
    type Output = Result<Receipt, DeliveryError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.outcome).poll(cx));
        Poll::Ready(outcome.unwrap_or_else(|_| {
            Err(DeliveryError::retry("the delivery was shut down before the envelope had an outcome"))
        }))
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("labels", self.labels())
            .field("breaker", &self.shared.breaker)
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}
