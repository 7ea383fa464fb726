use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use dispatch_core::Envelope;
use dispatch_core::delivery::{Adapter, DeliveryError, DeliveryLabels, Health, Progress, Receipt};
use dispatch_core::policy::RefusedBy;
use tokio::sync::{mpsc, oneshot};

use super::part::List;
use super::protocol::{Command, Job};
use super::route::{Course, Route};
use super::shared::Shared;
use super::{DeliveryBuilder, DeliveryReport};
use crate::dead_letters::DeadLetters;
use crate::policy::{Breaker, Moment};

/// A destination with its policies, ready to use from any thread. Clones are the same destination.
///
/// It is an [`Adapter`], so it can be registered with an engine, be a fallback, or be one of several targets.
#[derive(Clone)]
pub struct Delivery {
    pub(super) shared: Arc<Shared>,
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

    async fn ask(&self, envelope: &Envelope, progress: &Progress) -> Result<Receipt, DeliveryError> {
        if self.shared.is_stopped() {
            return Err(self.shared.telemetry.refuse(RefusedBy::Stopped, None));
        }
        let course = Course { progress, moment: &Moment::start(), before: None };
        self.shared.deliver(envelope, course).await
    }

    /// The labels of its metrics and logs.
    #[must_use]
    pub fn labels(&self) -> &DeliveryLabels {
        self.shared.telemetry.labels()
    }

    /// Wall time by its clock.
    pub(crate) fn now(&self) -> SystemTime {
        self.shared.telemetry.now()
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
    /// One envelope after the other is delivered, in the order they were queued: each has its outcome, retries
    /// included, before the next is begun. With a batch, one batch after the other is; what of it fails is tried again
    /// together, in its order and before the next one. Whoever asked for
    /// [concurrency](DeliveryBuilder::concurrency) has no more than that work is begun in order.
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

    /// If there is a batch: waits for nobody to fill it, until everything that was taken before this call has its
    /// result. What comes afterwards does not keep it waiting.
    pub async fn flush(&self) {
        if !matches!(self.shared.route, Route::Batched(_)) {
            return;
        }
        let (done, flushed) = oneshot::channel();
        let asked = self.mailbox.send(Command::Flush(done));
        self.shared.route.flush().await;
        if asked.is_ok() {
            // An error says that the actor has ended, and what it has left is in the report.
            let _ = flushed.await;
        }
    }

    /// Whether the destination has said that it wants nothing more. From then on no attempt is made, also for what waited:
    /// every envelope fails for good.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.shared.gate.is_closed()
    }

    /// Delivers again to a destination that had said that it wants nothing more.
    pub fn enable(&self) {
        self.shared.gate.open();
    }

    /// Takes nothing more, and waits until everything has an outcome, for `deadline` at most.
    ///
    /// Asked twice, at once or later, it is shut down once, at the earlier deadline, and both reports hold the same
    /// envelopes.
    ///
    /// The dead letters are left open, since others may use them: see [`DeadLetters::close`](crate::DeadLetters::close).
    pub async fn shutdown(&self, deadline: Duration) -> DeliveryReport {
        let until = crate::runtime::after(deadline);
        self.shared.stopped.store(true, Ordering::Release);
        // An error says that it has been stopped before; what was left then is told again.
        let _ = self.mailbox.send(Command::Stop { until });
        let mut abandoned = self.shared.abandoned.clone();
        // Only a runtime that has gone ends the actor without a word.
        let abandoned = abandoned.wait_for(Option::is_some).await.ok().and_then(|left| left.clone());
        // Whoever still runs is counted below.
        let _ = tokio::time::timeout_at(until, self.shared.vitals.wait_until_quiet()).await;
        DeliveryReport {
            is_unknown: abandoned.is_none(),
            abandoned: abandoned.unwrap_or_default(),
            running: self.shared.vitals.running(),
        }
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

    /// What the adapter needs itself, and the time in which a lone envelope waits for others to fill a batch. Not in it are
    /// retries, and what a breaker or a rate limit keeps.
    fn time_for(&self, limit: Duration) -> Duration {
        self.shared.route.time_for(limit)
    }

    async fn deliver(&self, envelope: &Envelope) -> Result<Receipt, DeliveryError> {
        self.ask(envelope, &Progress::new()).await
    }

    async fn deliver_rest(&self, envelope: &Envelope, progress: &Progress) -> Result<Receipt, DeliveryError> {
        self.ask(envelope, progress).await
    }

    /// Delivers them in order: one after the other, or one batch after the other if there is one, which waits for nobody
    /// else. What of a batch fails is tried again together, before the next one.
    async fn deliver_batch(&self, envelopes: &[Envelope]) -> Vec<Result<Receipt, DeliveryError>> {
        let shared = &*self.shared;
        let mut results: Vec<_> = envelopes.iter().map(|_| None).collect();
        let mut done = 0;
        while let Some(rest) = envelopes.get(done..).filter(|rest| !rest.is_empty() && !shared.is_stopped()) {
            let first = done;
            let told = |place: usize, result| {
                if let Some(slot) = results.get_mut(first + place) {
                    *slot = Some(result);
                }
            };
            let list = List { envelopes: rest, before: &[] };
            done += shared.deliver_part(list, &Moment::start(), told).await;
        }
        let stopped = || Err(shared.telemetry.refuse(RefusedBy::Stopped, None));
        results.into_iter().map(|result| result.unwrap_or_else(stopped)).collect()
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
